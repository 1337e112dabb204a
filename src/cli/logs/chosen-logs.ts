import { existsSync } from 'node:fs'
import { daemonPaths } from '../../daemon/paths.ts'
import { PerduraError } from '../../errors.ts'
import { agentExists, agentPaths } from '../../runtime/home.ts'
import type { Call } from '../call.ts'
import { chooseAgents } from '../chosen-agents.ts'
import { hubPaths } from '../hub-record.ts'
import { requireAgent } from '../look.ts'

export interface ChosenLog {
  /** Of an agent its name, else `hub` or `daemon`. */
  readonly name: string
  readonly isAgent: boolean
  readonly path: string
}

export interface ChosenLogs {
  readonly logs: readonly ChosenLog[]
  /** One was named. */
  readonly single: boolean
  /** Of those that there are not, which was said; the others are shown all the same. */
  readonly exitCode: number
}

/** The logs that were named; without a name, or with `--all`, those of every agent, the hub and the daemon. */
export function chooseLogs(call: Call): ChosenLogs {
  const { names, single } = chooseAgents(call, 'all')
  if (call.arguments.length === 0) {
    const agents = names.map((name) => logOf(call, name))
    const others = ['hub', 'daemon'].filter((name) => !names.includes(name)).map((name) => logOf(call, name))
    return { logs: [...agents, ...others.filter(({ path }) => existsSync(path))], single: false, exitCode: 0 }
  }
  const logs: ChosenLog[] = []
  let exitCode = 0
  for (const name of names) {
    try {
      logs.push(logOf(call, name))
    } catch (error) {
      if (single || !(error instanceof PerduraError)) throw error
      call.output.complaint(error, name)
      exitCode = Math.max(exitCode, error.exitCode)
    }
  }
  return { logs, single, exitCode }
}

/** An agent may be called `hub` or `daemon`, and is meant then. */
function logOf(call: Call, name: string): ChosenLog {
  const isOutput = call.flag('output')
  const [hub, daemon] = [hubPaths(call.home), daemonPaths(call.home)]
  const other = { hub: isOutput ? hub.output : hub.log, daemon: isOutput ? daemon.output : daemon.log }[name]
  if (other !== undefined && !agentExists(call.disk, call.home, name)) {
    return { name, isAgent: false, path: other }
  }
  requireAgent(call, name, ['hub', 'daemon'])
  const { log, output } = agentPaths(call.home, name)
  return { name, isAgent: true, path: isOutput ? output : log }
}
