import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/database.ts'
import type { Disk } from '../platform/disk.ts'
import type { Random } from '../platform/random.ts'
import { isCorruption } from '../store/corruption.ts'
import type { DatabaseFiles } from '../store/database.ts'
import { checkCopy } from '../store/portable.ts'
import { readPosition, schemaVersion } from '../store/position.ts'
import { catchUpCopy } from '../store/replay.ts'
import { writeArchive, type BackupKey } from './archive.ts'
import { backupFileName, type Backup } from './backups.ts'
import type { BackupManifest, BackupReason } from './manifest.ts'
import { digestOf, inPieces } from '../store/pieces.ts'

export interface BackupParts {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly files: DatabaseFiles
  /** Where the agent's backups are. */
  readonly folder: string
}

export interface TakeOptions {
  /** The agent's folder, where no process of the agent runs: what is only in its journal belongs to it too. */
  readonly stopped?: string
  readonly reason: BackupReason
  readonly key: BackupKey | undefined
  /** Versions of what takes it. */
  readonly software: Pick<BackupManifest, 'perdura' | 'node'>
}

const roomForOthersBytes = 67_108_864

/**
 * Takes a backup of what is committed at some moment during the call, whether the agent runs or not; nothing of the agent is
 * changed. It is on disk, under its name, when this resolves; before that there is nothing of that name. One at a time for a
 * folder. ERR_STORE_CORRUPT where the database is damaged, ERR_STORE_NEWER, ERR_NO_SUCH_AGENT where nothing was ever committed,
 * ERR_STORE_WRITE where there is no room.
 */
export async function takeBackup(parts: BackupParts, options: TakeOptions): Promise<Backup> {
  const { disk, clock, random, files, folder } = parts
  const copy = join(folder, 'copy.tmp')
  disk.makeFolder(folder)
  if (!files.exists()) throw neverStarted()
  // The copy, the archive, and what comes out of it when it is proved.
  requireRoom(disk, folder, 3 * files.sizeBytes())
  if (disk.exists(copy)) disk.remove(copy)
  try {
    await copySoundly(files, copy)
    if (options.stopped !== undefined) catchUpCopy(disk, files, options.stopped, copy)
    const facts = factsOf(files, copy)
    const content = await inPieces(clock, digest(disk, copy))
    const manifest = {
      ...facts,
      ...content,
      ...options.software,
      created_at: clock.now(),
      reason: options.reason,
    }
    const name = backupFileName(manifest)
    const target = join(folder, name)
    const written = await inPieces(
      clock,
      writeArchive({ disk, random, source: copy, target, manifest, key: options.key }),
    )
    return { name, sizeBytes: written.sizeBytes, manifest: written.manifest, proof: undefined }
  } finally {
    if (disk.exists(copy)) disk.remove(copy)
  }
}

/** ERR_STORE_WRITE where there is less room than that and what an agent needs to go on. */
export function requireRoom(disk: Disk, folder: string, bytes: number): void {
  if (disk.freeBytes(folder) >= bytes + roomForOthersBytes) return
  throw new PerduraError(
    'ERR_STORE_WRITE',
    `no room in ${folder} for ${Math.ceil(bytes / 1_048_576)} MiB: free some disk space; nothing was changed`,
  )
}

async function copySoundly(files: DatabaseFiles, copy: string): Promise<void> {
  try {
    await files.copyTo(copy)
    checkCopy(files, copy)
  } catch (error) {
    if (!isCorruption(error)) throw error
    throw new PerduraError(
      'ERR_STORE_CORRUPT',
      'the database is damaged: start the agent, which rebuilds it from its journal, or restore a backup',
      { cause: error },
    )
  }
}

function neverStarted(): PerduraError {
  return new PerduraError(
    'ERR_NO_SUCH_AGENT',
    'there is no database to back up: the agent has never been started, or has lost it; its next start brings it back where it can',
  )
}

type Facts = Pick<
  BackupManifest,
  | 'agent'
  | 'agent_id'
  | 'schema_version'
  | 'state_version'
  | 'chain'
  | 'chain_id'
  | 'sequence'
  | 'hash'
  | 'hubs'
>

function factsOf(files: DatabaseFiles, copy: string): Facts {
  const database = files.openCopy(copy)
  try {
    const { chain, sequence, hash } = readPosition(database)
    const get = <Row>(sql: string): Row | undefined => database.prepare(sql).get() as Row | undefined
    const identity = get<{ agent_id: string; name: string }>('SELECT agent_id, name FROM identity')
    if (identity === undefined) throw neverStarted()
    const state = get<{ value: number }>("SELECT value FROM counters WHERE name = 'state.version'")
    return {
      agent: identity.name,
      agent_id: identity.agent_id,
      schema_version: schemaVersion(database),
      state_version: state?.value ?? 0,
      chain: chain.number,
      chain_id: Buffer.from(chain.id).toString('hex'),
      sequence,
      hash: hash.toString('hex'),
      hubs: hubsOf(database),
    }
  } finally {
    database.close()
  }
}

function hubsOf(database: Database): BackupManifest['hubs'] {
  const rows = database
    .prepare(
      'SELECT hub, generation, stream_epoch, rx_offset, producer_epoch, acked_seq FROM session ORDER BY hub',
    )
    .all() as {
    hub: string
    generation: number
    stream_epoch: string | null
    rx_offset: number
    producer_epoch: string | null
    acked_seq: number | null
  }[]
  return rows.map((row) => ({
    hub: row.hub,
    generation: row.generation,
    stream: row.stream_epoch === null ? null : { epoch: row.stream_epoch, offset: row.rx_offset },
    producer: row.producer_epoch === null ? null : { epoch: row.producer_epoch, acknowledged: row.acked_seq },
  }))
}

function* digest(disk: Disk, path: string): Generator<void, { size_bytes: number; sha256: string }> {
  const file = disk.open(path)
  try {
    const { sizeBytes, sha256 } = yield* digestOf(file)
    return { size_bytes: sizeBytes, sha256 }
  } finally {
    file.close()
  }
}
