import { readManifest } from '../../backup/archive.ts'
import type { Backup } from '../../backup/backups.ts'
import type { BackupManifest } from '../../backup/manifest.ts'
import {
  assertSameAgent,
  discardPrepared,
  finishRestore,
  prepareRestore,
  type Prepared,
} from '../../backup/restore.ts'
import { formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { agentExists, prepareAgentFolder, type AgentPaths } from '../../runtime/home.ts'
import { refuseMoved } from '../../runtime/move/moved-marker.ts'
import { describeLoss, readPresent } from '../backup-loss.ts'
import {
  backupDocument,
  findBackup,
  isPath,
  keyHint,
  openBackups,
  readKey,
  refusePlain,
  takeProven,
} from '../backups.ts'
import type { Call } from '../call.ts'
import { agentChild } from '../child-name.ts'
import { confirm } from '../confirm.ts'
import { showChild } from '../daemon-child.ts'
import { requireAgent, viewProcess } from '../look.ts'

type Parts = ReturnType<typeof openBackups>

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const meant = call.argument(1)
  const key = readKey(call)
  const paths = placeOf(call, agent, meant)
  const { path } = findBackup(call, paths, meant)
  refuseMoved(call.disk, paths.movedMarker, agent)
  await refuseRunning(call, paths, agent)
  const parts = openBackups(call, paths)
  try {
    const present = readPresent(call, paths)
    const prepared = await prepareRestore(parts, { source: path, key, folder: paths.folder })
    try {
      const agentId = call.flag('replace') ? undefined : present?.agentId
      assertSameAgent(prepared.manifest, agent, agentId, path)
      const { created_at: at, sequence } = prepared.manifest
      const age = formatDuration(Math.max(0, Date.now() - at))
      const lost = present === undefined ? [] : describeLoss(call, paths, prepared)
      for (const line of lost) call.output.note(line)
      await confirm(call, `Put ${agent} back to change ${sequence}, as it was ${age} ago?`)
      refusePlain(call, paths, key)
      const before = await keepPresent(call, parts, paths, key)
      const quarantine = replace(call, parts, { paths, agent, prepared, before })
      tell(call, paths, { agent, age, manifest: prepared.manifest, path, before, quarantine, lost })
    } finally {
      discardPrepared(parts, paths.folder)
    }
  } finally {
    parts.release()
  }
}

/** The agent's folder, which is made where all that is left of it is a file somewhere else. */
function placeOf(call: Call, agent: string, meant: string): AgentPaths {
  if (agentExists(call.disk, call.home, agent) || !isPath(meant)) return requireAgent(call, agent)
  const { path } = findBackup(call, undefined, meant)
  assertSameAgent(readManifest(call.disk, path), agent, undefined, path)
  return prepareAgentFolder(call.disk, call.home, agent)
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

/** What is there now, as a backup, to come back to; undefined where it cannot be one, and quarantine has it. */
async function keepPresent(
  call: Call,
  parts: Parts,
  paths: AgentPaths,
  key: ReturnType<typeof readKey>,
): Promise<Backup | undefined> {
  if (!parts.files.exists() || call.flag('without-undo')) return undefined
  try {
    return await takeProven(parts, { reason: 'restore', key, stopped: paths.folder })
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error
    if (error.code === 'ERR_STORE_WRITE') {
      throw new PerduraError(
        'ERR_STORE_WRITE',
        `${error.message}. Without a backup of what is there now it takes less: --without-undo`,
        { cause: error },
      )
    }
    if (!unkept.includes(error.code)) throw error
    call.output.note(`what is there now cannot be backed up (${error.code}): it goes to quarantine alone`)
    return undefined
  }
}

const unkept: readonly string[] = [
  'ERR_NO_SUCH_AGENT',
  'ERR_STORE_CORRUPT',
  'ERR_STORE_NEWER',
  'ERR_STORE_SCHEMA',
  'ERR_JOURNAL_CORRUPT',
]

interface Replacing {
  readonly paths: AgentPaths
  readonly agent: string
  readonly prepared: Prepared
  readonly before: Backup | undefined
}

/** Holds the agent's lock for some milliseconds only: one that is started meanwhile would take it for another process. */
function replace(
  call: Call,
  parts: Parts,
  { paths, agent, prepared, before }: Replacing,
): string | undefined {
  const lock = parts.files.lock()
  try {
    if (before !== undefined && readPresent(call, paths)?.sequence !== before.manifest.sequence) {
      throw new PerduraError(
        'ERR_HOME_IN_USE',
        `${agent} ran meanwhile: stop it, and try again; nothing was changed`,
      )
    }
    return finishRestore(parts, { prepared, folder: paths.folder })
  } finally {
    lock.release()
  }
}

interface Told {
  readonly agent: string
  readonly age: string
  readonly manifest: BackupManifest
  readonly path: string
  readonly before: Backup | undefined
  readonly quarantine: string | undefined
  readonly lost: readonly string[]
}

function tell(call: Call, paths: AgentPaths, told: Told): void {
  const { output } = call
  const { agent, age, manifest, path, before, quarantine, lost } = told
  const { sequence } = manifest
  createNodeLog({ file: { path: paths.log } }).warn('backup:restored', {
    agent,
    backup: path,
    sequence,
    before: before?.name,
    quarantine,
  })
  output.line(`${agent} is back at change ${sequence}, as it was ${age} ago`)
  if (before !== undefined)
    output.note(`undo it:  ${call.hint(`perdura backup restore ${agent} ${before.name}${keyHint(call)}`)}`)
  if (quarantine !== undefined) output.note(`what was there is in ${quarantine}`)
  output.document({
    agent,
    restored: path,
    sequence,
    before: before === undefined ? null : backupDocument(before),
    quarantine: quarantine ?? null,
    lost,
  })
}
