import type { AgentDefinition } from '../agent/definition.ts'
import { effectTable, type EffectTable } from '../agent/effect-ledger.ts'
import { defaultRetention, Housekeeping } from '../agent/housekeeping.ts'
import { createMemory, createNoteIds, type NoteSearch } from '../agent/notes.ts'
import { AgentState } from '../agent/state.ts'
import { stepTable, type StepTable } from '../agent/steps.ts'
import { TimerService, timerTable, type TimerTable } from '../agent/timers.ts'
import { TurnLoop } from '../agent/turn-loop.ts'
import type { TurnHost } from '../agent/turn-run.ts'
import { PerduraError, toError } from '../errors.ts'
import { textOf } from '../json.ts'
import type { Log } from '../platform/log.ts'
import type { Platform } from '../platform/platform.ts'
import { Bound } from '../queue/bound.ts'
import { exhume } from '../queue/dead-letters.ts'
import { inboxTable, readEntry, type InboxTable } from '../queue/inbox.ts'
import {
  appendOutgoing,
  expireTerminal,
  settleTerminal,
  terminal,
  type Outgoing,
  type Verdict,
} from '../queue/outbox.ts'
import { OutboxPump } from '../queue/outbox-pump.ts'
import type { DatabaseFiles } from '../store/database.ts'
import { openStore, type StoreLimits } from '../store/open-store.ts'
import type { Reader } from '../store/store.ts'
import type { Agent, IngestInput, RecoverySummary } from './agent.ts'
import { decideEffect, unparkDecided } from './decisions.ts'
import { Emitter } from './emitter.ts'
import { checkInput } from './ingest-input.ts'
import { startAgent } from './start.ts'

/** The parts that an agent is made of; a simulation can swap one for a broken one, to see that it notices. */
export interface AgentParts {
  readonly openStore: typeof openStore
  readonly inbox: InboxTable
  readonly steps: StepTable
  readonly effects: EffectTable
  readonly timers: TimerTable
  readonly loadState: typeof AgentState.load
}

export const agentParts: AgentParts = {
  openStore,
  inbox: inboxTable,
  steps: stepTable,
  effects: effectTable,
  timers: timerTable,
  loadState: (reader, definition) => AgentState.load(reader, definition),
}

export interface AssembleOptions {
  readonly definition: AgentDefinition
  readonly folder: string
  readonly files: DatabaseFiles
  readonly platform: Pick<Platform, 'clock' | 'random' | 'disk' | 'process'>
  readonly log: Log
  /** Full-text search over the notes that the reader shows. */
  readonly openSearch: (reader: Reader) => NoteSearch & { close(): void }
  /** Where messages to other agents go. */
  readonly deliver: (message: Outgoing) => Promise<Verdict>
  readonly limits?: Partial<AgentLimits>
  readonly store?: Partial<StoreLimits>
  readonly parts?: AgentParts
}

export interface AgentLimits {
  /** Entries in the inbox that are not finished, and their bytes. Default 10,000 and 64 MiB. */
  readonly inboxMax: number
  readonly inboxBytesMax: number
  /** Messages to other agents that are not delivered, and their bytes. Default 10,000 and 64 MiB. */
  readonly outboxMax: number
  readonly outboxBytesMax: number
  /** Unread messages for the person at the terminal: the oldest expire, visibly. Default 1,000. */
  readonly mailboxMax: number
  /** Bytes of one payload as JSON. Default 1 MiB. */
  readonly payloadBytesMax: number
}

const defaultLimits: AgentLimits = {
  inboxMax: 10_000,
  inboxBytesMax: 67_108_864,
  outboxMax: 10_000,
  outboxBytesMax: 67_108_864,
  mailboxMax: 1_000,
  payloadBytesMax: 1_048_576,
}

/** How long a turn waits whose parking could not be lifted because nothing can be written, ms. */
const unparkRetryMs = 1_000

/** Opens an agent's store, recovers, and connects its parts: what every agent process does, real or simulated. */
export async function assembleAgent(options: AssembleOptions): Promise<Agent> {
  const { definition, folder, platform, log } = options
  const { clock, random, disk } = platform
  const parts = options.parts ?? agentParts
  const limits = checkLimits(options.limits ?? {})
  const startedMs = clock.monotonicMs()
  const { store, recovered: found } = await parts.openStore({
    folder,
    files: options.files,
    disk,
    clock,
    random,
    process: platform.process,
    log,
    ...(options.store === undefined ? {} : { limits: options.store }),
  })
  const emitter = new Emitter((event, error) =>
    log.error('agent:listener:failed', { listener: event, error }),
  )
  let search: ReturnType<AssembleOptions['openSearch']> | undefined
  try {
    const notes = (search = options.openSearch(store.reader))
    const state = parts.loadState(store.reader, definition)
    const start = await startAgent({ store, definition, state, parts, clock, random })
    const recovered: RecoverySummary = {
      ...found,
      previous: start.previous,
      interruptedTurns: start.interrupted,
    }
    for (const turn of start.dead) log.error('turn:dead', { turn, reason: 'crashed' })

    const inboxBound = new Bound(
      'ERR_INBOX_FULL',
      `the inbox of ${definition.name}`,
      { countMax: limits.inboxMax, bytesMax: limits.inboxBytesMax },
      held(store.reader, "inbox WHERE status IN ('pending', 'running', 'parked')"),
    )
    const outboxBound = new Bound(
      'ERR_OUTBOX_FULL',
      `the outbox of ${definition.name}`,
      { countMax: limits.outboxMax, bytesMax: limits.outboxBytesMax },
      held(store.reader, `outbox WHERE status = 'pending' AND recipient <> '${terminal}'`),
    )
    const noteIds = createNoteIds(store.reader)
    const agent = { name: definition.name, id: start.agentId }
    const agentLog = log.with({ agent: agent.name })

    const host: TurnHost = {
      agent,
      definition,
      store,
      state,
      clock,
      log: agentLog,
      steps: parts.steps,
      effects: parts.effects,
      timers: parts.timers,
      memory: (stage) =>
        createMemory({
          reader: store.reader,
          search: notes,
          stage,
          allocateNoteId: noteIds,
          now: () => clock.now(),
          defer: (run) => clock.defer(run),
        }),
      send(tx, message) {
        const sizeBytes = Buffer.byteLength(JSON.stringify(message.content))
        if (message.to !== terminal) outboxBound.add(tx, sizeBytes)
        const sequence = appendOutgoing(tx, message, clock.now())
        if (message.to === terminal) {
          const expired = expireTerminal(tx, limits.mailboxMax, clock.now())
          if (expired > 0) tx.onCommit(() => agentLog.warn('outbox:message:expired', { count: expired }))
        }
        tx.onCommit(() => {
          emitter.emit('outbox:message:committed', {
            sequence,
            to: message.to,
            text: textOf(message.content),
          })
          if (message.to !== terminal) pump.add(sequence, message.to)
        })
      },
      lateEffect: (turn) => void unparkLater(turn),
    }

    const loop = new TurnLoop({
      host,
      inbox: parts.inbox,
      random,
      onStarted: (turn, attempt) => {
        agentLog.debug('turn:attempt:started', { turn, attempt })
        emitter.emit('turn:attempt:started', { turn, attempt })
      },
      onDone({ position: turn, sizeBytes }, durationMs) {
        inboxBound.remove(sizeBytes)
        agentLog.info('turn:done', { turn, durationMs })
        emitter.emit('turn:done', { turn, durationMs })
        timers.look()
      },
      onFailed(turn, error, retryInMs) {
        agentLog.warn('turn:attempt:failed', { turn, error, retryInMs })
        emitter.emit('turn:attempt:failed', { turn, error: error.message, retryInMs })
      },
      onParked(turn, effect) {
        agentLog.error('turn:parked', { turn, effect })
        emitter.emit('turn:parked', { turn, effect })
      },
      onDead({ position: turn, sizeBytes }, reason) {
        inboxBound.remove(sizeBytes)
        agentLog.error('turn:dead', { turn, reason })
        emitter.emit('turn:dead', { turn, reason })
      },
    })

    const unparkLater = async (turn: number): Promise<void> => {
      try {
        if (await store.write((tx) => unparkDecided(tx, parts, turn))) loop.unpark(turn)
      } catch (error) {
        agentLog.warn('turn:unpark:failed', { turn, error: error as Error })
        // A full disk, mostly. Given up, the turn would stay parked with nothing left to decide; the next start does it
        // where this process is closing.
        if (closing === undefined) clock.setTimer(unparkRetryMs, () => void unparkLater(turn))
      }
    }

    const timers = new TimerService({
      store,
      clock,
      log: agentLog,
      timers: parts.timers,
      inbox: parts.inbox,
      room: () => inboxBound.room,
      onFired(entries) {
        for (const { position, conversation } of entries) {
          inboxBound.restore(readEntry(store.reader, position)?.sizeBytes ?? 0)
          loop.add(position, conversation)
        }
      },
    })

    const pump = new OutboxPump({
      store,
      clock,
      random,
      log: agentLog,
      deliver: options.deliver,
      onSettled(message, verdict) {
        outboxBound.remove(Buffer.byteLength(JSON.stringify(message.content)))
        const { sequence, to } = message
        if (verdict.verdict === 'refused') {
          agentLog.warn('outbox:message:refused', { sequence, to, reason: verdict.error })
          emitter.emit('outbox:message:refused', { sequence, to, error: verdict.error })
        } else {
          emitter.emit('outbox:message:delivered', { sequence, to })
        }
      },
    })
    const housekeeping = new Housekeeping({ store, clock, log: agentLog, limits: defaultRetention })

    let closing: Promise<void> | undefined
    const close = async (deadlineMs: number): Promise<void> => {
      const closingMs = clock.monotonicMs()
      housekeeping.close()
      timers.close()
      await loop.stop(deadlineMs)
      await pump.close(deadlineMs)
      try {
        await store.write((tx) => start.markClean(tx))
      } catch (error) {
        // On a full disk: the next start takes this one for killed, and nothing is lost by that.
        agentLog.warn('agent:stop:unmarked', { error: toError(error) })
      }
      notes.close()
      await store.close()
      const durationMs = Math.round(clock.monotonicMs() - closingMs)
      agentLog.info('agent:stop:done', { durationMs })
      emitter.emit('agent:stop:done', { durationMs })
    }

    const ingest = async (input: IngestInput): Promise<{ position: number; duplicate: boolean }> => {
      if (closing !== undefined)
        throw new PerduraError('ERR_STORE_CLOSED', `${agent.name} is stopping: try again later`)
      const entry = checkInput(input, limits.payloadBytesMax)
      const accepted = await store.write((tx) => {
        const result = parts.inbox.accept(tx, entry, clock.now())
        if (!result.duplicate) inboxBound.add(tx, Buffer.byteLength(JSON.stringify(entry.payload)))
        return result
      })
      const { position } = accepted
      if (accepted.duplicate) {
        emitter.emit('inbox:entry:duplicate', { position, from: entry.sender })
      } else {
        emitter.emit('inbox:entry:accepted', { position, from: entry.sender, text: textOf(entry.payload) })
        loop.add(position, entry.conversation)
      }
      return accepted
    }

    const recoveryMs = Math.round(clock.monotonicMs() - startedMs)
    agentLog.info('agent:start:ready', { recoveryMs, ...recovered })
    // Whoever opened the agent gets a chance to listen before anything happens.
    clock.defer(() => {
      if (closing !== undefined) return
      emitter.emit('agent:start:ready', { recoveryMs, recovered })
      for (const turn of start.dead) emitter.emit('turn:dead', { turn, reason: 'crashed' })
      loop.start()
      pump.start()
      timers.look()
      housekeeping.start()
    })

    return {
      name: agent.name,
      id: agent.id,
      folder,
      recovered,
      reader: store.reader,
      ingest,
      async resolveEffect(turn, effect, decision) {
        const unparked = await store.write((tx) =>
          decideEffect(tx, parts, { turn, effect, decision, now: clock.now() }),
        )
        agentLog.info('turn:effect:decided', { turn, effect, outcome: decision.outcome })
        if (unparked) loop.unpark(turn)
      },
      async retryTurn(turn) {
        await store.write((tx) => exhume(tx, turn))
        const entry = readEntry(store.reader, turn)
        if (entry === undefined) return
        inboxBound.restore(entry.sizeBytes)
        loop.add(turn, entry.conversation)
      },
      async acknowledgeTerminal(read) {
        await store.write((tx) => settleTerminal(tx, read, clock.now()))
      },
      on: (name, listener) => emitter.on(name, listener),
      close: ({ deadlineMs = 10_000 } = {}) => (closing ??= close(deadlineMs)),
    }
  } catch (error) {
    search?.close()
    await store.close()
    throw error
  }
}

function held(reader: Reader, from: string): { count: number; bytes: number } {
  const row = reader.get<{ count: number; bytes: number | null }>(
    `SELECT count(*) AS count, sum(size_bytes) AS bytes FROM ${from}`,
  )
  return { count: row?.count ?? 0, bytes: row?.bytes ?? 0 }
}

/** The limits, with the defaults of those that were not given; ERR_USAGE names the one that is wrong. */
function checkLimits(given: Partial<AgentLimits>): AgentLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in defaultLimits)) {
      throw new PerduraError(
        'ERR_USAGE',
        `limits.${name}: there is no such limit; there are ${Object.keys(defaultLimits).join(', ')}`,
      )
    }
    if (!Number.isSafeInteger(value) || value < 1)
      throw new PerduraError('ERR_USAGE', `limits.${name}: must be a whole number from 1`)
  }
  return { ...defaultLimits, ...given }
}
