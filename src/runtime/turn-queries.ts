import { isJsonObject, textOf, type Json } from '../json.ts'
import { priorityOf, type Priority } from '../queue/priority.ts'
import type { Reader } from '../store/store.ts'

export type TurnStatus = 'pending' | 'running' | 'parked' | 'done' | 'dead'

/** One entry of the inbox and what became of it. */
export interface TurnSummary {
  /** Position in the inbox, and the turn's number. */
  readonly turn: number
  readonly kind: 'start' | 'message' | 'timer'
  readonly id: string
  readonly from: string
  readonly conversation: string
  readonly text: string
  readonly status: TurnStatus
  readonly attempts: number
  readonly failures: number
  readonly crashes: number
  /** Wall-clock ms. */
  readonly receivedAt: number
  /** Not before this moment: later than now while it waits to be tried again. */
  readonly availableAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly error: string | null
}

export interface StepView {
  readonly name: string
  readonly occurrence: number
  readonly result: Json
  readonly recordedAt: number
  readonly durationMs: number
}

export interface EffectView {
  readonly name: string
  readonly occurrence: number
  readonly key: string
  readonly policy: 'verify' | 'idempotent' | 'unkeyed'
  readonly status: 'intended' | 'started' | 'done' | 'failed' | 'unknown'
  readonly runs: number
  readonly result: Json
  readonly error: string | null
  readonly intendedAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
}

export interface OutgoingView {
  readonly sequence: number
  readonly id: string
  readonly turn: number
  readonly to: string
  readonly conversation: string
  readonly content: Json
  readonly text: string
  readonly status: 'pending' | 'delivered' | 'refused' | 'expired'
  readonly attempts: number
  readonly createdAt: number
  readonly settledAt: number | null
  readonly error: string | null
  /** Its number towards the hub; null for what does not go there, or has none yet. */
  readonly seq: number | null
  readonly priority: Priority
  /** How long it is good for as its sender said, ms. */
  readonly ttlMs: number | null
  /** When it expires if it has not been on its way by then. */
  readonly expiresAt: number | null
  /** It may be at its recipient: only a verdict settles it. */
  readonly isUnderWay: boolean
  /** The dead letter that it was sent for again, and what it was sent as itself. */
  readonly retryOf: number | null
  readonly retriedAs: number | null
}

export interface DeadLetterView {
  readonly reason: string
  readonly evidence: Json
  readonly createdAt: number
}

/** Everything that is on record about one turn. */
export interface TurnView extends TurnSummary {
  readonly payload: Json
  readonly inReplyTo: string | null
  readonly hops: number
  readonly steps: readonly StepView[]
  readonly effects: readonly EffectView[]
  readonly sent: readonly OutgoingView[]
  readonly deadLetter: DeadLetterView | null
}

export interface TurnFilter {
  readonly statuses?: readonly TurnStatus[]
  readonly conversation?: string
  /** Most that are returned. Default 20. */
  readonly limit?: number
  readonly order?: 'newest' | 'oldest'
}

export function listTurns(reader: Reader, filter: TurnFilter = {}): TurnSummary[] {
  const conditions: string[] = []
  const parameters: string[] = []
  if (filter.statuses !== undefined) {
    conditions.push(`status IN (${filter.statuses.map(() => '?').join(', ')})`)
    parameters.push(...filter.statuses)
  }
  if (filter.conversation !== undefined) {
    conditions.push('conversation = ?')
    parameters.push(filter.conversation)
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const order = filter.order === 'oldest' ? 'ASC' : 'DESC'
  return reader
    .all<InboxRow>(
      `SELECT * FROM inbox ${where} ORDER BY position ${order} LIMIT ?`,
      ...parameters,
      filter.limit ?? 20,
    )
    .map(toSummary)
}

/** One turn without its parts: what a caller who only waits for its end needs. */
export function findTurn(reader: Reader, turn: number): TurnSummary | undefined {
  const row = reader.get<InboxRow>('SELECT * FROM inbox WHERE position = ?', turn)
  return row === undefined ? undefined : toSummary(row)
}

export function showTurn(reader: Reader, turn: number): TurnView | undefined {
  const row = reader.get<InboxRow>('SELECT * FROM inbox WHERE position = ?', turn)
  if (row === undefined) return undefined
  const dead = reader.get<{ reason: string; evidence: string; created_at: number }>(
    'SELECT reason, evidence, created_at FROM dead_letters WHERE position = ?',
    turn,
  )
  return {
    ...toSummary(row),
    payload: parse(row.payload),
    inReplyTo: row.in_reply_to,
    hops: row.hops,
    steps: reader
      .all<StepRow>('SELECT * FROM steps WHERE turn = ? ORDER BY recorded_at, name, occurrence', turn)
      .map((step) => ({
        name: step.name,
        occurrence: step.occurrence,
        result: parse(step.result),
        recordedAt: step.recorded_at,
        durationMs: step.duration_ms,
      })),
    effects: effectsOf(reader, turn),
    sent: outgoingOf(reader, turn),
    deadLetter:
      dead === undefined
        ? null
        : { reason: dead.reason, evidence: parse(dead.evidence), createdAt: dead.created_at },
  }
}

export function effectsOf(reader: Reader, turn: number): EffectView[] {
  return reader
    .all<EffectRow>('SELECT * FROM effects WHERE turn = ? ORDER BY intended_at, name, occurrence', turn)
    .map((effect) => ({
      name: effect.name,
      occurrence: effect.occurrence,
      key: effect.key,
      policy: effect.policy,
      status: effect.status,
      runs: effect.runs,
      result: effect.result === null ? null : parse(effect.result),
      error: effect.error === null ? null : errorText(effect.error),
      intendedAt: effect.intended_at,
      startedAt: effect.started_at,
      finishedAt: effect.finished_at,
    }))
}

/** What a turn sent, in order. */
export function outgoingOf(reader: Reader, turn: number): OutgoingView[] {
  return reader.all<OutboxRow>('SELECT * FROM outbox WHERE turn = ? ORDER BY sequence', turn).map(toOutgoing)
}

/** One message of the outbox, whatever became of it. */
export function findOutgoing(reader: Reader, sequence: number): OutgoingView | undefined {
  const row = reader.get<OutboxRow>('SELECT * FROM outbox WHERE sequence = ?', sequence)
  return row === undefined ? undefined : toOutgoing(row)
}

export function toOutgoing(row: OutboxRow): OutgoingView {
  const content = parse(row.content)
  return {
    sequence: row.sequence,
    id: row.id,
    turn: row.turn,
    to: row.recipient,
    conversation: row.conversation,
    content,
    text: textOf(content),
    status: row.status,
    attempts: row.attempts,
    createdAt: row.created_at,
    settledAt: row.settled_at,
    error: row.error,
    seq: row.seq ?? null,
    priority: priorityOf(row.priority ?? 1),
    ttlMs: row.ttl_ms ?? null,
    expiresAt: row.expires_at ?? null,
    isUnderWay: row.status === 'pending' && (row.ordinal ?? row.seq ?? null) !== null,
    retryOf: row.retry_of ?? null,
    retriedAs: row.retried_as ?? null,
  }
}

function toSummary(row: InboxRow): TurnSummary {
  return {
    turn: row.position,
    kind: row.kind,
    id: row.id,
    from: row.sender,
    conversation: row.conversation,
    text: textOfEntry(row.kind, parse(row.payload)),
    status: row.status,
    attempts: row.attempts,
    failures: row.failures,
    crashes: row.crashes,
    receivedAt: row.received_at,
    availableAt: row.available_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    error: row.error === null ? null : errorText(row.error),
  }
}

/** A fired timer stands for what it was set with, not for how that is kept. */
function textOfEntry(kind: string, payload: Json): string {
  return textOf(kind === 'timer' && isJsonObject(payload) ? (payload['payload'] ?? null) : payload)
}

/** Errors are kept as JSON, with their code and message where they have them. */
function errorText(stored: string): string {
  try {
    const error = parse(stored)
    if (isJsonObject(error) && typeof error['message'] === 'string') {
      return typeof error['code'] === 'string' ? `${error['code']}: ${error['message']}` : error['message']
    }
    return textOf(error)
  } catch {
    return stored
  }
}

function parse(text: string): Json {
  return JSON.parse(text) as Json
}

interface InboxRow {
  readonly position: number
  readonly kind: 'start' | 'message' | 'timer'
  readonly id: string
  readonly sender: string
  readonly conversation: string
  readonly payload: string
  readonly hops: number
  readonly in_reply_to: string | null
  readonly received_at: number
  readonly status: TurnStatus
  readonly available_at: number
  readonly started_at: number | null
  readonly finished_at: number | null
  readonly attempts: number
  readonly failures: number
  readonly crashes: number
  readonly error: string | null
}

interface StepRow {
  readonly name: string
  readonly occurrence: number
  readonly result: string
  readonly recorded_at: number
  readonly duration_ms: number
}

interface EffectRow {
  readonly name: string
  readonly occurrence: number
  readonly key: string
  readonly policy: EffectView['policy']
  readonly status: EffectView['status']
  readonly runs: number
  readonly result: string | null
  readonly error: string | null
  readonly intended_at: number
  readonly started_at: number | null
  readonly finished_at: number | null
}

export interface OutboxRow {
  readonly sequence: number
  readonly id: string
  readonly turn: number
  readonly recipient: string
  readonly conversation: string
  readonly content: string
  readonly status: OutgoingView['status']
  readonly attempts: number
  readonly created_at: number
  readonly settled_at: number | null
  readonly error: string | null
  /** Missing in a database that no start has brought to this schema yet. */
  readonly seq?: number | null
  readonly priority?: number
  readonly ttl_ms?: number | null
  readonly expires_at?: number | null
  readonly ordinal?: number | null
  readonly retry_of?: number | null
  readonly retried_as?: number | null
}
