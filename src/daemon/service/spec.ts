import { PerduraError } from '../../errors.ts'

/** Of whom the service is: of one person, who needs no rights for it, or of the machine. */
export type ServiceScope = 'user' | 'system'

/** An account of this machine. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** What a service is to run, and as whom. All paths are absolute. */
export interface ServiceSpec {
  readonly scope: ServiceScope
  /** Of the unit and the job: `perdura` is `perdura.service`, or `local.perdura`. */
  readonly name: string
  /** Of Perdura: the folder of the agents. */
  readonly home: string
  /** The Node that runs it. */
  readonly node: string
  /** `bin/perdura.mjs` of the package. */
  readonly program: string
  /** Whose processes they are. */
  readonly account: Account
  /** Longest time that the manager waits for the daemon to stop: always longer than that takes. */
  readonly stopSeconds: number
}

/** How long what a daemon keeps running may take to end, after which it is killed: agents side by side, then the hub; ms. */
export interface StopTimes {
  readonly agentsMs: number
  readonly hubMs: number
}

/** What the end of a daemon takes besides its children, ms. */
export const endMarginMs = 10_000
/** For a machine that is so slow that all of them are late. */
const managerMarginMs = 10_000
const stopSecondsMin = 60
export const startSeconds = 90

/** With the usual times (15 s for agents, which have 10 s for their turns, and 15 s for the hub) it is the least, 60. */
export function stopSecondsOf({ agentsMs, hubMs }: StopTimes): number {
  return Math.max(stopSecondsMin, Math.ceil((agentsMs + hubMs + endMarginMs + managerMarginMs) / 1_000))
}

/** Throws ERR_USAGE for a path that no file of a service manager can carry. */
export function checkPaths(spec: ServiceSpec): void {
  for (const path of [spec.home, spec.node, spec.program, spec.account.home]) {
    // oxlint-disable-next-line eslint/no-control-regex -- these are what must not be
    if (path.startsWith('/') && !/[\u0000-\u001F\u007F]|[\s\\]$/.test(path)) continue
    throw new PerduraError(
      'ERR_USAGE',
      `a service cannot use the path ${JSON.stringify(path)}: it has to be absolute, without control characters, and must ` +
        'not end in a blank or a backslash',
    )
  }
  // systemd takes no program with these in its name, however they are written.
  if (!/["'\\]/.test(spec.node)) return
  throw new PerduraError(
    'ERR_USAGE',
    `a service cannot start ${JSON.stringify(spec.node)}: there must be no quotes and no backslashes in the path of its Node`,
  )
}

/** The folders that programs are looked for in: of this Node, of the account, and the usual ones. */
export function searchPath(spec: ServiceSpec): string {
  const folders = [
    spec.node.slice(0, spec.node.lastIndexOf('/')) || '/',
    `${spec.account.home}/.local/bin`,
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
  ]
  return [...new Set(folders)].filter((folder) => !folder.includes(':')).join(':')
}

export function isServiceName(name: string): boolean {
  return /^[a-z0-9][a-z0-9_-]{0,60}$/i.test(name)
}

/** What an installed file says about itself, so that a later `install` without options means the same. */
export interface Installed {
  readonly home: string
  readonly node: string
  readonly program: string
  /** Name of the account. */
  readonly account: string
  readonly stopSeconds: number
  /** Of a job of launchd: the session that it is for; see `LaunchdSession`. */
  readonly session?: string
}

export function installedOf({ home, node, program, account, stopSeconds }: ServiceSpec): Installed {
  return { home, node, program, account: account.name, stopSeconds }
}

export function parseInstalled(text: string): Installed | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const {
    home,
    node,
    program,
    account,
    stopSeconds = stopSecondsMin,
    session,
  } = (value ?? {}) as Partial<Record<keyof Installed, unknown>>
  const known = [home, node, program, account].every((field) => typeof field === 'string')
  if (!known || typeof stopSeconds !== 'number') return null
  return { ...(value as Installed), stopSeconds, ...(typeof session === 'string' && { session }) }
}
