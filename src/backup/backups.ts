import { join } from 'node:path'
import * as v from 'valibot'
import { PerduraError, toError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { DatabaseFiles } from '../store/database.ts'
import { checkCopy } from '../store/portable.ts'
import { endOf, readArchive, readManifest, type BackupKey } from './archive.ts'
import type { BackupManifest } from './manifest.ts'
import { inPieces } from '../store/pieces.ts'
import { rotate, type KeptFor, type RotationPolicy } from './rotation.ts'

/** That a backup was taken out, and what came out is whole. */
export interface Proof {
  /** Wall-clock ms. */
  readonly proven_at: number
  /** How long that took, as a recovery would. */
  readonly took_ms: number
  /** Of the archive that was proved: another content of the same name is not. */
  readonly end: string
}

export interface Backup {
  readonly name: string
  readonly sizeBytes: number
  readonly manifest: BackupManifest
  readonly proof: Proof | undefined
}

/** A file that is called as a backup is, and is none. */
export interface Unreadable {
  readonly name: string
  readonly error: Error
}

const damages: readonly string[] = ['ERR_BACKUP_INVALID', 'ERR_STORE_CORRUPT']
const fileName = /^\d{8}T\d{6}Z-\d{6}-\d{16}\.backup$/
const proofSchema = v.object({ proven_at: v.number(), took_ms: v.number(), end: v.string() })

export function isBackupName(name: string): boolean {
  return fileName.test(name)
}

/** Its time and its place in the journal, so that they sort by age. */
export function backupFileName({
  created_at: at,
  chain,
  sequence,
}: Pick<BackupManifest, 'created_at' | 'chain' | 'sequence'>): string {
  const time = new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  return `${time}-${String(chain).padStart(6, '0')}-${String(sequence).padStart(16, '0')}.backup`
}

/** The backups of a folder, newest first; those whose beginning is damaged apart. */
export function listBackups(
  disk: Disk,
  folder: string,
): { readonly backups: readonly Backup[]; readonly unreadable: readonly Unreadable[] } {
  const backups: Backup[] = []
  const unreadable: Unreadable[] = []
  for (const name of disk.list(folder).filter((one) => fileName.test(one))) {
    try {
      backups.push(lookInto(disk, folder, name))
    } catch (error) {
      unreadable.push({ name, error: toError(error) })
    }
  }
  return { backups: backups.toSorted(newestFirst), unreadable }
}

function lookInto(disk: Disk, folder: string, name: string): Backup {
  const path = join(folder, name)
  const file = disk.open(path)
  const { sizeBytes } = file
  file.close()
  return { name, sizeBytes, manifest: readManifest(disk, path), proof: readProof(disk, path) }
}

/** By what they hold: a clock may have been wrong. */
function newestFirst({ manifest: a, name: first }: Backup, { manifest: b, name: second }: Backup): number {
  return (
    b.chain - a.chain || b.sequence - a.sequence || b.created_at - a.created_at || (first < second ? 1 : -1)
  )
}

export interface ProveOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly files: DatabaseFiles
  readonly path: string
  readonly key: BackupKey | undefined
  /** A file that may be made and removed. */
  readonly scratch: string
}

/** Takes a backup out, checks every page of what comes out, and notes that it is whole. ERR_BACKUP_INVALID where it is not. */
export async function proveBackup(options: ProveOptions): Promise<Proof> {
  const { disk, clock, files, path, key, scratch } = options
  const startedMs = clock.monotonicMs()
  try {
    const manifest = await inPieces(clock, readArchive({ disk, source: path, target: scratch, key }))
    checkContent(files, scratch, path, manifest)
  } catch (error) {
    // Of a missing key, or a full disk, the backup is no worse than it was.
    if (error instanceof PerduraError && damages.includes(error.code)) forget(disk, path)
    throw error
  } finally {
    if (disk.exists(scratch)) disk.remove(scratch)
  }
  const proof = {
    proven_at: clock.now(),
    took_ms: Math.round(clock.monotonicMs() - startedMs),
    end: endOf(disk, path),
  }
  disk.replaceFile(proofPath(path), Buffer.from(`${JSON.stringify(proof)}\n`))
  return proof
}

/** ERR_BACKUP_INVALID where the copy is not what the manifest says, though every byte is as it was written. */
export function checkContent(
  files: DatabaseFiles,
  copy: string,
  path: string,
  manifest: BackupManifest,
): void {
  let found: ReturnType<typeof checkCopy>
  try {
    found = checkCopy(files, copy)
  } catch (cause) {
    if (!(cause instanceof PerduraError) || cause.code === 'ERR_STORE_NEWER') throw cause
    throw new PerduraError('ERR_BACKUP_INVALID', `${path} holds a damaged database. Take another one`, {
      cause,
      details: { file: path },
    })
  }
  const { chain, sequence, schema_version: version } = manifest
  if (found.chain === chain && found.sequence === sequence && found.schemaVersion === version) return
  throw new PerduraError(
    'ERR_BACKUP_INVALID',
    `${path} does not hold what its manifest says: change ${found.sequence} of chain ${found.chain}. Take another one`,
    { details: { file: path } },
  )
}

export interface Pruned {
  readonly name: string
  readonly sizeBytes: number
  /** Why it stays; nothing where it goes. */
  readonly keptFor: readonly KeptFor[]
}

/** Removes what the policy does not keep; with `dryRun` only says what that is. What cannot be read is left alone. */
export function pruneBackups(
  disk: Disk,
  folder: string,
  policy: RotationPolicy,
  dryRun: boolean,
): readonly Pruned[] {
  const { backups } = listBackups(disk, folder)
  const byName = new Map(backups.map((backup) => [backup.name, backup]))
  const rotated = rotate(
    backups.map(({ name, manifest, proof }) => ({
      name,
      createdAt: manifest.created_at,
      proven: proof !== undefined,
    })),
    policy,
  )
  const going = rotated.filter(({ keptFor }) => keptFor.length === 0)
  if (!dryRun && going.length > 0) {
    for (const { name } of going) {
      forget(disk, join(folder, name))
      disk.remove(join(folder, name))
    }
    disk.syncFolder(folder)
  }
  return rotated.map(({ name, keptFor }) => ({ name, keptFor, sizeBytes: byName.get(name)?.sizeBytes ?? 0 }))
}

function forget(disk: Disk, path: string): void {
  if (disk.exists(proofPath(path))) disk.remove(proofPath(path))
}

function proofPath(path: string): string {
  return `${path}.proof.json`
}

function readProof(disk: Disk, path: string): Proof | undefined {
  const bytes = disk.readFile(proofPath(path))
  if (bytes === undefined) return undefined
  try {
    const parsed = v.safeParse(proofSchema, JSON.parse(Buffer.from(bytes).toString()))
    return parsed.success && parsed.output.end === endOf(disk, path) ? parsed.output : undefined
  } catch {
    return undefined
  }
}
