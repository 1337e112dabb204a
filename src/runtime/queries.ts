import type { Json } from '../json.ts'
import { terminal } from '../queue/outbox.ts'
import { readCount } from '../store/counters.ts'
import type { Reader } from '../store/store.ts'
import { pauses, type QueueView } from './queue-queries.ts'
import { toOutgoing, type OutboxRow, type OutgoingView } from './turn-queries.ts'

/** How an agent stands, from its database alone: true of a running agent and of one that was killed. */
export interface StoredStatus {
  readonly name: string
  readonly id: string
  readonly createdAt: number
  /** Last committed record that the database has. */
  readonly position: { readonly chain: number; readonly sequence: number }
  readonly inbox: {
    readonly pending: number
    readonly running: number
    readonly parked: number
    /** Since the agent was made; finished entries themselves are kept for a while only. */
    readonly done: number
    readonly dead: number
    /** When the oldest entry came in that is not finished; null when all are. */
    readonly oldestOpenAt: number | null
    /** The earliest moment at which a pending entry may be tried; null when none is pending. */
    readonly nextAttemptAt: number | null
  }
  readonly outbox: {
    readonly pending: number
    readonly delivered: number
    readonly refused: number
    readonly expired: number
    readonly oldestPendingAt: number | null
    /** Messages to the person at the terminal that nobody has been shown. */
    readonly forYou: number
  }
  /** Since when a person has stopped a queue, wall-clock ms. */
  readonly paused: QueueView['paused']
  readonly timers: { readonly count: number; readonly nextDueAt: number | null }
  readonly notes: number
  readonly stateKeys: number
}

export function storedStatus(reader: Reader): StoredStatus {
  const identity = reader.get<{ agent_id: string; name: string; created_at: number }>(
    'SELECT agent_id, name, created_at FROM identity',
  )
  const position = reader.get<{ chain: number; sequence: number }>(
    'SELECT chain, sequence FROM journal_position',
  )
  const inbox = countByStatus(reader, 'inbox')
  const outbox = countByStatus(reader, 'outbox')
  return {
    name: identity?.name ?? '',
    id: identity?.agent_id ?? '',
    createdAt: identity?.created_at ?? 0,
    position: { chain: position?.chain ?? 0, sequence: position?.sequence ?? 0 },
    inbox: {
      pending: inbox.get('pending') ?? 0,
      running: inbox.get('running') ?? 0,
      parked: inbox.get('parked') ?? 0,
      done: readCount(reader, 'turns.done'),
      dead: inbox.get('dead') ?? 0,
      oldestOpenAt: number(
        reader,
        `SELECT min(received_at) AS value FROM inbox WHERE status IN ('pending', 'running', 'parked')`,
      ),
      nextAttemptAt: number(reader, `SELECT min(available_at) AS value FROM inbox WHERE status = 'pending'`),
    },
    outbox: {
      pending: outbox.get('pending') ?? 0,
      delivered: outbox.get('delivered') ?? 0,
      refused: outbox.get('refused') ?? 0,
      expired: outbox.get('expired') ?? 0,
      oldestPendingAt: number(reader, `SELECT min(created_at) AS value FROM outbox WHERE status = 'pending'`),
      forYou:
        number(
          reader,
          `SELECT count(*) AS value FROM outbox WHERE status = 'pending' AND recipient = '${terminal}'`,
        ) ?? 0,
    },
    paused: pauses(reader),
    timers: {
      count: number(reader, 'SELECT count(*) AS value FROM timers') ?? 0,
      nextDueAt: number(reader, 'SELECT min(due_at) AS value FROM timers'),
    },
    notes: number(reader, 'SELECT count(*) AS value FROM notes WHERE forgotten = 0') ?? 0,
    stateKeys: number(reader, 'SELECT count(*) AS value FROM state') ?? 0,
  }
}

/** The figures that change with every turn, cheap enough to be asked for many times a second. */
export interface Totals {
  /** Entries taken in and turns done since the agent was made. */
  readonly received: number
  readonly done: number
  /** Entries that are not finished, those that wait for a person among them. */
  readonly open: number
  readonly parked: number
  readonly dead: number
  /** Messages that the person at the terminal has not been shown. */
  readonly unread: number
  /** Messages to other agents without a verdict. */
  readonly outgoing: number
}

export function totals(reader: Reader): Totals {
  const count = (from: string): number => number(reader, `SELECT count(*) AS value FROM ${from}`) ?? 0
  return {
    received: readCount(reader, 'inbox.position'),
    done: readCount(reader, 'turns.done'),
    open: count(`inbox WHERE status IN ('pending', 'running', 'parked')`),
    parked: count(`inbox WHERE status = 'parked'`),
    dead: count('dead_letters'),
    unread: count(`outbox WHERE status = 'pending' AND recipient = '${terminal}'`),
    outgoing: count(`outbox WHERE status = 'pending' AND recipient <> '${terminal}'`),
  }
}

/** The agent's state as one document. */
export function stateDocument(reader: Reader): Record<string, Json> {
  const rows = reader.all<{ key: string; value: string }>('SELECT key, value FROM state ORDER BY key')
  return Object.fromEntries(rows.map((row) => [row.key, JSON.parse(row.value) as Json]))
}

/** Messages to the person at the terminal that nobody has been shown, after `sequence`, oldest first. */
export function terminalMessages(reader: Reader, sequence: number, limit = 100): OutgoingView[] {
  return reader
    .all<OutboxRow>(
      `SELECT * FROM outbox WHERE status = 'pending' AND recipient = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
      terminal,
      sequence,
      limit,
    )
    .map(toOutgoing)
}

export interface TimerView {
  readonly id: string
  readonly conversation: string
  readonly dueAt: number
}

/** Appointments, next first. */
export function nextTimers(reader: Reader, limit: number): TimerView[] {
  return reader
    .all<{ id: string; conversation: string; due_at: number }>(
      'SELECT id, conversation, due_at FROM timers ORDER BY due_at, id LIMIT ?',
      limit,
    )
    .map((row) => ({ id: row.id, conversation: row.conversation, dueAt: row.due_at }))
}

function countByStatus(reader: Reader, table: 'inbox' | 'outbox'): Map<string, number> {
  const rows = reader.all<{ status: string; count: number }>(
    `SELECT status, count(*) AS count FROM ${table} GROUP BY status`,
  )
  return new Map(rows.map((row) => [row.status, row.count]))
}

function number(reader: Reader, sql: string): number | null {
  return reader.get<{ value: number | null }>(sql)?.value ?? null
}
