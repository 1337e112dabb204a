import type { HealthReport } from '../health/report.ts'
import type { Agent } from '../runtime/agent.ts'
import type { Counters } from '../runtime/counters.ts'
import type { LiveSession } from '../runtime/live-session.ts'
import { totals, type Totals } from '../runtime/queries.ts'

/** What happened, as the live view shows it. */
export interface Activity {
  /** Wall-clock ms. */
  readonly at: number
  readonly kind:
    | 'in'
    | 'duplicate'
    | 'out'
    | 'done'
    | 'failed'
    | 'parked'
    | 'dead'
    | 'refused'
    | 'process'
    | 'session'
  readonly text: string
}

/** How the agent stands at its hub; null without one. */
export type SessionFigures = (LiveSession & { readonly generation: number }) | null

/** What an agent process tells the process that keeps it running. */
export type ProcessMessage =
  /** The definition is loaded; this is whom it is about. */
  | { readonly type: 'named'; readonly name: string; readonly folder: string }
  | {
      readonly type: 'ready'
      readonly pid: number
      readonly previous: 'none' | 'clean' | 'killed'
      readonly replayedRecords: number
      readonly interruptedTurns: number
      readonly ingressUrl: string
      readonly totals: Totals
      readonly session: SessionFigures
      /** Its mind is off. */
      readonly safeMode: boolean
    }
  | {
      readonly type: 'activity'
      readonly counters: Counters
      readonly totals: Totals
      readonly session: SessionFigures
      readonly lines: readonly Activity[]
    }
  /** The hub's process is ready, or another number of agents is connected to it. */
  | { readonly type: 'hub'; readonly pid: number; readonly url: string; readonly connected: number }
  /** Somebody asked the agent itself to stop: it is not to be started again. */
  | { readonly type: 'stop' }
  /** Somebody asked for the settings to be read again. */
  | { readonly type: 'reload' }
  /** It hands its session over: it ends by itself within so long, ms, and the next one is to be started at once. */
  | { readonly type: 'handover'; readonly withinMs: number }
  /** Its event loop is about to stand still, for so long at most, ms: it does not hang. */
  | { readonly type: 'busy'; readonly forMs: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | Beat

/** That the event loop of the process runs, and how it goes: once a second. */
export interface Beat {
  readonly type: 'beat'
  readonly health: HealthReport
  /** Since the process started. */
  readonly turnsDone: number
  /** There is work that could be done, and for long nothing has run or been committed. */
  readonly stalled: boolean
  readonly rssBytes: number
  readonly heapUsedBytes: number
  /** Processor time of the process since its start, ms. */
  readonly cpuMs: number
  /** Longest stop of the event loop within the last sample, ms. */
  readonly loopDelayMs: number
  /** Of an agent at its hub; null without one. */
  readonly session: string | null
  /** Entries that are not finished. */
  readonly inbox: number
  /** Messages to other agents without a verdict. */
  readonly outbox: number
  readonly safeMode: boolean
}

export function isProcessMessage(value: unknown): value is ProcessMessage {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
}

/** Whether it says that its agent is online at its hub. */
export function isOnline(message: ProcessMessage): boolean {
  if (!('session' in message)) return false
  return message.type === 'beat' ? message.session === 'online' : message.session?.state === 'online'
}

const linesMax = 50
const textLengthMax = 2_000

/**
 * Collects what an agent does and passes it on in bundles: a busy agent does thousands of things a second, and a
 * person reads ten. Only the newest lines of a bundle are kept; the counters are exact. The next bundle waits until the
 * last one is on its way: for a parent that does not read (it was suspended), the channel would keep them all in memory.
 */
export class ActivityReport {
  readonly #agent: Pick<Agent, 'on' | 'reader'>
  readonly #counters: Counters
  readonly #send: (message: ProcessMessage) => Promise<void>
  readonly #session: () => SessionFigures
  #sessionText = ''
  #sending = false
  #closed = false
  #lines: Activity[] = []
  #changed = false
  #timer: NodeJS.Timeout | undefined

  constructor(
    agent: Pick<Agent, 'on' | 'reader'>,
    counters: Counters,
    send: (message: ProcessMessage) => Promise<void>,
    session: () => SessionFigures = () => null,
  ) {
    this.#agent = agent
    this.#counters = counters
    this.#send = send
    this.#session = session
    agent.on('inbox:entry:accepted', ({ from, text }) => this.#add('in', `${from}: ${text}`))
    agent.on('inbox:entry:duplicate', ({ position, from }) =>
      this.#add('duplicate', `from ${from}, the same as turn ${position}`),
    )
    agent.on('turn:attempt:failed', ({ turn, error, retryInMs }) =>
      this.#add(
        'failed',
        `turn ${turn}: ${error}${retryInMs === null ? '' : `; again in ${Math.round(retryInMs)} ms`}`,
      ),
    )
    agent.on('turn:done', ({ turn, durationMs }) =>
      this.#add('done', `turn ${turn} in ${Math.round(durationMs)} ms`),
    )
    agent.on('turn:parked', ({ turn, effect }) =>
      this.#add('parked', `turn ${turn}: nobody knows whether "${effect}" happened`),
    )
    agent.on('turn:dead', ({ turn, reason }) => this.#add('dead', `turn ${turn}: ${reason}`))
    agent.on('outbox:message:committed', ({ to, text }) => this.#add('out', `${to}: ${text}`))
    agent.on('outbox:message:delivered', () => this.#schedule())
    agent.on('session:state:changed', ({ to, reason }) => {
      const text = `session ${to}: ${reason}`
      const isNews =
        (to === 'online' || to === 'backing-off' || to === 'suspended') && text !== this.#sessionText
      if (isNews) this.#add('session', text)
      else this.#schedule()
      if (isNews) this.#sessionText = text
    })
    // From here on there is no database to take the totals from.
    agent.on('agent:stop:done', () => this.#close())
    agent.on('outbox:message:refused', ({ to, error }) => this.#add('refused', `${to}: ${error}`))
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#sending || this.#closed) return
    const lines = this.#lines
    this.#lines = []
    this.#changed = false
    this.#sending = true
    const sent = this.#send({
      type: 'activity',
      counters: { ...this.#counters },
      totals: totals(this.#agent.reader),
      session: this.#session(),
      lines,
    })
    void sent.then(() => {
      this.#sending = false
      if (this.#changed) this.#schedule()
    })
  }

  #close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #add(kind: Activity['kind'], text: string): void {
    this.#lines.push({ at: Date.now(), kind, text: text.slice(0, textLengthMax) })
    if (this.#lines.length > linesMax) this.#lines.shift()
    this.#schedule()
  }

  #schedule(): void {
    if (this.#closed) return
    this.#changed = true
    // The counters are changed by listeners of the same events; wait until all of them have run.
    this.#timer ??= setTimeout(() => this.flush(), flushDelayMs)
    this.#timer.unref()
  }
}

const flushDelayMs = 30
