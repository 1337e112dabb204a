import { join } from 'node:path'
import { isJsonObject } from '../json.ts'
import type { Clock } from '../platform/clock.ts'
import type { Disk } from '../platform/disk.ts'
import type { Database } from '../platform/database.ts'
import type { DatabaseFiles } from './database.ts'
import type { JournalPosition } from './chain-scan.ts'
import type { Chain } from './journal-record.ts'
import { atOnce, digestOf, inPieces } from './pieces.ts'
import { readPosition, schemaVersion } from './position.ts'

/** A copy of the database at one position of its chain: cut + journal = any later point. */
export interface Cut {
  readonly chain: number
  readonly sequence: number
  /** Name of the copy in the journal's folder; its manifest is `<name>.json`. */
  readonly name: string
}

interface Manifest extends Cut {
  readonly chainId: string
  readonly hash: string
  readonly schemaVersion: number
  readonly sizeBytes: number
  readonly sha256: string
}

const cutName = /^(\d{6})-(\d{16})\.cut$/

/** The cuts of all chains that have a manifest, oldest first. */
export function listCuts(disk: Disk, folder: string): Cut[] {
  const names = disk.list(folder)
  const cuts: Cut[] = []
  for (const name of names) {
    const match = cutName.exec(name)
    if (match === null || !names.includes(`${name}.json`)) continue
    cuts.push({ chain: Number(match[1]), sequence: Number(match[2]), name })
  }
  return cuts.toSorted((a, b) => a.chain - b.chain || a.sequence - b.sequence)
}

export interface CutOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly files: DatabaseFiles
  readonly folder: string
}

/** Takes a cut at once, while no other write can happen. */
export function cutNow(options: CutOptions, connection: Database): Cut {
  const temporary = join(options.folder, 'cut.tmp')
  options.files.copyNow(connection, temporary)
  return atOnce(finishCut(options, temporary))
}

/** Takes a cut beside a running store: the copy off the main thread, its checksum in small pieces. */
export async function cutBeside(options: CutOptions): Promise<Cut> {
  const temporary = join(options.folder, 'cut.tmp')
  if (options.disk.exists(temporary)) options.disk.remove(temporary)
  await options.files.copyTo(temporary)
  return inPieces(options.clock, finishCut(options, temporary))
}

/** Whether the bytes of the cut are those that its manifest describes. */
export function verifyCut(disk: Disk, folder: string, cut: Cut): boolean {
  const manifest = readManifest(disk, join(folder, `${cut.name}.json`))
  if (manifest === undefined || manifest.chain !== cut.chain || manifest.sequence !== cut.sequence)
    return false
  if (!disk.exists(join(folder, cut.name))) return false
  return atOnce(checksum(disk, join(folder, cut.name))).sha256 === manifest.sha256
}

export function removeCut(disk: Disk, folder: string, cut: Cut): void {
  disk.remove(join(folder, `${cut.name}.json`))
  if (disk.exists(join(folder, cut.name))) disk.remove(join(folder, cut.name))
}

/** Removes copies without a manifest, which a process left that ended while it took or removed a cut. */
export function removeUnfinishedCuts(disk: Disk, folder: string): void {
  const names = disk.list(folder)
  for (const name of names) {
    if (cutName.test(name) && !names.includes(`${name}.json`)) disk.remove(join(folder, name))
  }
}

/** Yields between pieces of work of about a millisecond. */
function* finishCut({ disk, files, folder }: CutOptions, temporary: string): Generator<void, Cut> {
  const copy = files.openCopy(temporary)
  let position: { chain: Chain; base: number } & JournalPosition
  let version: number
  try {
    position = readPosition(copy)
    version = schemaVersion(copy)
  } finally {
    copy.close()
  }
  const { sha256, sizeBytes } = yield* checksum(disk, temporary)
  const { chain, sequence } = position
  const name = `${String(chain.number).padStart(6, '0')}-${String(sequence).padStart(16, '0')}.cut`
  const manifest: Manifest = {
    chain: chain.number,
    sequence,
    name,
    chainId: Buffer.from(chain.id).toString('hex'),
    hash: position.hash.toString('hex'),
    schemaVersion: version,
    sizeBytes,
    sha256,
  }
  // The manifest comes last: a cut without one is not believed.
  disk.rename(temporary, join(folder, name))
  disk.syncFolder(folder)
  disk.replaceFile(join(folder, `${name}.json`), Buffer.from(`${JSON.stringify(manifest)}\n`))
  return { chain: chain.number, sequence, name }
}

function* checksum(disk: Disk, path: string): ReturnType<typeof digestOf> {
  const file = disk.open(path)
  try {
    file.sync()
    return yield* digestOf(file)
  } finally {
    file.close()
  }
}

function readManifest(disk: Disk, path: string): Manifest | undefined {
  // A disk that cannot be read says nothing about the cut.
  const bytes = disk.readFile(path)
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return isJsonObject(value) ? (value as unknown as Manifest) : undefined
  } catch {
    return undefined
  }
}
