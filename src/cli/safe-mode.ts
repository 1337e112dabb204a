import { resolve } from 'node:path'
import { PerduraError } from '../errors.ts'
import { agentPaths, checkAgentName, listAgents } from '../runtime/home.ts'
import { readImportRecord, readLaunchRecord } from '../runtime/launch-record.ts'
import type { Call } from './call.ts'
import { looksLikeFile } from './definition.ts'
import { requireAgent } from './look.ts'

/** An agent that is opened without its code. */
export interface SafeModeTarget {
  readonly name: string
  /** The hub that was asked for when it was started before. */
  readonly hub: string | undefined
}

/**
 * Whom `run --safe-mode` is about. The agent's file is not read: it may be missing, or be what kills the process. So an
 * agent that is given by its file alone is the one that was last started from it.
 */
export function safeModeTarget(call: Call): SafeModeTarget {
  const name = call.text('name') ?? agentOf(call, call.argument(0))
  checkAgentName(name)
  const { launchRecord } = requireAgent(call, name)
  const hub = (readLaunchRecord(call.disk, launchRecord) ?? readImportRecord(call.disk, launchRecord))?.hub
  return { name, hub }
}

function agentOf(call: Call, argument: string): string {
  if (!looksLikeFile(argument)) return argument
  const path = resolve(argument)
  const names = listAgents(call.disk, call.home).filter((name) => {
    const source = readLaunchRecord(call.disk, agentPaths(call.home, name).launchRecord)?.source
    return source?.kind === 'file' && source.path === path
  })
  const [only, ...others] = names
  if (only !== undefined && others.length === 0) return only
  const which = only === undefined ? 'no agent was started from it' : `${names.join(' and ')} were`
  throw new PerduraError(
    'ERR_USAGE',
    `safe mode does not read ${argument}, and ${which}: name the agent, with --name <Name>`,
  )
}
