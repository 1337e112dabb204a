import { PerduraError, toError } from '../errors.ts'
import { sleep, type Timer } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import { bury } from '../queue/dead-letters.ts'
import { openEntries, readEntry, type InboxEntry, type InboxTable } from '../queue/inbox.ts'
import { describe, gatherEvidence } from './evidence.ts'
import { Lanes } from './lanes.ts'
import { progressOf, type Progress } from './progress.ts'
import { ordinalKey } from './steps.ts'
import { StopSignal, TurnRun, type RunEnd, type TurnHost } from './turn-run.ts'

export interface TurnLoopOptions {
  readonly host: TurnHost
  readonly inbox: InboxTable
  readonly random: Random
  /** No turn is begun, whatever is asked: only the places in line are kept. */
  readonly mindOff: boolean
  /** It was, when the process before ended. */
  readonly paused: boolean
  readonly onStarted: (turn: number, attempt: number) => void
  readonly onDone: (entry: InboxEntry, durationMs: number) => void
  readonly onFailed: (turn: number, error: Error, retryInMs: number | null) => void
  readonly onParked: (turn: number, effect: string) => void
  readonly onDead: (entry: InboxEntry, reason: string) => void
}

/** How long a turn waits that could not be written, ms. */
const unwritableDelayMs = 5_000

/**
 * How long an effect under way may go on after its turn was interrupted by the end of the agent, ms: three tenths of what
 * turns had, between these. Whoever waits for the process to end waits for this too.
 */
const stopGraceMinMs = 500
const stopGraceMaxMs = 3_000

/** Runs again on a conflict this many times beside others; then alone, where nothing can conflict. */
const conflictsMax = 5

/**
 * Takes entries from the inbox and has the mind handle them, each as one turn.
 *
 * In order within a conversation, side by side across conversations. An entry is `pending`, then `running` (counted on
 * disk before the mind is called), then one of: `done`; `pending` again, after a failure; `parked`, when an effect's
 * outcome is unknown; `dead`, after too many failures or deaths of the process.
 *
 * Exclusive turns run with nothing beside them: the start turn, turns that were running when the process died (so that
 * the one that kills it is found, and the others are not blamed), and turns that met too many conflicts.
 */
export class TurnLoop {
  readonly #options: TurnLoopOptions
  readonly #lanes = new Lanes()
  readonly #running = new Map<number, TurnRun>()
  /** Positions that run alone, before everything else, in this order. */
  readonly #exclusive: number[] = []
  /** Of these, the ones that stand behind another entry of their conversation: alone once they are its head. */
  readonly #behind = new Set<number>()
  readonly #wantAlone: (() => void)[] = []
  #active = 0
  #exclusiveRunning = false
  #wakeTimer: Timer | undefined
  #stopping = false
  #paused: boolean
  #drained: (() => void) | undefined
  /** Turns that the end of the agent has cut short. */
  #interrupted = 0
  readonly #over = new AbortController()
  /** Monotonic ms: a turn was begun, ended or put back, or there was something to do again. */
  #movedMs = 0

  constructor(options: TurnLoopOptions) {
    this.#options = options
    this.#paused = options.paused
  }

  /** Entries that are not finished. */
  get openCount(): number {
    return this.#lanes.openCount
  }

  /** Turns that run, and entries that could be begun now. */
  get load(): { readonly running: number; readonly ready: number } {
    return {
      running: this.#active,
      ready: this.#isHeld ? 0 : this.#lanes.readyCount + this.#exclusive.length,
    }
  }

  get #isHeld(): boolean {
    return this.#paused || this.#stopping || this.#options.mindOff
  }

  get progress(): Progress {
    const nowMs = this.#options.host.clock.monotonicMs()
    const turns = [...this.#running.values()]
      .filter((run) => !run.abandoned)
      .map(({ entry, startedMs }) => ({
        turn: entry.position,
        attempt: entry.attempts,
        forMs: nowMs - startedMs,
      }))
      .toSorted((one, other) => other.forMs - one.forMs)
    const waiting = this.load.ready + this.#active - turns.length
    const overdueMs = this.#isHeld ? 0 : this.#lanes.overdueMs(this.#options.host.clock.now())
    return progressOf({ turns, waiting, overdueMs, movedMs: this.#movedMs, nowMs })
  }

  /** Takes over what is in the inbox and begins. */
  start(): void {
    const entries = openEntries(this.#options.host.store.reader)
    for (const entry of entries) this.#lanes.add({ ...entry, parked: entry.status === 'parked' })
    const first = entries.filter(({ kind, status }) => kind === 'start' && status === 'pending')
    const suspects = entries.filter(
      ({ kind, suspect, status }) => kind !== 'start' && suspect && status === 'pending',
    )
    this.#exclusive.push(...[...first, ...suspects].map(({ position }) => position))
    this.#moved()
    this.#pump()
  }

  /** An entry has been committed to the inbox. */
  add(position: number, conversation: string): void {
    const { running, ready } = this.load
    if (running + ready === 0) this.#moved()
    this.#lanes.add({ position, conversation, availableAt: 0, parked: false })
    this.#pump()
  }

  /** Begins nothing more until it is resumed; what runs goes on to its end. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#pump()
  }

  /** What was parked may go on. */
  unpark(position: number): void {
    this.#lanes.unpark(position)
    this.#pump()
  }

  /**
   * Starts nothing more; waits for what runs, for `deadlineMs` or until `hurry` aborts, then interrupts it. Resolves to how
   * many turns that were: they are put back, without blame.
   */
  async stop(deadlineMs: number, hurry?: AbortSignal): Promise<number> {
    this.#stopping = true
    this.#wakeTimer?.cancel()
    this.#over.abort()
    if (this.#active === 0) return 0
    for (const grant of this.#wantAlone.splice(0)) grant()
    const drained = new Promise<void>((resolve) => (this.#drained = resolve))
    const effectGraceMs = Math.min(stopGraceMaxMs, Math.max(stopGraceMinMs, deadlineMs * 0.3))
    const interrupt = (): void => {
      const graceMs = hurry?.aborted === true ? stopGraceMinMs : effectGraceMs
      for (const run of this.#running.values()) run.abort(new StopSignal(graceMs))
    }
    const timer = this.#options.host.clock.setTimer(deadlineMs, interrupt)
    hurry?.addEventListener('abort', interrupt)
    if (hurry?.aborted === true) interrupt()
    await drained
    timer.cancel()
    hurry?.removeEventListener('abort', interrupt)
    return this.#interrupted
  }

  #pump(): void {
    if (this.#stopping || this.#options.mindOff || this.#exclusiveRunning) return
    if (this.#wantAlone.length > 0) {
      if (this.#active === this.#wantAlone.length) {
        this.#exclusiveRunning = true
        this.#wantAlone.shift()?.()
      }
      return
    }
    if (this.#paused) return
    while (this.#exclusive.length > 0) {
      if (this.#active > 0) return
      const position = this.#exclusive.shift() as number
      if (!this.#lanes.claim(position)) {
        this.#behind.add(position)
        continue
      }
      this.#exclusiveRunning = true
      void this.#runTurn(position, true)
      return
    }
    const { clock, definition } = this.#options.host
    const wakeAt = this.#lanes.wake(
      clock.now(),
      Math.max(definition.limits.retryDelayMaxMs, unwritableDelayMs),
    )
    while (this.#active < definition.limits.turnsMax) {
      const position = this.#lanes.take()
      if (position === undefined) break
      if (this.#behind.delete(position)) {
        this.#lanes.postpone(position, 0)
        this.#exclusive.push(position)
        this.#pump()
        return
      }
      void this.#runTurn(position, false)
    }
    this.#wakeTimer?.cancel()
    // At least every minute, since the wall clock may jump.
    if (wakeAt !== undefined) {
      this.#wakeTimer = clock.setTimer(Math.min(Math.max(1, wakeAt - clock.now()), 60_000), () =>
        this.#pump(),
      )
    }
  }

  async #runTurn(position: number, alone: boolean): Promise<void> {
    this.#active += 1
    this.#moved()
    let exclusive = alone
    const becomeAlone = async (): Promise<void> => {
      // An agent that stops grants nothing more; what is not alone then is put back.
      if (exclusive || this.#stopping) return
      exclusive = true
      const granted = new Promise<void>((resolve) => this.#wantAlone.push(resolve))
      this.#pump()
      await granted
    }
    while (!(await this.#tryAttempt(position, alone, becomeAlone))) {
      this.#moved()
      // What has to run alone keeps its place: beside others it could not be told who killed the process.
      await sleep(this.#options.host.clock, unwritableDelayMs, this.#over.signal)
      if (this.#stopping) break
    }
    this.#running.delete(position)
    this.#active -= 1
    this.#moved()
    if (exclusive) this.#exclusiveRunning = false
    if (this.#active === 0) this.#drained?.()
    this.#pump()
  }

  #moved(): void {
    this.#movedMs = this.#options.host.clock.monotonicMs()
  }

  /** False where it is to be made again at once. */
  async #tryAttempt(position: number, alone: boolean, becomeAlone: () => Promise<void>): Promise<boolean> {
    try {
      await this.#attempt(position, alone, becomeAlone)
      return true
    } catch (thrown) {
      // What could not be written (a full disk, an agent that is closing) is no failure of the turn: what is on disk
      // stays as it is, and the attempt is made again later, by this process or the next.
      this.#options.host.log.error('turn:attempt:abandoned', { turn: position, error: toError(thrown) })
      if (alone && !this.#stopping) return false
      this.#lanes.postpone(position, this.#options.host.clock.now() + unwritableDelayMs)
      return true
    }
  }

  async #attempt(position: number, alone: boolean, becomeAlone: () => Promise<void>): Promise<void> {
    const { host, inbox, onStarted } = this.#options
    const { store, clock } = host
    const startedMs = clock.monotonicMs()
    const begun = await store.write((tx) => {
      // A pause may have come to the disk since it was taken: before this write, or while room for it was waited for.
      if (!this.#paused) inbox.begin(tx, position, { alone, now: clock.now() })
      // An attempt before may have been abandoned: what stands still is not to be blamed for a death of the process.
      else if (alone) inbox.markSuspect(tx, position, false)
      return !this.#paused
    })
    if (!begun) {
      if (alone) this.#exclusive.unshift(position)
      this.#lanes.postpone(position, 0)
      return
    }
    const entry = readEntry(store.reader, position)
    if (entry === undefined) throw new Error(`entry ${position} has left the inbox`)
    onStarted(position, entry.attempts)
    for (let conflicts = 0; ; conflicts++) {
      if (conflicts > conflictsMax) await becomeAlone()
      // Interrupting comes once, for what runs at that time.
      if (this.#stopping) return this.#settle(entry, { kind: 'stopped' })
      const run = new TurnRun(host, entry, entry.attempts)
      this.#running.set(position, run)
      const end = await run.execute()
      this.#moved()
      if (end.kind !== 'finished') return this.#settle(entry, end)
      try {
        await store.write((tx) => {
          run.commit(tx)
          inbox.finish(tx, position, clock.now())
        })
      } catch (thrown) {
        const error = toError(thrown)
        if (error instanceof PerduraError && error.code === 'ERR_STATE_CONFLICT') continue
        if (isUnwritable(error)) throw error
        return this.#settle(entry, { kind: 'failed', error })
      }
      this.#lanes.finish(position)
      this.#options.onDone(entry, Math.round(clock.monotonicMs() - startedMs))
      return
    }
  }

  async #settle(entry: InboxEntry, end: Exclude<RunEnd, { kind: 'finished' }>): Promise<void> {
    switch (end.kind) {
      case 'parked':
        return this.#park(entry, end.effect)
      case 'stopped':
        this.#interrupted += 1
        return this.#postpone(entry, { failed: false, availableAt: 0, error: null })
      case 'failed':
        return this.#fail(entry, end.error)
    }
  }

  async #fail(entry: InboxEntry, error: Error): Promise<void> {
    const { host, random, onFailed, onDead } = this.#options
    const { limits } = host.definition
    const { position } = entry
    if (isUnwritable(error)) throw error
    if (error instanceof PerduraError && error.code === 'ERR_OUTBOX_FULL') {
      // Recipients that are away are no fault of the turn's: it waits until there is room, however long that takes.
      const availableAt = host.clock.now() + unwritableDelayMs
      await this.#postpone(entry, { failed: false, availableAt, error: describe(error) })
      onFailed(position, error, unwritableDelayMs)
      return
    }
    const failures = entry.failures + 1
    if (failures < limits.failuresMax) {
      const delayMs = Math.min(limits.retryDelayMaxMs, limits.retryDelayMs * 2 ** entry.failures)
      // Half of it is jitter: conversations that failed together do not come back together.
      const retryInMs = Math.round(delayMs / 2 + (random.fraction() * delayMs) / 2)
      await this.#postpone(entry, {
        failed: true,
        availableAt: host.clock.now() + retryInMs,
        error: describe(error),
      })
      onFailed(position, error, retryInMs)
      return
    }
    onFailed(position, error, null)
    const open = [...host.effects.load(host.store.reader, position).values()].find(
      ({ status }) => status === 'started',
    )
    // Set aside it would hide an effect of which nobody knows whether it happened.
    if (open !== undefined) return this.#park(entry, ordinalKey(open.name, open.occurrence))
    await host.store.write((tx) => {
      const evidence = gatherEvidence(tx, { ...entry, failures }, describe(error))
      bury(tx, position, 'failed', evidence, host.clock.now())
    })
    this.#lanes.finish(position)
    onDead(entry, error.message)
  }

  async #postpone(entry: InboxEntry, retry: Parameters<InboxTable['postpone']>[2]): Promise<void> {
    const { host, inbox } = this.#options
    await host.store.write((tx) => inbox.postpone(tx, entry.position, retry))
    this.#lanes.postpone(entry.position, retry.availableAt)
  }

  async #park({ position }: InboxEntry, effect: string): Promise<void> {
    const { host, inbox, onParked } = this.#options
    const note = {
      code: 'ERR_EFFECT_UNKNOWN',
      message: `nobody knows whether effect "${effect}" happened`,
      effect,
    }
    await host.store.write((tx) => {
      inbox.park(tx, position, note)
      for (const row of host.effects.load(tx, position).values()) {
        if (row.status !== 'started') continue
        const ordinal = { turn: position, name: row.name, occurrence: row.occurrence }
        const error = row.error ?? 'it did not come to an end in time'
        host.effects.settle(tx, ordinal, { status: 'unknown', error }, host.clock.now())
      }
    })
    this.#lanes.park(position)
    onParked(position, effect)
  }
}

/** Whether the error is the store's and not the handler's. */
function isUnwritable(error: Error): boolean {
  return (
    error instanceof PerduraError &&
    ['ERR_STORE_WRITE', 'ERR_STORE_BUSY', 'ERR_STORE_CLOSED'].includes(error.code)
  )
}
