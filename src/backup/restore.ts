import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import { newestChain } from '../store/newest-chain.ts'
import { adoptCopy } from '../store/portable.ts'
import { readArchive, type BackupKey } from './archive.ts'
import { checkContent } from './backups.ts'
import type { BackupManifest } from './manifest.ts'
import { inPieces } from './pieces.ts'
import type { BackupParts } from './take.ts'

export interface RestoreOptions {
  readonly source: string
  readonly key: BackupKey | undefined
  /** The agent's folder. */
  readonly folder: string
  /** The agent that it is to be of, by its name, and by its identity where anything is left that knows it. */
  readonly agent: string
  readonly agentId: string | undefined
}

/**
 * Puts a backup in the place of the agent's database, which goes to `quarantine/`, whole. The caller holds the agent's lock.
 *
 * Nothing is touched before the backup has been taken out and every page of it checked. Where the process ends before the
 * restored database has begun a chain of its own, the next start finds the journal of the old one, and goes on with that: a
 * restore has happened wholly, or not at all.
 */
export async function restoreBackup(
  { disk, clock, random, files }: Omit<BackupParts, 'folder'>,
  { source, key, folder, agent, agentId }: RestoreOptions,
): Promise<{ readonly manifest: BackupManifest; readonly quarantine: string | undefined }> {
  const scratchFolder = join(folder, 'recovery')
  const scratch = join(scratchFolder, 'state.db')
  disk.makeFolder(scratchFolder)
  if (disk.exists(scratch)) disk.remove(scratch)
  try {
    const manifest = await inPieces(clock, readArchive({ disk, source, target: scratch, key }))
    checkContent(files, scratch, source, manifest)
    if (manifest.agent !== agent || (agentId !== undefined && manifest.agent_id !== agentId)) {
      throw new PerduraError(
        'ERR_BACKUP_OTHER_AGENT',
        `${source} is a backup of another agent (${manifest.agent}, ${manifest.agent_id}): nothing was changed`,
      )
    }
    const chain = newestChain(disk, join(folder, 'journal'))
    let quarantine: string | undefined
    if (files.exists()) {
      const time = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, '-')
      quarantine = join(folder, 'quarantine', `${time}-replaced-by-a-backup`)
      files.quarantine(quarantine)
    }
    adoptCopy(files, random, scratch, chain)
    return { manifest, quarantine }
  } finally {
    if (disk.exists(scratch)) disk.remove(scratch)
  }
}
