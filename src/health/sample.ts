import type { SensorReading } from '../platform/sensors.ts'

/** How a process stands at one moment. What does not apply to it is undefined. */
export interface HealthSample {
  /** Monotonic ms. */
  readonly atMs: number
  readonly process: SensorReading
  readonly diskFreeBytes: number | undefined
  readonly hub: HubSample | undefined
  readonly queues: QueueSample | undefined
  readonly work: WorkSample | undefined
  /** Of a hub. */
  readonly server: ServerSample | undefined
  /** Unexpected ends of earlier processes, within the window of the settings. */
  readonly restarts: number | undefined
  readonly safeMode: boolean
}

export interface HubSample {
  readonly online: boolean
  /** Since it is online, or is not, ms. */
  readonly lastedMs: number
  /** Why the session is in its state. */
  readonly reason: string
  /** Since the hub was heard, ms; undefined without a connection. */
  readonly heardAgoMs: number | undefined
  /** How long the connection may be quiet before a ping tries it. */
  readonly heartbeatMs: number
  readonly roundTripMs: number | undefined
  /** By how much the hub's clock is ahead, ms. */
  readonly clockSkewMs: number | undefined
  /** Since the access token is over, ms; undefined while there is a good one, or none was ever got. */
  readonly tokenOverMs: number | undefined
}

export interface QueueSample {
  /** Entries that are not finished. */
  readonly inbox: number
  /** Age of the oldest of them that waits for the agent, ms; undefined where none does. */
  readonly inboxAgeMs: number | undefined
  /** Messages to other agents without a verdict. */
  readonly outbox: number
  readonly outboxAgeMs: number | undefined
}

/** What the process has done since its start, and could do now. */
export interface WorkSample {
  readonly ready: number
  readonly running: number
  /** Attempts that ended well, and that failed. */
  readonly done: number
  readonly failed: number
  /** Messages that arrived, and that did not: refused or expired. */
  readonly delivered: number
  readonly undelivered: number
}

/** What a hub serves. Counts are since its start. */
export interface ServerSample {
  /** Since it could be written to, ms, and why not now; tried every few seconds. */
  readonly database: { readonly silentMs: number; readonly trouble: string | undefined }
  /** The longest of those since the last sample, from being asked for to being on disk; undefined where there was none. */
  readonly commitMaxMs: number | undefined
  readonly connections: number
  readonly connectionsMax: number
  /** Those who were told to come again, for want of room. */
  readonly turnedAway: number
  /** What it was asked for and did, and what failed through no fault of who asked. */
  readonly done: number
  readonly failed: number
  /** Messages that wait for agents; undefined where that is not known. */
  readonly waiting: number | undefined
  readonly waitingAgeMs: number | undefined
}

/** A sample, and what only several of them tell. */
export interface Figures extends HealthSample {
  /**
   * Attempts at turns within the window that failed, of those that ended; of a hub, what it was asked for. Undefined where
   * they were too few to say.
   */
  readonly errorRate: number | undefined
  readonly deliveryRate: number | undefined
  /** Of one core, over the last minute; undefined before. */
  readonly cpu: number | undefined
  /** Growth of the resident memory an hour; undefined until the window is full. */
  readonly memoryGrowthBytes: number | undefined
  /** For so long there has been work that could be done, while nothing ran and nothing was done. */
  readonly stalledMs: number
  /** For so long, in each sample, somebody was turned away from a hub. */
  readonly turnedAwayMs: number
}
