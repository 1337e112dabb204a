import type { BackupParts } from '../../backup/take.ts'
import { PerduraError } from '../../errors.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { newestChain } from '../../store/newest-chain.ts'
import { openStore } from '../../store/open-store.ts'
import { createDatabaseFiles } from '../../store/sqlite/files.ts'
import { backupDocument, openBackups, readKey, takeProven } from '../backups.ts'
import type { Call } from '../call.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { sizeText } from '../overview/overview-table.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const key = readKey(call)
  const parts = openBackups(call, paths)
  try {
    if (!hasContent(paths, parts)) {
      throw new PerduraError(
        'ERR_NO_SUCH_AGENT',
        `${agent} has never been started: there is nothing to back up`,
      )
    }
    if (viewProcess(call, paths).state !== 'running') await catchUp(paths)
    const taken = await takeProven(parts, 'asked', key)
    const { output } = call
    const { name, sizeBytes, manifest } = taken
    output.line(`${name}: ${sizeText(sizeBytes)}, up to change ${manifest.sequence}, proven`)
    output.note(`put ${agent} back to it:  ${call.hint(`perdura backup restore ${agent} ${name}`)}`)
    output.document({ agent, folder: parts.folder, ...backupDocument(taken) })
  } finally {
    parts.release()
  }
}

/** Whether anything is left of the agent's database or journal: opening it would make a new agent otherwise. */
export function hasContent({ journal }: AgentPaths, { files, disk }: BackupParts): boolean {
  return files.exists() || newestChain(disk, journal) > 0
}

/** A process that was killed may have left changes in the journal alone: they belong to what was acknowledged. */
export async function catchUp({ folder }: AgentPaths): Promise<void> {
  const { store } = await openStore({
    ...createNodePlatform(),
    folder,
    files: createDatabaseFiles(folder),
    log: createNodeLog({ level: 'error' }),
  })
  await store.close()
}
