import type { AgentDefinition } from '../agent/definition.ts'
import { defaultRetention, Housekeeping } from '../agent/housekeeping.ts'
import type { Progress } from '../agent/progress.ts'
import { createMemory, createNoteIds, type NoteSearch } from '../agent/notes.ts'
import type { AgentState } from '../agent/state.ts'
import { TimerService } from '../agent/timers.ts'
import type { TurnLoop } from '../agent/turn-loop.ts'
import type { TurnHost } from '../agent/turn-run.ts'
import { PerduraError, toError } from '../errors.ts'
import { textOf } from '../json.ts'
import type { HealthChange } from '../health/monitor.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { Random } from '../platform/random.ts'
import { Bound } from '../queue/bound.ts'
import { exhume } from '../queue/dead-letters.ts'
import { readEntry } from '../queue/inbox.ts'
import type { Outgoing, TerminalRead, Verdict } from '../queue/outbox.ts'
import type { Reader, Store } from '../store/store.ts'
import { createAgentHealth, type HealthOptions } from './agent-health.ts'
import type { AgentLimits } from './agent-limits.ts'
import { AgentOutbox, type LinkSinks } from './agent-outbox.ts'
import type {
  Accepted,
  Agent,
  AgentEvents,
  AgentHealth,
  AgentLoad,
  CloseOptions,
  EffectDecision,
  IngestInput,
  RecoverySummary,
} from './agent.ts'
import type { AgentParts } from './parts.ts'
import { createQueueControl, type QueueControl } from './queue-control.ts'
import { decideEffect, unparkDecided } from './decisions.ts'
import { Emitter } from './emitter.ts'
import type { HubOptions, Outlet } from './hub/hub-link.ts'
import type { HubSessions } from './hub/hub-sessions.ts'
import type { HubTokens } from './hub/hub-tokens.ts'
import type { AcceptedMessage } from './hub/session-store.ts'
import { heldIn } from './held-in.ts'
import { checkInput } from './ingest-input.ts'
import { liveSessionOf, type LiveSession } from './live-session.ts'
import { checkSend, findSent, type SendInput } from './send-message.ts'
import { sessionEvents } from './session-events.ts'
import { stopFailure } from './stages.ts'
import type { Started } from './start.ts'

export interface RunningAgentOptions {
  readonly definition: AgentDefinition
  /** No turn is begun, and timers wait. */
  readonly safeMode: boolean
  readonly folder: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: AgentLimits
  readonly parts: AgentParts
  readonly store: Store
  readonly search: NoteSearch & { close(): void }
  readonly state: AgentState
  readonly start: Started
  readonly recovered: RecoverySummary
  /** Where messages to other agents go: through a hub, or, without one, wherever `deliver` takes them. */
  readonly hub: HubOptions | undefined
  readonly deliver: (message: Outgoing) => Promise<Verdict>
  /** What its health is found out with; without it nothing looks after it. */
  readonly health: HealthOptions | undefined
}

/** How long a turn waits whose parking could not be lifted because nothing can be written, ms. */
const unparkRetryMs = 1_000

/** An agent whose store is open: connects inbox, turn loop, timers and outbox, and is what its owner holds. */
export class RunningAgent implements Agent {
  readonly name: string
  readonly id: string
  readonly folder: string
  readonly safeMode: boolean
  readonly recovered: RecoverySummary
  readonly reader: Reader
  readonly queue: QueueControl
  readonly health: AgentHealth | undefined
  readonly #options: RunningAgentOptions
  readonly #emitter: Emitter
  readonly #inboxBound: Bound
  readonly #loop: TurnLoop
  readonly #timers: TimerService
  readonly #outbox: AgentOutbox
  readonly #housekeeping: Housekeeping
  #closing: Promise<void> | undefined

  constructor(options: RunningAgentOptions) {
    const { definition, store, clock, log, limits, parts } = options
    this.#options = options
    this.name = definition.name
    this.id = options.start.agentId
    this.folder = options.folder
    this.safeMode = options.safeMode
    this.recovered = options.recovered
    this.reader = store.reader
    this.#emitter = new Emitter((listener, error) => log.error('agent:listener:failed', { listener, error }))
    this.#inboxBound = new Bound(
      'ERR_INBOX_FULL',
      `the inbox of ${this.name}`,
      { countMax: limits.inboxMax, bytesMax: limits.inboxBytesMax },
      heldIn(store.reader, "inbox WHERE status IN ('pending', 'running', 'parked')"),
    )
    this.#loop = this.#createLoop()
    this.#timers = new TimerService({
      store,
      clock,
      log,
      timers: parts.timers,
      inbox: parts.inbox,
      room: () => this.#inboxBound.room,
      onFired: (entries) => {
        for (const { position, conversation } of entries) this.#enqueue(position, conversation)
      },
    })
    const { hub } = options
    this.#outbox = new AgentOutbox({
      ...options,
      name: this.name,
      emitter: this.#emitter,
      link: hub === undefined ? undefined : (sinks) => this.#createLink(hub, sinks),
    })
    this.queue = createQueueControl({
      store,
      clock,
      log,
      emitter: this.#emitter,
      pauses: parts.pauses,
      outbox: this.#outbox,
      loop: this.#loop,
      enqueue: (position) => this.#enqueueAgain(position),
    })
    this.#housekeeping = new Housekeeping({ store, clock, log, limits: defaultRetention })
    const onChange = (change: HealthChange): void => this.#emitter.emit('health:state:changed', change)
    this.health =
      options.health && createAgentHealth({ ...options.health, agent: this, clock, log, onChange })
  }

  /** Sets it to work, once whoever opened it has had a chance to listen. */
  begin(recoveryMs: number): void {
    const { clock, log, start } = this.#options
    for (const turn of start.dead) log.error('turn:dead', { turn, reason: 'crashed' })
    log.info('agent:start:ready', { recoveryMs, ...this.recovered, ...(this.safeMode && { safeMode: true }) })
    clock.defer(() => {
      if (this.#closing !== undefined) return
      this.#emitter.emit('agent:start:ready', { recoveryMs, recovered: this.recovered })
      for (const turn of start.dead) this.#emitter.emit('turn:dead', { turn, reason: 'crashed' })
      this.#loop.start()
      this.#outbox.start()
      // In safe mode they stay where they are, and fire late when it is over.
      if (!this.safeMode) this.#timers.look()
      this.#housekeeping.start()
      this.health?.start()
    })
  }

  async ingest(input: IngestInput): Promise<Accepted> {
    const { store, clock, limits, parts } = this.#options
    if (this.#closing !== undefined) {
      throw new PerduraError('ERR_STORE_CLOSED', `${this.name} is stopping: try again later`)
    }
    const entry = checkInput(input, limits.payloadBytesMax)
    const accepted = await store.write((tx) => {
      const result = parts.inbox.accept(tx, entry, clock.now())
      // A repeat is recognised also when there is no room for anything new.
      if (!result.duplicate) this.#inboxBound.add(tx, Buffer.byteLength(JSON.stringify(entry.payload)))
      return result
    })
    this.#accepted({ ...accepted, entry })
    return accepted
  }

  async send(input: SendInput): Promise<{ readonly sequence: number; readonly duplicate: boolean }> {
    const { store, limits } = this.#options
    if (this.#closing !== undefined) {
      throw new PerduraError('ERR_STORE_CLOSED', `${this.name} is stopping: try again later`)
    }
    const message = checkSend(input, this.name, limits.payloadBytesMax)
    return store.write((tx) => {
      const known = findSent(tx, message)
      return { sequence: known ?? this.#outbox.send(tx, message), duplicate: known !== undefined }
    })
  }

  async resolveEffect(turn: number, effect: string, decision: EffectDecision): Promise<void> {
    const { store, clock, log, parts } = this.#options
    const unparked = await store.write((tx) =>
      decideEffect(tx, parts, { turn, effect, decision, now: clock.now() }),
    )
    log.info('turn:effect:decided', { turn, effect, outcome: decision.outcome })
    if (unparked) this.#loop.unpark(turn)
  }

  async retryTurn(turn: number): Promise<void> {
    const { store } = this.#options
    await store.write((tx) => exhume(tx, turn))
    this.#enqueueAgain(turn)
  }

  get progress(): Progress {
    return this.#loop.progress
  }

  get load(): AgentLoad {
    const { count: inbox, room: inboxRoom } = this.#inboxBound
    return { inbox, inboxRoom, outbox: this.#outbox.count, ...this.#loop.load }
  }

  acknowledgeTerminal(read: TerminalRead): Promise<void> {
    return this.#outbox.acknowledgeTerminal(read)
  }

  get session(): LiveSession | undefined {
    const { session } = this.#outbox
    return session === undefined ? undefined : liveSessionOf(session.view)
  }

  reconnect(reason: string): void {
    const { session } = this.#outbox
    if (session === undefined) {
      throw new PerduraError(
        'ERR_NO_SUCH_SESSION',
        `${this.name} runs without a hub: there is nothing to connect to`,
      )
    }
    session.reconnect(reason)
  }

  on<Name extends keyof AgentEvents>(name: Name, listener: (event: AgentEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener)
  }

  get hubSessions(): HubSessions | undefined {
    return this.#outbox.hubSessions
  }

  get tokens(): HubTokens | undefined {
    return this.#options.hub?.credentials
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CloseOptions): Promise<void> {
    const { clock, log, parts } = this.#options
    this.health?.stop()
    const { summary, failures } = await parts.closeAgent(
      {
        clock,
        log,
        loop: this.#loop,
        timers: this.#timers,
        outbox: this.#outbox,
        housekeeping: this.#housekeeping,
        release: () => this.#release(),
      },
      options,
    )
    log.info('agent:stop:done', { ...summary })
    this.#emitter.emit('agent:stop:done', summary)
    if (failures.length > 0) throw stopFailure(this.name, failures)
  }

  async #release(): Promise<void> {
    const { store, log, search, start } = this.#options
    try {
      await store.write((tx) => start.markClean(tx))
    } catch (error) {
      // On a full disk: the next start takes this one for killed, and nothing is lost by that.
      log.warn('agent:stop:unmarked', { error: toError(error) })
    }
    search.close()
    await store.close()
  }

  /** The hub has another process act for this agent, or none: a turn that went on would be a second one of its kind. */
  #sessionEnded(error: PerduraError): void {
    const { log } = this.#options
    log.error('session:ended', { error })
    // Begun before anybody is told, who might close it in a more leisurely way.
    const closing = this.close({ deadlineMs: 0 })
    this.#emitter.emit('session:ended', { code: error.code, error: error.message })
    closing.catch((thrown: unknown) => log.error('agent:stop:failed', { error: toError(thrown) }))
  }

  #enqueueAgain(position: number): void {
    const entry = readEntry(this.reader, position)
    if (entry !== undefined) this.#enqueue(position, entry.conversation)
  }

  /** Hands an entry to the loop that is in the inbox already, whatever its bound says. */
  #enqueue(position: number, conversation: string): void {
    this.#inboxBound.restore(readEntry(this.reader, position)?.sizeBytes ?? 0)
    this.#loop.add(position, conversation)
  }

  #createLoop(): TurnLoop {
    const { log, random, parts, safeMode } = this.#options
    const emitter = this.#emitter
    return parts.createTurnLoop({
      host: this.#createHost(),
      inbox: parts.inbox,
      random,
      mindOff: safeMode,
      paused: parts.pauses.since(this.reader, 'inbox') !== undefined,
      onStarted: (turn, attempt) => {
        log.debug('turn:attempt:started', { turn, attempt })
        emitter.emit('turn:attempt:started', { turn, attempt })
      },
      onDone: ({ position: turn, sizeBytes }, durationMs) => {
        this.#inboxBound.remove(sizeBytes)
        log.info('turn:done', { turn, durationMs })
        emitter.emit('turn:done', { turn, durationMs })
        this.#timers.look()
      },
      onFailed: (turn, error, retryInMs) => {
        log.warn('turn:attempt:failed', { turn, error, retryInMs })
        emitter.emit('turn:attempt:failed', { turn, error: error.message, retryInMs })
      },
      onParked: (turn, effect) => {
        log.error('turn:parked', { turn, effect })
        emitter.emit('turn:parked', { turn, effect })
      },
      onDead: ({ position: turn, sizeBytes }, reason) => {
        this.#inboxBound.remove(sizeBytes)
        log.error('turn:dead', { turn, reason })
        emitter.emit('turn:dead', { turn, reason })
      },
    })
  }

  #createLink(hub: HubOptions, sinks: LinkSinks): Outlet {
    return hub.createLink({
      ...this.#options,
      ...sinks,
      ...sessionEvents(this.#options.log, this.#emitter),
      hub,
      inboxBound: this.#inboxBound,
      onAccepted: (messages) => {
        for (const message of messages) this.#accepted(message)
      },
      onEnd: (error) => this.#sessionEnded(error),
      onVerdict: (durationMs) => this.health?.times.publish.add(durationMs / 1_000),
    })
  }

  #createHost(): TurnHost {
    const { definition, store, state, clock, log, search, parts } = this.#options
    const allocateNoteId = createNoteIds(store.reader)
    const now = (): number => clock.now()
    const defer = (run: () => void): void => clock.defer(run)
    return {
      agent: { name: this.name, id: this.id },
      definition,
      store,
      state,
      clock,
      log,
      steps: parts.steps,
      effects: parts.effects,
      timers: parts.timers,
      memory: (stage) => createMemory({ reader: store.reader, search, stage, allocateNoteId, now, defer }),
      send: (tx, message) => this.#outbox.send(tx, message),
      lateEffect: (turn) => void this.#unparkLater(turn),
    }
  }

  #accepted({ position, duplicate, entry }: AcceptedMessage): void {
    const from = entry.sender
    if (duplicate) {
      this.#emitter.emit('inbox:entry:duplicate', { position, from })
    } else {
      this.#emitter.emit('inbox:entry:accepted', { position, from, text: textOf(entry.payload) })
      this.#loop.add(position, entry.conversation)
    }
  }

  /** An effect that outlived its turn is settled: if nothing else is open, the turn goes on. */
  async #unparkLater(turn: number): Promise<void> {
    const { store, clock, log, parts } = this.#options
    try {
      if (await store.write((tx) => unparkDecided(tx, parts, turn))) this.#loop.unpark(turn)
    } catch (error) {
      log.warn('turn:unpark:failed', { turn, error: toError(error) })
      // A full disk, mostly. Given up, the turn would stay parked with nothing left to decide; the next start does it
      // where this process is closing.
      if (this.#closing === undefined) clock.setTimer(unparkRetryMs, () => void this.#unparkLater(turn))
    }
  }
}
