import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import type { Database } from '../platform/database.ts'
import { newestChain } from '../store/newest-chain.ts'
import { quarantineFolder } from '../store/quarantine.ts'
import { beginChainInCopy } from '../store/portable.ts'
import { readArchive, readManifest, type BackupKey } from './archive.ts'
import { checkContent } from './backups.ts'
import type { BackupManifest } from './manifest.ts'
import { inPieces } from '../store/pieces.ts'
import { requireRoom, type BackupParts } from './take.ts'

type Parts = Omit<BackupParts, 'folder'>

/** A backup that was taken out and checked, and has changed nothing yet. */
export interface Prepared {
  readonly manifest: BackupManifest
  /** The database that came out; see `discardPrepared`. */
  readonly path: string
  /** How far the inbox and the outbox go in it. */
  readonly inbox: number
  readonly outbox: number
}

/**
 * Takes a backup out beside the agent's database, and checks every page of it. The agent may run. ERR_BACKUP_INVALID where it is not
 * whole, ERR_STORE_NEWER, ERR_STORE_WRITE where there is no room.
 */
export async function prepareRestore(
  { disk, clock, files }: Parts,
  {
    source,
    key,
    folder,
  }: { readonly source: string; readonly key: BackupKey | undefined; readonly folder: string },
): Promise<Prepared> {
  const path = preparedPath(folder)
  disk.makeFolder(join(folder, 'recovery'))
  discardPrepared({ disk }, folder)
  try {
    requireRoom(disk, folder, readManifest(disk, source).size_bytes)
    const manifest = await inPieces(clock, readArchive({ disk, source, target: path, key }))
    checkContent(files, path, source, manifest)
    const copy = files.openCopy(path)
    try {
      const inbox = highest(copy, 'SELECT max(position) AS value FROM inbox')
      return { manifest, path, inbox, outbox: highest(copy, 'SELECT max(sequence) AS value FROM outbox') }
    } finally {
      copy.close()
    }
  } catch (error) {
    discardPrepared({ disk }, folder)
    throw error
  }
}

/**
 * Puts what was prepared in the place of the agent's database, which goes to `quarantine/`, whole. The caller holds the agent's
 * lock. Returns where the quarantine is; undefined where there was no database.
 *
 * The copy has begun a chain of its own, and is on disk, before anything is moved; it takes the place by being renamed. Where the
 * process ends between the two, the next start finds no database and rebuilds the old one from its journal: a restore has
 * happened wholly, or not at all.
 */
export function finishRestore(
  { disk, clock, random, files }: Parts,
  { prepared, folder }: { readonly prepared: Prepared; readonly folder: string },
): string | undefined {
  const existed = files.exists()
  beginChainInCopy(files, random, prepared.path, newestChain(disk, join(folder, 'journal')))
  const quarantine = quarantineFolder({ disk, clock }, folder, 'replaced by a backup')
  files.replaceWith(prepared.path, quarantine)
  return existed ? quarantine : undefined
}

export function discardPrepared({ disk }: Pick<Parts, 'disk'>, folder: string): void {
  if (disk.exists(preparedPath(folder))) disk.remove(preparedPath(folder))
}

/** ERR_BACKUP_OTHER_AGENT where the backup is of another agent than the one that is there. */
export function assertSameAgent(
  manifest: BackupManifest,
  agent: string,
  agentId: string | undefined,
  source: string,
): void {
  if (manifest.agent !== agent) {
    throw new PerduraError(
      'ERR_BACKUP_OTHER_AGENT',
      `${source} is a backup of another agent, ${JSON.stringify(manifest.agent)}: restore it under that name; nothing was changed`,
    )
  }
  if (agentId === undefined || manifest.agent_id === agentId) return
  throw new PerduraError(
    'ERR_BACKUP_OTHER_AGENT',
    `${source} is of an earlier ${agent} (${manifest.agent_id}) than the one that is there (${agentId}), which was started anew: ` +
      'put it in its place with --replace; nothing was changed',
  )
}

const preparedPath = (folder: string): string => join(folder, 'recovery', 'state.db')

function highest(copy: Database, sql: string): number {
  return (copy.prepare(sql).get() as { value: number | null }).value ?? 0
}
