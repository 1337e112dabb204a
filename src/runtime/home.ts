import { join, resolve } from 'node:path'
import { isAgentName } from '../agent/define-agent.ts'
import { PerduraError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import { socketPlace } from '../platform/socket-place.ts'
import { unwritable } from '../platform/unwritable.ts'
import { terminal } from '../queue/outbox.ts'

export interface HomeSources {
  /** What was asked for explicitly (`--home`, an option); wins over everything. */
  readonly home?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The user's own folder. */
  readonly userFolder: string
  /** What relative paths start from. */
  readonly workingFolder: string
}

/** Everything that Perdura keeps lies below one folder: `$PERDURA_HOME`, `$XDG_STATE_HOME/perdura`, or the default. */
export function resolveHome(sources: HomeSources): string {
  const own = sources.home ?? sources.environment['PERDURA_HOME']
  if (own !== undefined && own !== '') return resolve(sources.workingFolder, own)
  // The XDG base directory specification has relative paths ignored.
  const state = sources.environment['XDG_STATE_HOME']
  if (state !== undefined && state.startsWith('/')) return join(state, 'perdura')
  return join(sources.userFolder, '.local', 'state', 'perdura')
}

/** Where the parts of one agent are. */
export interface AgentPaths {
  /** The home that it is an agent of. */
  readonly home: string
  readonly folder: string
  readonly database: string
  readonly journal: string
  readonly backups: string
  /** Names the running agent process; see `process-record.ts`. */
  readonly processRecord: string
  /** Names the process that keeps the agent running. */
  readonly supervisorRecord: string
  /** The agent's key and tokens: apart from its database, so that losing that does not lose the agent. */
  readonly credentials: string
  readonly log: string
  /** What the daemon keeps of the agent: what to start, whether it is wanted, how it ended. */
  readonly supervision: string
  /** What a process that the daemon started wrote to no log: what V8 says when it crashes, and programs that it started. */
  readonly output: string
  /** What the agent was last started from; see `launch-record.ts`. */
  readonly launchRecord: string
  /** Folder of the reports of its crashes. */
  readonly crashes: string
  /** There where the agent was exported; see `move/moved-marker.ts`. */
  readonly movedMarker: string
  readonly controlSocket: string
  /** The folder made for the socket alone, where the agent's own path is too long for one. */
  readonly socketFolder: string | undefined
}

export function agentPaths(home: string, name: string): AgentPaths {
  const folder = join(home, 'agents', name)
  const place = socketPlace(folder)
  return {
    home,
    folder,
    database: join(folder, 'state.db'),
    journal: join(folder, 'journal'),
    backups: join(folder, 'backups'),
    processRecord: join(folder, 'agent.pid'),
    supervisorRecord: join(folder, 'supervisor.pid'),
    credentials: join(folder, 'credentials'),
    log: join(folder, 'agent.log'),
    supervision: join(folder, 'supervision.json'),
    output: join(folder, 'agent.out'),
    launchRecord: join(folder, 'agent.json'),
    crashes: join(folder, 'crashes'),
    movedMarker: join(folder, 'moved.json'),
    controlSocket: join(place.folder, 'control.sock'),
    socketFolder: place.elsewhere ? place.folder : undefined,
  }
}

/** Throws ERR_AGENT_NAME unless `name` can be an agent's name, and thus its folder's. */
export function checkAgentName(name: string): void {
  if (!isAgentName(name)) {
    throw new PerduraError(
      'ERR_AGENT_NAME',
      `${JSON.stringify(name)} cannot be an agent's name: use 1 to 64 letters, digits, "-" or "_", starting with a letter or digit`,
    )
  }
  if (name.toLowerCase() === terminal) {
    throw new PerduraError(
      'ERR_AGENT_NAME',
      `"${name}" is what the person at the terminal is called: choose another name`,
    )
  }
}

/** Names of the agents that have a folder. */
export function listAgents(disk: Disk, home: string): string[] {
  const folder = join(home, 'agents')
  try {
    return disk.list(folder).filter(isAgentName)
  } catch (cause) {
    throw unwritable(folder, cause)
  }
}

export function agentExists(disk: Disk, home: string, name: string): boolean {
  return isAgentName(name) && listAgents(disk, home).includes(name)
}

/**
 * Makes the agent's folder where it is missing. Names that differ only in case are refused, because a folder moved
 * to a file system that ignores case would make one agent of two.
 */
export function prepareAgentFolder(disk: Disk, home: string, name: string): AgentPaths {
  checkAgentName(name)
  const paths = agentPaths(home, name)
  const alike = listAgents(disk, home).find(
    (other) => other !== name && other.toLowerCase() === name.toLowerCase(),
  )
  if (alike !== undefined) {
    throw new PerduraError(
      'ERR_AGENT_NAME',
      `there is an agent "${alike}" already: names may not differ only in case`,
    )
  }
  try {
    disk.makeFolder(paths.folder)
    disk.makeFolder(paths.journal)
  } catch (cause) {
    throw unwritable(paths.folder, cause)
  }
  return paths
}
