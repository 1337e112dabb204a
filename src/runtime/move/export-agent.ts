import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { CredentialFile } from '../../credentials/credential-file.ts'
import { PerduraError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import type { DatabaseFiles } from '../../store/database.ts'
import type { openStore, StoreOptions } from '../../store/open-store.ts'
import { copyWhole } from '../../store/portable.ts'
import type { Reader } from '../../store/store.ts'
import type { LaunchSource } from '../launch-record.ts'
import { storedSessions } from '../session-queries.ts'
import { writeArchive, type Source } from './archive.ts'
import { writeMoved } from './moved-marker.ts'

/** What an export says of itself. */
export interface ExportAbout {
  readonly export_id: string
  readonly agent: string
  readonly agent_id: string
  /** ISO 8601. */
  readonly exported_at: string
  readonly schema_version: number
  /** Where it was at last; null where it has been at no hub. */
  readonly hub: string | null
  /** By which the agent knows that hub, whatever its address is. */
  readonly hub_place: string | null
  readonly session_identifier: string | null
  readonly generation: number
  /** What it was started from there, which does not go along. */
  readonly launch: LaunchSource | null
  readonly open_turns: number
  readonly pending_messages: number
}

export interface ExportOptions {
  readonly name: string
  readonly folder: string
  /** Where the archive is to be; nothing may be there. */
  readonly target: string
  readonly movedMarker: string
  readonly launch: LaunchSource | undefined
  readonly passphrase: string | undefined
  readonly cost?: number
  readonly files: DatabaseFiles
  readonly store: Omit<StoreOptions, 'files' | 'folder'> & { readonly open: typeof openStore }
  readonly credentials: () => CredentialFile
  readonly disk: Disk
  readonly random: Random
  readonly clock: Clock
}

export interface Exported {
  readonly about: ExportAbout
  readonly sizeBytes: number
}

/**
 * Puts everything that the agent owns into one file, and marks the folder as left: what is started there from then on would
 * be a second one of it. No process may have the agent open (ERR_HOME_IN_USE).
 *
 * Its lock is held from before the first byte is read until the folder is marked, so the picture is of one moment: what
 * the database says and what the credentials say belong together. The file has its name only once the folder is marked, so
 * a crash leaves either an agent that goes on here, or one that is marked and can be exported again.
 */
export async function exportAgent(options: ExportOptions): Promise<Exported> {
  const { disk, files, folder, clock, random, name, target } = options
  if (disk.exists(target)) {
    throw new PerduraError('ERR_FILE_EXISTS', `${target} exists already: name another file with --to`)
  }
  refuseDamaged(files)
  const { open, ...rest } = options.store
  const { store } = await open({ ...rest, files, folder })
  const copy = join(folder, 'export.tmp')
  const partial = `${target}.partial`
  try {
    for (const left of [copy, partial]) if (disk.exists(left)) disk.remove(left)
    const { schemaVersion } = await copyWhole(files, copy)
    const about = aboutOf(store.reader, {
      schemaVersion,
      name,
      exportId: random.uuid(),
      at: clock.now(),
      launch: options.launch,
    })
    const credentials = options.credentials()
    const portable = Buffer.from(JSON.stringify(credentials.portable()))
    const sources = [sourceOfFile(disk, 'state.db', copy), sourceOfBytes('credentials.json', portable)]
    const { passphrase, cost } = options
    writeArchive({ disk, random }, partial, {
      about: { ...about },
      sources,
      passphrase,
      ...(cost !== undefined && { cost }),
    })
    disk.remove(copy)
    writeMoved(disk, options.movedMarker, { at: clock.now(), exportId: about.export_id, file: target })
    // Where it was imported and has not been at its hub since: the right to take over goes along, and does not stay.
    credentials.forgetTakeovers()
    disk.rename(partial, target)
    disk.syncFolder(join(target, '..'))
    return { about, sizeBytes: sizeOf(disk, target) }
  } catch (error) {
    // What is half done holds the agent's key all the same.
    for (const left of [copy, partial]) discard(disk, left)
    throw error
  } finally {
    await store.close()
  }
}

/** On a disk that is broken it stays; the next export removes it. */
function discard(disk: Disk, path: string): void {
  try {
    if (disk.exists(path)) disk.remove(path)
  } catch {
    // What went wrong first is what is told.
  }
}

/** Before anything is opened for writing: what is damaged stays as it is. */
function refuseDamaged(files: DatabaseFiles): void {
  if (!files.exists()) {
    throw new PerduraError(
      'ERR_NO_SUCH_AGENT',
      'the agent has never been started: there is nothing to export',
    )
  }
  let problem: string
  try {
    const reader = files.openReader()
    try {
      const row = reader.prepare('PRAGMA integrity_check(1)').get() as { integrity_check: string }
      problem = row.integrity_check
    } finally {
      reader.close()
    }
  } catch (error) {
    problem = (error as Error).message
  }
  if (problem === 'ok') return
  throw new PerduraError(
    'ERR_STORE_CORRUPT',
    `the agent's database is damaged (${problem}), and is not taken elsewhere: start the agent, which rebuilds it from its ` +
      'journal, and export it then',
  )
}

function aboutOf(
  reader: Reader,
  facts: {
    readonly schemaVersion: number
    readonly name: string
    readonly exportId: string
    readonly at: number
    readonly launch: LaunchSource | undefined
  },
): ExportAbout {
  const identity = reader.get<{ agent_id: string }>('SELECT agent_id FROM identity')
  const count = (from: string): number =>
    reader.get<{ count: number }>(`SELECT count(*) AS count FROM ${from}`)?.count ?? 0
  const [session] = storedSessions(reader)
  return {
    export_id: facts.exportId,
    agent: facts.name,
    agent_id: identity?.agent_id ?? '',
    exported_at: new Date(facts.at).toISOString(),
    schema_version: facts.schemaVersion,
    hub: session?.hub ?? null,
    hub_place: session?.place ?? null,
    session_identifier: session?.sessionIdentifier ?? null,
    generation: session?.generation ?? 0,
    launch: facts.launch ?? null,
    open_turns: count("inbox WHERE status IN ('pending', 'running', 'parked')"),
    pending_messages: count("outbox WHERE status = 'pending'"),
  }
}

const pieceBytes = 1024 * 1024

function sourceOfFile(disk: Disk, name: string, path: string): Source {
  const hash = createHash('sha256')
  const pieces = function* (): Generator<Uint8Array> {
    const file = disk.open(path)
    try {
      for (let at = 0; at < file.sizeBytes; at += pieceBytes) yield file.read(at, pieceBytes)
    } finally {
      file.close()
    }
  }
  for (const piece of pieces()) hash.update(piece)
  return { name, sizeBytes: sizeOf(disk, path), sha256: hash.digest('hex'), pieces }
}

function sourceOfBytes(name: string, bytes: Uint8Array): Source {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { name, sizeBytes: bytes.length, sha256, pieces: () => [bytes] }
}

function sizeOf(disk: Disk, path: string): number {
  const file = disk.open(path)
  try {
    return file.sizeBytes
  } finally {
    file.close()
  }
}
