import { formatDuration } from '../duration.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'

export interface HeartbeatOptions {
  readonly clock: Clock
  readonly random: Pick<Random, 'fraction'>
  /** A ping follows after so long without a frame in either direction, ms. */
  readonly heartbeatMs: number
  /** After so long without a frame, the last of it behind an unanswered ping, nobody is there any more, ms. */
  readonly silenceMs: number
  /** Sends one; `sentMs` comes back with its answer. */
  readonly ping: (sentMs: number) => void
  /** The connection is of no use: nobody is there. Called once, and last. */
  readonly onSilence: (reason: string) => void
}

/** What pings have measured on a connection; undefined before the first answer. */
export interface Measured {
  readonly roundTripMs: number | undefined
  /** By how much the other's wall clock is ahead of this one; negative where it is behind. To look at: nothing goes by it. */
  readonly clockSkewMs: number | undefined
  /** Since a frame came, ms. */
  readonly heardAgoMs: number
}

/**
 * Finds out whether the other side of a connection is still there. Any frame is a sign of life; where none came or went for
 * a while, a ping asks for one. The first beat is at a random moment, so that a thousand agents that connected together do
 * not beat together.
 *
 * Silence alone proves nothing to a process that stood still itself, since its frames wait unread: so nobody is given up
 * without a ping that went unanswered for 5 s, on a clock that ran all the while.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #heardMs: number
  #sentMs: number
  #pingedMs: number | undefined
  /** The first ping since something was heard. */
  #unansweredMs: number | undefined
  /** A ping whose own answer has to come, and until when. */
  #probe: { readonly sentMs: number; readonly untilMs: number; readonly reason: string } | undefined
  readonly #firstMs: number
  #dueMs = 0
  #timer: Timer | undefined
  #measured: Omit<Measured, 'heardAgoMs'> = { roundTripMs: undefined, clockSkewMs: undefined }

  constructor(options: HeartbeatOptions) {
    const { clock, random, heartbeatMs } = options
    this.#options = options
    const nowMs = clock.monotonicMs()
    this.#heardMs = nowMs
    this.#sentMs = nowMs
    this.#firstMs = nowMs + random.fraction() * heartbeatMs
    this.#arm(nowMs)
  }

  get measured(): Measured {
    return { ...this.#measured, heardAgoMs: this.#options.clock.monotonicMs() - this.#heardMs }
  }

  /** A frame has come. */
  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs()
    this.#unansweredMs = undefined
  }

  /** A frame has gone. */
  sent(): void {
    this.#sentMs = this.#options.clock.monotonicMs()
  }

  /** The answer to a ping; one to an earlier ping measures nothing. `time` is the other's clock, as it says. */
  pong(sentMs: number, time?: string): void {
    const { clock } = this.#options
    if (this.#probe !== undefined && sentMs >= this.#probe.sentMs) this.#probe = undefined
    if (sentMs !== this.#pingedMs) return
    const roundTripMs = clock.monotonicMs() - sentMs
    const theirsMs = time === undefined ? NaN : Date.parse(time)
    const clockSkewMs = Number.isFinite(theirsMs) ? theirsMs - (clock.now() - roundTripMs / 2) : undefined
    this.#measured = { roundTripMs, clockSkewMs }
  }

  /** Something has happened by which the connection may have died: it has to show soon that it has not, each time anew. */
  probe(reason: string): void {
    if (this.#timer === undefined) return
    const nowMs = this.#options.clock.monotonicMs()
    this.#ping(nowMs)
    this.#probe = { sentMs: nowMs, untilMs: nowMs + answerMs, reason }
    this.#arm(nowMs)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #beat(): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - this.#dueMs > stoodStillMs) this.#askAnew(nowMs)
    const problem = this.#problem(nowMs)
    if (problem !== undefined) {
      this.stop()
      this.#options.onSilence(problem)
      return
    }
    if (nowMs >= this.#pingDueMs()) this.#ping(nowMs)
    this.#arm(nowMs)
  }

  /** This process stood still: what has come meanwhile has not been read, and nobody had a chance to answer. */
  #askAnew(nowMs: number): void {
    if (this.#unansweredMs !== undefined) {
      this.#unansweredMs = undefined
      this.#ping(nowMs)
    }
    if (this.#probe !== undefined) this.#probe = { ...this.#probe, untilMs: nowMs + answerMs }
  }

  #problem(nowMs: number): string | undefined {
    const probe = this.#probe
    if (probe !== undefined && nowMs >= probe.untilMs) {
      return `no answer within ${formatDuration(answerMs)} after ${probe.reason}`
    }
    if (nowMs < this.#silentMs()) return undefined
    return `nothing was heard for ${formatDuration(nowMs - this.#heardMs)}`
  }

  /** When nobody is there any more, unless something is heard. */
  #silentMs(): number {
    if (this.#unansweredMs === undefined) return Infinity
    return Math.max(this.#heardMs + this.#options.silenceMs, this.#unansweredMs + answerMs)
  }

  #pingDueMs(): number {
    const { heartbeatMs, silenceMs } = this.#options
    // However slow the beat is, nobody is given up who was not asked in time.
    const lastCallMs = this.#unansweredMs === undefined ? this.#heardMs + silenceMs - answerMs : Infinity
    if (this.#pingedMs === undefined) return Math.min(this.#firstMs, lastCallMs)
    const quietMs = Math.min(this.#heardMs, this.#sentMs) + heartbeatMs
    return Math.min(
      lastCallMs,
      // One that is not answered is repeated in the same beat.
      Math.max(quietMs, this.#pingedMs + heartbeatMs),
      // On a connection that is busy it measures, and no more.
      this.#pingedMs + measureEvery * heartbeatMs,
    )
  }

  #ping(nowMs: number): void {
    this.#pingedMs = nowMs
    this.#sentMs = nowMs
    this.#unansweredMs ??= nowMs
    this.#options.ping(nowMs)
  }

  #arm(nowMs: number): void {
    const probeMs = this.#probe?.untilMs ?? Infinity
    this.#dueMs = Math.min(this.#pingDueMs(), this.#silentMs(), probeMs)
    this.#timer?.cancel()
    // In whole milliseconds: a difference that is lost in the sum would have the timer fire before its time, for ever.
    const waitMs = Math.max(0, Math.ceil(this.#dueMs - nowMs))
    this.#timer = this.#options.clock.setTimer(waitMs, () => this.#beat())
  }
}

/** How long the answer to a ping may take. */
const answerMs = 5_000
/** A timer that is late by so much: the process stood still. */
const stoodStillMs = 2_000
/** On a connection that is busy, the round trip is measured with every how manyth beat. */
const measureEvery = 6
