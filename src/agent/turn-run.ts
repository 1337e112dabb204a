import { PerduraError, toError } from '../errors.ts'
import { parseDuration } from '../duration.ts'
import { textOf, type Json } from '../json.ts'
import { sleep, type Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { InboxEntry } from '../queue/inbox.ts'
import { isLabel, isParty } from '../queue/names.ts'
import { terminal, type NewOutgoing } from '../queue/outbox.ts'
import { checkUrgency } from '../queue/urgency.ts'
import type { Store, Tx } from '../store/store.ts'
import type {
  AgentDefinition,
  Context,
  FiredTimer,
  Memory,
  Message,
  SendOptions,
  Start,
} from './definition.ts'
import { derivedId, EffectRefused, type EffectRow, type EffectTable } from './effect-ledger.ts'
import { performEffect } from './effects.ts'
import { trackReads, type AgentState, type StateChange, type StateReads } from './state.ts'
import { withinTurn, type TurnInContext } from './turn-context.ts'
import { decodeResult, encodeResult, Occurrences, ordinalKey, type StepTable } from './steps.ts'
import type { NewTimer, TimerPayload, TimerTable } from './timers.ts'

/** What turns of one agent share. */
export interface TurnHost {
  readonly agent: { readonly name: string; readonly id: string }
  readonly definition: AgentDefinition
  readonly store: Store
  readonly state: AgentState
  readonly clock: Clock
  readonly log: Log
  readonly steps: StepTable
  readonly effects: EffectTable
  readonly timers: TimerTable
  memory(stage: (operation: (tx: Tx) => void) => void): Memory
  /** Puts a message into the outbox within the turn's last transaction; ERR_OUTBOX_FULL at the bound. */
  send(tx: Tx, message: NewOutgoing): void
  /** An effect whose turn had been given up came to an end after all. */
  lateEffect(turn: number): void
}

/** How a run of the handler ended. A finished one has not been committed yet. */
export type RunEnd =
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly error: Error }
  | { readonly kind: 'parked'; readonly effect: string }
  | { readonly kind: 'stopped' }

/** How long an effect may go on after its turn was aborted, ms, before its outcome counts as unknown. */
const effectGraceMs = 5_000

/** One run of a handler for one entry: what it reads, what it records at once, and what it leaves for the end. */
export class TurnRun implements TurnInContext {
  readonly entry: InboxEntry
  readonly host: TurnHost
  readonly signal: AbortSignal
  /** Monotonic ms. */
  readonly startedMs: number
  readonly #attempt: number
  readonly #abort = new AbortController()
  readonly #snapshot: Readonly<Record<string, unknown>>
  readonly #reads: StateReads = { keys: new Set(), all: false }
  readonly #changes: StateChange[] = []
  readonly #staged: ((tx: Tx) => void)[] = []
  readonly #recordedSteps: Map<string, string>
  readonly #stepOccurrences = new Occurrences()
  readonly #underWay = new Set<Promise<unknown>>()
  readonly #effectsUnderWay = new Map<string, Promise<unknown>>()
  /** Carries the ids of agent, turn and attempt. */
  readonly log: Log
  #sends = 0
  #schedules = 0
  #ended = false
  #parkedBy: string | undefined
  /** For `performEffect`. */
  readonly effectOccurrences = new Occurrences()
  readonly ledger: Map<string, EffectRow>

  constructor(host: TurnHost, entry: InboxEntry, attempt: number) {
    this.host = host
    this.entry = entry
    this.signal = this.#abort.signal
    this.#attempt = attempt
    this.startedMs = host.clock.monotonicMs()
    this.#snapshot = host.state.committed
    this.#recordedSteps = host.steps.load(host.store.reader, entry.position)
    this.ledger = host.effects.load(host.store.reader, entry.position)
    this.log = host.log.with({ turn: entry.position, attempt })
  }

  get abandoned(): boolean {
    return this.#ended
  }

  /**
   * What the handler did not await has failed: so has the attempt. Once the turn is over there is nothing left to undo; then it
   * is only said.
   */
  stray(error: Error): void {
    this.log.error('turn:rejection:unhandled', { error })
    if (!this.#ended) this.abort(error)
  }

  /** Ends the run from outside; the handler sees it at its signal. */
  abort(reason: Error): void {
    this.#abort.abort(reason)
  }

  /** Calls the handler and waits until nothing of it is under way, or its time is over. */
  async execute(): Promise<RunEnd> {
    const { clock, definition } = this.host
    const limitMs = definition.limits.turnTimeoutMs
    const timer = clock.setTimer(limitMs, () => {
      this.abort(
        new PerduraError(
          'ERR_TURN_TIMEOUT',
          `the handler did not end within ${limitMs} ms: await less, or raise limits.turnTimeoutMs`,
        ),
      )
    })
    const aborted = new Promise<never>((_, reject) => {
      this.signal.addEventListener('abort', () => reject(toError(this.signal.reason)), { once: true })
    })
    let failure: Error | undefined
    try {
      await Promise.race([withinTurn(this, () => this.#callHandler()), aborted])
      // What the handler did not await belongs to the turn all the same.
      while (this.#underWay.size > 0) await Promise.race([Promise.all(this.#underWay), aborted])
    } catch (thrown) {
      failure = toError(thrown)
    }
    timer.cancel()
    const leftBehind = await this.#leaveEffects()
    this.#ended = true
    if (leftBehind !== undefined) return leftBehind
    if (this.#parkedBy !== undefined) return { kind: 'parked', effect: this.#parkedBy }
    if (isStop(this.signal.reason)) return { kind: 'stopped' }
    return failure === undefined ? { kind: 'finished' } : { kind: 'failed', error: failure }
  }

  /** The end of the turn, within its last transaction: throws ERR_STATE_CONFLICT where what it read has changed. */
  commit(tx: Tx): void {
    if (this.host.state.hasChangedSince(this.#snapshot, this.#reads)) {
      throw new PerduraError('ERR_STATE_CONFLICT', 'another turn changed what this one read')
    }
    this.host.state.apply(tx, this.#changes)
    for (const operation of this.#staged) operation(tx)
  }

  /** Called by `performEffect`: this turn cannot go on without a person. */
  park(effect: string): PerduraError {
    this.#parkedBy ??= effect
    return new PerduraError(
      'ERR_TURN_PARKED',
      `nobody knows whether effect "${effect}" happened: the turn waits for a decision`,
    )
  }

  /** Throws where the handler uses its context although its turn is over. */
  assertOpen(): void {
    if (this.#ended)
      throw new PerduraError(
        'ERR_TURN_ENDED',
        'the turn is over: await everything before the handler returns',
      )
    if (this.#parkedBy !== undefined) throw this.park(this.#parkedBy)
    if (this.signal.aborted) throw toError(this.signal.reason)
  }

  /**
   * Keeps the turn open until the promise settles. A rejection is the handler's to deal with; where it does not await
   * it, nobody would hear of it, or the process would end: so the log does.
   */
  track<T>(promise: Promise<T>): Promise<T> {
    this.#underWay.add(promise)
    const done = (): void => void this.#underWay.delete(promise)
    promise.then(done, (error: unknown) => {
      done()
      if (error instanceof EffectRefused && !this.#ended) return
      this.log.warn(this.#ended ? 'turn:context:late' : 'turn:context:rejected', { error: toError(error) })
    })
    return promise
  }

  /** The part of an effect that is outside: if it outlives the turn, its outcome is unknown. */
  trackEffect<T>(ordinal: string, promise: Promise<T>): Promise<T> {
    this.#effectsUnderWay.set(ordinal, promise)
    const done = (): void => void this.#effectsUnderWay.delete(ordinal)
    promise.then(done, done)
    return promise
  }

  context(): Context<object> {
    const { host, entry } = this
    const memory = host.memory((operation) => {
      this.assertOpen()
      this.#staged.push(operation)
    })
    return {
      agent: host.agent,
      turn: { id: entry.position, attempt: this.#attempt },
      state: trackReads(this.#snapshot, this.#reads),
      signal: this.signal,
      log: this.log,
      memory,
      now: () => host.clock.now(),
      update: (change) => {
        this.assertOpen()
        this.#changes.push(change)
      },
      step: (name, run) => this.track(this.#step(name, run)),
      effect: (name, options) => this.track(performEffect(this, name, options)),
      reply: (content, options) =>
        this.track(this.#send(entry.sender, content, { conversation: entry.conversation, ...options })),
      send: (to, content, options) =>
        this.track(this.#send(to, content, { conversation: host.agent.name, ...options })),
      schedule: (when, payload) => this.track(this.#schedule(when, payload ?? null)),
      cancel: (timerId) => this.track(this.#cancel(timerId)),
    }
  }

  async #callHandler(): Promise<void> {
    const { handlers } = this.host.definition
    const { entry } = this
    const context = this.context()
    if (entry.kind === 'start') await handlers.onStart?.(entry.payload as unknown as Start, context)
    else if (entry.kind === 'timer') await handlers.onTimer?.(this.#firedTimer(), context)
    else await handlers.onMessage?.(this.#message(), context)
  }

  async #step<T>(name: string, run: (step: { readonly signal: AbortSignal }) => Promise<T> | T): Promise<T> {
    this.assertOpen()
    const occurrence = this.#stepOccurrences.next(name)
    const recorded = this.#recordedSteps.get(ordinalKey(name, occurrence))
    if (recorded !== undefined) return decodeResult<T>(recorded)
    const { clock, store, steps } = this.host
    const startedMs = clock.monotonicMs()
    const result = encodeResult(`the result of step "${name}"`, await run({ signal: this.signal }))
    this.assertOpen()
    const timing = { now: clock.now(), durationMs: Math.round(clock.monotonicMs() - startedMs) }
    const ordinal = { turn: this.entry.position, name, occurrence }
    await store.write((tx) => steps.record(tx, ordinal, result, timing))
    this.#recordedSteps.set(ordinalKey(name, occurrence), result)
    this.log.debug('turn:step:recorded', {
      step: ordinalKey(name, occurrence),
      durationMs: timing.durationMs,
    })
    return decodeResult<T>(result)
  }

  async #send(to: string, content: Json, options: SendOptions & { conversation: string }): Promise<void> {
    this.assertOpen()
    const { host, entry } = this
    const { conversation } = options
    const copy = copyOf('a message', content)
    if (!isParty(to)) {
      throw new PerduraError(
        'ERR_RECIPIENT',
        'a recipient is the name of an agent, or "you" for the person at the terminal',
      )
    }
    if (!isLabel(conversation)) {
      throw new PerduraError(
        'ERR_TURN_CONTENT',
        'a conversation has 1 to 256 characters of well-formed Unicode',
      )
    }
    const urgency = checkUrgency(options)
    const hops = entry.hops + 1
    if (to !== terminal && hops > host.definition.limits.hopsMax) {
      throw new PerduraError(
        'ERR_HOPS',
        `${hops - 1} automatic answers led here: not answered, so that two agents do not talk for ever`,
      )
    }
    this.#sends += 1
    const id = derivedId(host.agent.id, entry.source, entry.id, 'send', this.#sends)
    const inReplyTo = to === entry.sender ? entry.id : undefined
    this.#staged.push((tx) =>
      host.send(tx, {
        id,
        turn: entry.position,
        to,
        conversation,
        content: copy,
        hops,
        inReplyTo,
        ...urgency,
      }),
    )
  }

  async #schedule(when: string | number | Date, payload: Json): Promise<string> {
    this.assertOpen()
    const { host, entry } = this
    const copy = copyOf('the payload of a timer', payload)
    const now = host.clock.now()
    const dueAt = when instanceof Date ? when.getTime() : now + parseDuration(when)
    if (!Number.isSafeInteger(dueAt))
      throw new PerduraError('ERR_DURATION', 'the date of a timer is not a date')
    this.#schedules += 1
    const timer: NewTimer = {
      id: derivedId(host.agent.id, entry.source, entry.id, 'timer', this.#schedules),
      conversation: entry.conversation,
      sender: entry.sender,
      payload: copy,
      hops: entry.hops,
      dueAt,
      turn: entry.position,
    }
    this.#staged.push((tx) => host.timers.add(tx, timer, host.clock.now()))
    return timer.id
  }

  async #cancel(timerId: string): Promise<void> {
    this.assertOpen()
    this.#staged.push((tx) => this.host.timers.cancel(tx, timerId))
  }

  /** Gives effects under way a moment to end. One that does not has an unknown outcome. */
  async #leaveEffects(): Promise<RunEnd | undefined> {
    if (this.#effectsUnderWay.size === 0) return undefined
    if (!this.signal.aborted) this.abort(new PerduraError('ERR_TURN_ENDED', 'the turn is over'))
    const over = new AbortController()
    const settled = Promise.allSettled(this.#underWay)
    const reason: unknown = this.signal.reason
    const graceMs = isStop(reason) ? reason.graceMs : effectGraceMs
    await Promise.race([settled, sleep(this.host.clock, graceMs, over.signal)])
    over.abort()
    const [effect] = this.#effectsUnderWay.keys()
    // Stopping, the ledger keeps "started": the next start verifies, repeats or parks, as the effect allows.
    if (effect === undefined || isStop(this.signal.reason)) return undefined
    return { kind: 'parked', effect }
  }

  #message(): Message {
    const { entry } = this
    return {
      id: entry.id,
      from: entry.sender,
      conversation: entry.conversation,
      text: textOf(entry.payload),
      payload: entry.payload,
      receivedAt: entry.receivedAt,
      hops: entry.hops,
      inReplyTo: entry.inReplyTo,
    }
  }

  #firedTimer(): FiredTimer {
    const { id, payload, dueAt } = this.entry.payload as unknown as TimerPayload
    const lateMs = Math.max(0, this.entry.receivedAt - dueAt)
    return { id, conversation: this.entry.conversation, payload, dueAt, lateMs }
  }
}

/** Why a run is aborted when the agent stops: no failure of the turn. */
export class StopSignal extends PerduraError {
  /** How long effects under way may go on, ms. */
  readonly graceMs: number

  constructor(graceMs: number) {
    super('ERR_TURN_ENDED', 'the agent is stopping; the turn is done again at the next start')
    this.name = 'StopSignal'
    this.graceMs = graceMs
  }
}

function isStop(reason: unknown): reason is StopSignal {
  return reason instanceof StopSignal
}

/** The content as it is now: what the handler makes of it afterwards is not sent. */
function copyOf(what: string, content: Json): Json {
  const text = encodeResult(what, content)
  if (text === '') throw new PerduraError('ERR_TURN_CONTENT', `${what} must not be undefined`)
  return decodeResult<Json>(text)
}
