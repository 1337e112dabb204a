import type { Installed, ServiceSpec } from './spec.ts'

/** How the manager of the machine has a service. */
export interface ServiceState {
  /** In the manager's own words: `active`, `activating`, `failed`, `inactive`. */
  readonly state: string
  readonly detail: string
  readonly running: boolean
  /** Wall-clock ms since it is so; null where that is not known. */
  readonly since: number | null
  readonly pid: number | null
  /** Starts that the manager made by itself since the last one that somebody asked for. */
  readonly restarts: number | null
  /** Whether it starts with the machine, or with the session of its person. */
  readonly enabled: boolean
  /** Whether it runs while its person is not logged in; null where that is not a question. */
  readonly lingers: boolean | null
  /** What the daemon said of itself. */
  readonly said: string | null
  /** Files of other people that change what ours says. */
  readonly dropIns: readonly string[]
  /** Processes of the service that live although its daemon does not. */
  readonly leftOver: readonly number[]
  /** Whether the manager goes by an earlier file than the one that is there. */
  readonly stale: boolean
  /** Whether it gives the daemon less time to stop than its file says, seconds; null where it does not, or does not tell. */
  readonly stopSecondsMax: number | null
}

/** How long a stop may take, ms. */
export interface StopPatience {
  /** All of it, for whoever waits. */
  readonly timeoutMs: number
  /** A process that its daemon has left behind, after which that is killed. */
  readonly leftOverMs: number
}

/** systemd or launchd, for one service. Failures say what to do. */
export interface ServiceManager {
  readonly kind: 'systemd' | 'launchd'
  /** What the manager calls it. */
  readonly unit: string
  readonly file: string
  /** Command that shows what it writes. */
  readonly logs: string
  /** Throws where the manager is not there, or is not to be reached. */
  check(): Promise<void>
  render(spec: ServiceSpec): Promise<string>
  /** The installed file. */
  installedText(): string | undefined
  /** What a file was made from; null for a file of somebody else. */
  read(text: string): Installed | null
  /** Puts the file in place and makes it known; the service is not touched. */
  place(text: string): Promise<void>
  /** Has it start with the machine. False where it did already. */
  enable(): Promise<boolean>
  /** Each returns when it is so, or throws ERR_SERVICE_MANAGER. */
  start(timeoutMs: number): Promise<void>
  stop(patience: StopPatience): Promise<void>
  /** By the file as it is now. */
  restart(timeoutMs: number): Promise<void>
  /** Stops it, and takes away the file and what the manager knows of it. */
  remove(patience: StopPatience): Promise<void>
  state(): Promise<ServiceState>
  /** Has services of this person run while nobody is logged in. */
  linger?(): Promise<void>
}
