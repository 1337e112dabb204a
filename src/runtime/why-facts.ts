import type { TimerView } from './queries.ts'
import type { QueueView } from './queue-queries.ts'
import type { EffectView, OutgoingView, TurnSummary } from './turn-queries.ts'

/** What the database says about work that is not done. */
export interface StoredFacts {
  /** Oldest first; at most `examinedMax` of them. */
  readonly open: readonly TurnSummary[]
  readonly openCount: number
  /** Effects of parked turns, by turn. */
  readonly effects: ReadonlyMap<number, readonly EffectView[]>
  readonly dead: readonly TurnSummary[]
  readonly deadCount: number
  /** To other agents; oldest first. */
  readonly outgoing: readonly OutgoingView[]
  /** What recipients would not have, or the hub for them, and what has expired; newest first. */
  readonly deadMessages: readonly OutgoingView[]
  readonly paused: QueueView['paused']
  readonly unread: readonly OutgoingView[]
  readonly timers: readonly TimerView[]
  readonly doneCount: number
}

/** What is known about the process, apart from the database. */
export interface ProcessFacts {
  /** `killed`: it left its record behind, and is gone. */
  readonly state: 'running' | 'stopped' | 'killed'
  readonly pid?: number
  /** Whether it answered just now; undefined where it was not asked. */
  readonly answers?: boolean
  /** Whether a supervisor will start it again. */
  readonly supervised?: boolean
  /** Whether its mind is off. */
  readonly safeMode?: boolean
}

export type RecipientState = 'running' | 'stopped' | 'missing'

export interface WhyFacts {
  readonly agent: string
  readonly now: number
  readonly process: ProcessFacts
  /** Journal records that the database does not have. */
  readonly lag: number
  /** Where it was exported to, if it was. */
  readonly movedTo?: string | undefined
  /** On the disk of the home. */
  readonly freeBytes: number
  readonly stored: StoredFacts
  readonly recipients: ReadonlyMap<string, RecipientState>
  /** How it stands at its hub; undefined without one. */
  readonly session?: SessionFacts | undefined
  /** What whoever keeps it running has; undefined where it was never kept by a daemon. */
  readonly keeping?: KeepingFacts | undefined
}

/** How an agent is kept running. Times are wall-clock ms. */
export interface KeepingFacts {
  readonly keeper: 'daemon' | 'up' | 'nobody'
  readonly daemon: 'running' | 'silent' | 'none'
  readonly isWanted: boolean
  /** Its process was started by a daemon that is gone. */
  readonly isOrphan: boolean
  /** Why it is not started again although it is wanted. */
  readonly outcome: 'failed' | 'finished' | null
  /** What its last process said of why it could not become ready. */
  readonly failure: { readonly code: string; readonly message: string } | undefined
  /** Until its next start, where there is no process. */
  readonly nextTryMs: number | undefined
  readonly lastEnd: EndFacts | undefined
  /** The last end that nobody asked for. */
  readonly lastFailure: EndFacts | undefined
  readonly failuresInARow: number
  readonly failuresInWindow: number
  /** So many of them lead to safe mode. */
  readonly safeModeAfter: number | undefined
  readonly safeMode: { readonly since: number; readonly until: number } | undefined
  /** What was seen of the last process that was killed for not answering. */
  readonly evidence: { readonly at: number; readonly text: string } | undefined
  /** The newest report of a crash. */
  readonly crash: { readonly at: number; readonly message: string; readonly file: string } | undefined
  /** Somebody has stopped the process. */
  readonly isSuspended: boolean
  /** Checks of its health that are not healthy, the worst first. */
  readonly health: readonly { readonly state: string; readonly text: string }[]
  /** Why its record could not be written. */
  readonly unsaved: string | undefined
}

export interface EndFacts {
  readonly at: number
  /** In one word: `crashed`, `hung`, `stop` … */
  readonly reason: string
  readonly text: string
  /** What the process said of it; left out where that is not known. */
  readonly said?: string | undefined
}

export interface SessionFacts {
  readonly hub: string
  /** Of a session, or `offline` and `ended` where no process runs. */
  readonly state: string
  readonly reason: string
  /** Wall-clock ms. */
  readonly since: number
  readonly attempts?: number
  /** Until the next attempt, ms; null where none is planned, or the process does not say. */
  readonly nextTryMs?: number | null
}

export interface Explanation {
  readonly reason:
    | 'not-running'
    | 'moved'
    | 'killed'
    | 'not-answering'
    | 'failed'
    | 'finished'
    | 'backing-off'
    | 'no-daemon'
    | 'daemon-silent'
    | 'suspended'
    | 'hung'
    | 'stalled'
    | 'memory'
    | 'crashed'
    | 'crash-looping'
    | 'unhealthy'
    | 'unsaved'
    | 'safe-mode'
    | 'disk-full'
    | 'lagging'
    | 'parked'
    | 'waits-to-retry'
    | 'waits-behind'
    | 'interrupted'
    | 'running'
    | 'ready'
    | 'not-shown'
    | 'recipient'
    | 'not-connected'
    | 'gave-up'
    | 'in-use'
    | 'session-ended'
    | 'at-the-hub'
    | 'refused'
    | 'expired'
    | 'paused'
    | 'dead-letter'
    | 'unread'
    | 'timer'
    | 'idle'
  readonly text: string
  readonly turn?: number
  /** What the reader can do about it. */
  readonly command?: string
}
