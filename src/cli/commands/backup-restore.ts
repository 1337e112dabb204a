import { join } from 'node:path'
import { readManifest } from '../../backup/archive.ts'
import type { Backup } from '../../backup/backups.ts'
import { restoreBackup } from '../../backup/restore.ts'
import { formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { backupDocument, findBackup, openBackups, readKey, takeProven } from '../backups.ts'
import type { Call } from '../call.ts'
import { agentChild } from '../child-name.ts'
import { confirm } from '../confirm.ts'
import { showChild } from '../daemon-child.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { catchUp, hasContent } from './backup-create.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const key = readKey(call)
  const { path } = findBackup(call, paths, call.argument(1))
  const { created_at: at, sequence } = readManifest(call.disk, path)
  await refuseRunning(call, paths, agent)
  const age = formatDuration(Math.max(0, Date.now() - at))
  await confirm(call, `Put ${agent} back to change ${sequence}, as it was ${age} ago?`)
  const parts = openBackups(call, paths)
  try {
    const before = await keepPresent(call, parts, paths, key)
    const lock = parts.files.lock()
    try {
      if (before !== undefined && positionOf(call, paths) !== before.manifest.sequence) {
        throw new PerduraError(
          'ERR_HOME_IN_USE',
          `${agent} ran meanwhile: stop it, and try again; nothing was changed`,
        )
      }
      const restored = await restoreBackup(parts, {
        source: path,
        key,
        folder: paths.folder,
        agent,
        agentId: before?.manifest.agent_id,
      })
      const { output } = call
      output.line(`${agent} is back at change ${restored.manifest.sequence}, as it was ${age} ago`)
      if (before !== undefined)
        output.note(`undo it:  ${call.hint(`perdura backup restore ${agent} ${before.name}`)}`)
      if (restored.quarantine !== undefined) output.note(`what was there is in ${restored.quarantine}`)
      output.note('messages that it has handled since come again from its hub, which keeps them for a day')
      output.document({
        agent,
        restored: path,
        to: restored.manifest.sequence,
        before: before === undefined ? null : backupDocument(before),
        quarantine: restored.quarantine ?? null,
      })
    } finally {
      lock.release()
    }
  } finally {
    parts.release()
  }
}

/** One that is kept running would be started in the middle of it. */
async function refuseRunning(call: Call, paths: AgentPaths, agent: string): Promise<void> {
  const kept = await showChild(call, agentChild(agent))
  const view = viewProcess(call, paths)
  if (view.state !== 'running' && !view.supervised && kept?.wanted !== true) return
  throw new PerduraError(
    'ERR_HOME_IN_USE',
    `${agent} is running, or kept running: stop it first, with ${call.hint(`perdura stop ${agent}`)}`,
  )
}

/** What is there now, as a backup, to come back to; undefined where it is damaged, and quarantine has it. */
async function keepPresent(
  call: Call,
  parts: ReturnType<typeof openBackups>,
  paths: AgentPaths,
  key: ReturnType<typeof readKey>,
): Promise<Backup | undefined> {
  if (!hasContent(paths, parts)) return undefined
  try {
    await catchUp(paths)
    return await takeProven(parts, 'restore', key)
  } catch (error) {
    const damaged =
      error instanceof PerduraError &&
      ['ERR_STORE_CORRUPT', 'ERR_STORE_GAP', 'ERR_JOURNAL_CORRUPT', 'ERR_STORE_SCHEMA'].includes(error.code)
    if (!damaged) throw error
    call.output.note(
      `what is there now cannot be backed up (${error.code}): it goes to ${join(paths.folder, 'quarantine')}`,
    )
    return undefined
  }
}

function positionOf(call: Call, paths: AgentPaths): number {
  const sql = 'SELECT sequence FROM journal_position'
  return readAgent(call, paths, ({ reader }) => reader.get<{ sequence: number }>(sql)?.sequence ?? 0)
}
