import { PerduraError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { Clock, Timer } from '../../platform/clock.ts'

/** When a client of v1 that says nothing is asked, put to sleep, and sent away. */
export interface ActivityLimits {
  /** Without a frame for so long, it is asked whether it is there, ms. Default 15 min. */
  readonly staleMs: number
  /** How long it has to answer, ms; then it sleeps. Default 2 min. */
  readonly graceMs: number
  /** How long it may sleep, ms; then its socket is closed. Default 60 min. */
  readonly sleepMaxMs: number
}

const defaultActivityLimits: ActivityLimits = {
  staleMs: 15 * 60_000,
  graceMs: 2 * 60_000,
  sleepMaxMs: 60 * 60_000,
}

/** With the defaults for what is missing; ERR_USAGE for what cannot be meant: each from a second to a month. */
export function activityLimits(options: Partial<ActivityLimits> = {}): ActivityLimits {
  const limits = { ...defaultActivityLimits, ...options }
  for (const name of ['staleMs', 'graceMs', 'sleepMaxMs'] as const) {
    if (limits[name] >= 1_000 && limits[name] <= 30 * 86_400_000) continue
    throw new PerduraError('ERR_USAGE', `activity.${name}: milliseconds, from 1,000 to those of 30 days`)
  }
  return Object.freeze(limits)
}

export interface ActivitySink {
  /** The client is asked, or told that it sleeps. */
  tell(frame: JsonObject): void
  /** It has slept for too long. */
  end(): void
}

/**
 * Whether a client of v1 does anything, as the original has it, but so that any frame counts, and wakes:
 *
 *   awake ──silent for `staleMs`──► challenged ──for `graceMs` more──► asleep ──for `sleepMaxMs` more──► ended
 *     ▲                                 │                               │
 *     └────────── any frame ────────────┴───────────────────────────────┘
 *
 * Pings of the WebSocket protocol show that somebody is there, and are no activity.
 */
export class PlainActivity {
  readonly #clock: Clock
  readonly #limits: ActivityLimits
  readonly #sink: ActivitySink
  #state: 'awake' | 'challenged' | 'asleep' | 'ended' = 'awake'
  #sinceMs: number
  #timer: Timer | undefined

  constructor(clock: Clock, limits: ActivityLimits, sink: ActivitySink) {
    this.#clock = clock
    this.#limits = limits
    this.#sink = sink
    this.#sinceMs = clock.monotonicMs()
    this.#arm(limits.staleMs)
  }

  get isAsleep(): boolean {
    return this.#state === 'asleep'
  }

  /** The agent has done something. */
  active(): void {
    this.#sinceMs = this.#clock.monotonicMs()
    if (this.#state === 'awake' || this.#state === 'ended') return
    this.#state = 'awake'
    this.#arm(this.#limits.staleMs)
  }

  stop(): void {
    this.#state = 'ended'
    this.#timer?.cancel()
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(delayMs, () => this.#due())
  }

  #due(): void {
    const { staleMs, graceMs, sleepMaxMs } = this.#limits
    const [stale, grace] = [minutes(staleMs), minutes(graceMs)]
    if (this.#state === 'awake') {
      const restMs = this.#sinceMs + staleMs - this.#clock.monotonicMs()
      if (restMs > 0) return this.#arm(restMs)
      this.#state = 'challenged'
      this.#arm(graceMs)
      const content =
        `⚠️ URGENT: Your activity has not been detected for ${stale}+ minutes. Please respond within ${grace} minutes to ` +
        'confirm you are active. Send any message or update your brain state to avoid being put to sleep.'
      this.#sink.tell({ type: 'activity_verification', content })
    } else if (this.#state === 'challenged') {
      this.#state = 'asleep'
      this.#arm(sleepMaxMs)
      const reason =
        `no response to challenge for ${grace} minutes, no WebSocket heartbeat for ${stale}+ minutes, ` +
        `no database activity for ${stale}+ minutes`
      this.#sink.tell({ type: 'sleep_notification', reason })
    } else if (this.#state === 'asleep') {
      this.stop()
      this.#sink.end()
    }
  }
}

function minutes(ms: number): string {
  return String(Number((ms / 60_000).toFixed(2)))
}
