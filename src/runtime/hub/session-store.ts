import { PerduraError } from '../../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../json.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import { isCleanText } from '../../protocol/content.ts'
import type { Bound } from '../../queue/bound.ts'
import type { InboxTable, NewEntry } from '../../queue/inbox.ts'
import { expireAccepted, type ExpiredMessage } from '../../queue/outbox-expiry.ts'
import {
  beginNumbering,
  giveNumbers,
  pendingFrom,
  settleNumber,
  type NumberedMessage,
  type SettledMessage,
} from '../../queue/outbox-numbers.ts'
import type { OutboxParts } from '../../queue/outbox-parts.ts'
import type { PauseTable } from '../../queue/pauses.ts'
import { expiredType } from '../../protocol/frames.ts'
import type {
  Begun,
  Incoming,
  IncomingPage,
  Outbound,
  SessionPosition,
  SessionStore,
  SettledVerdict,
} from '../../session/position.ts'
import type { Store, Tx } from '../../store/store.ts'
import {
  ensureSession,
  noteState,
  positionOf,
  readSession,
  type KeptOutside,
  type SessionRow,
} from './session-row.ts'

export interface AcceptedMessage {
  readonly position: number
  readonly duplicate: boolean
  readonly entry: NewEntry
}

/** What messages are taken in with. */
export interface InboxOptions {
  readonly log: Log
  readonly inbox: InboxTable
  readonly inboxBound: Bound
}

export interface StoredSessionOptions extends InboxOptions {
  /** By which its row is found: the agent's place at the hub. Looked at each time, since the first login tells it. */
  readonly hub: string
  /** Where the hub is now. */
  readonly address: string
  readonly store: Store
  readonly clock: Clock
  readonly outbox: OutboxParts
  readonly pauses: PauseTable
  readonly outboxBound: Bound
  /** Wall-clock ms, no later than it can be: what is due by it has expired. */
  readonly dueBy: () => number
  /** Messages that may be on their way at a time; what is urgent waits for these at most. Default 256. */
  readonly windowMax?: number
  readonly keptOutside: () => KeptOutside
  readonly onAccepted: (messages: readonly AcceptedMessage[]) => void
  readonly onSettled: (messages: readonly SettledMessage[]) => void
  readonly onExpired: (messages: readonly ExpiredMessage[]) => void
  readonly onOtherSession: (other: OtherSession) => void
}

/** The hub has the agent in another session than the one that it asked for. */
export interface OtherSession {
  readonly before: string
  readonly after: string
  /** What the hub found: mostly one of `session_ended`, `session_expired` and `session_unknown`. */
  readonly reason: string
}

const defaultWindowMax = 256

/** The session's side of the agent's store: position, inbox and outbox move in the same transactions. */
export class StoredSession implements SessionStore {
  readonly #options: StoredSessionOptions
  #isLive = false

  constructor(options: StoredSessionOptions) {
    this.#options = options
  }

  position(): SessionPosition {
    const { store, hub, keptOutside } = this.#options
    return positionOf(store.reader, readSession(store.reader, hub), keptOutside())
  }

  async begin(begun: Begun): Promise<void> {
    const { store, hub, address, clock, onOtherSession } = this.#options
    const before = await store.write((tx) => {
      ensureSession(tx, hub, clock.now())
      const row = this.#row(tx)
      if (row.producer_epoch !== begun.producerEpoch) this.#beginNumbering(tx, begun)
      this.giveNumbers(tx)
      // Not only once it is committed: what is committed together with it comes after it, and nothing else gives it a number.
      this.#isLive = true
      tx.onUndo(() => (this.#isLive = false))
      const sameStream = row.stream_epoch === begun.streamEpoch
      tx.run(
        `UPDATE session SET address = ?, session_identifier = ?, generation = ?, stream_epoch = ?,
           rx_offset = ?, rx_last_id = ? WHERE hub = ?`,
        address,
        begun.sessionIdentifier,
        begun.generation,
        begun.streamEpoch,
        sameStream ? row.rx_offset : begun.next - 1,
        sameStream ? row.rx_last_id : null,
        hub,
      )
      return row.session_identifier
    })
    const { sessionIdentifier: after, reason } = begun
    if (before !== null && before !== after) onOtherSession({ before, after, reason })
  }

  async accept(page: IncomingPage): Promise<void> {
    const { store, clock, onAccepted, onExpired } = this.#options
    const accepted = await store.write((tx) => {
      const row = this.#row(tx)
      if (row.stream_epoch !== page.epoch || row.rx_offset !== page.after) {
        throw new PerduraError(
          'ERR_HUB_PROTOCOL',
          `the reader stands at ${row.rx_offset}, not at ${page.after}`,
        )
      }
      const reports = page.messages.filter(({ type }) => type === expiredType)
      const messages = page.messages
        .filter(({ type }) => type !== expiredType)
        .flatMap((message) => takeIncoming(tx, message, this.#options, clock.now()) ?? [])
      tx.run(
        'UPDATE session SET rx_offset = ?, rx_last_id = ? WHERE hub = ?',
        page.through.offset,
        page.through.id,
        row.hub,
      )
      return { messages, expired: reports.flatMap((report) => takeReport(tx, report) ?? []) }
    })
    onAccepted(accepted.messages)
    onExpired(accepted.expired)
  }

  pending(seq: number, countMax: number): readonly Outbound[] {
    const { store, dueBy, pauses } = this.#options
    if (pauses.since(store.reader, 'outbox') !== undefined) return []
    const rows = pendingFrom(store.reader, seq, { countMax, bytesMax: pageBytesMax })
    return rows.map((row) => toOutbound(row, dueBy()))
  }

  async settle(verdicts: readonly SettledVerdict[]): Promise<void> {
    const { store, clock, hub, onSettled, onExpired } = this.#options
    const settled = await store.write((tx) => {
      const messages = verdicts.flatMap((verdict) => {
        const error = verdict.result === 'refused' ? verdict.error : undefined
        return settleNumber(tx, { seq: verdict.seq, id: verdict.id, error, hub }, clock.now()) ?? []
      })
      const last = verdicts.at(-1)
      if (last !== undefined)
        tx.run('UPDATE session SET acked_seq = ?, acked_id = ? WHERE hub = ?', last.seq, last.id, hub)
      if (this.#isLive) this.giveNumbers(tx)
      return messages
    })
    onSettled(settled.filter((message) => 'error' in message))
    onExpired(settled.filter((message) => 'reason' in message))
  }

  async forgetNumbering(): Promise<void> {
    const { store, hub } = this.#options
    await store.write((tx) => {
      tx.run(`${leaveNumbering} WHERE hub = ?`, hub)
    })
  }

  /** For whoever looks: how the session stands. */
  async note(state: string, reason: string): Promise<void> {
    const { store, clock, hub } = this.#options
    await store.write((tx) => noteState(tx, hub, { state, reason, now: clock.now() }))
  }

  /** A message is being committed: it gets its number in the same transaction, if it may go at once. */
  committing(tx: Tx): void {
    if (this.#isLive) this.giveNumbers(tx)
  }

  /** The connection is over: what is urgent can go before everything that has no number by now. */
  disconnected(): void {
    this.#isLive = false
  }

  protected giveNumbers(tx: Tx): void {
    const { hub, outbox, pauses, outboxBound, dueBy, onExpired, windowMax = defaultWindowMax } = this.#options
    if (pauses.since(tx, 'outbox') !== undefined) return
    const { again, expired } = giveNumbers(tx, {
      hub,
      now: dueBy(),
      next: outbox.nextWaiting,
      windowMax,
    })
    if (again.length === 0 && expired.length === 0) return
    tx.onCommit(() => {
      for (const sizeBytes of again) outboxBound.restore(sizeBytes)
      onExpired(expired)
    })
  }

  #beginNumbering(tx: Tx, begun: Begun): void {
    const { hub } = this.#options
    beginNumbering(tx, begun.reason === 'hub_rewound' ? hub : undefined)
    tx.run(leaveNumbering)
    tx.run(
      'UPDATE session SET producer_epoch = ?, left_epoch = NULL, acked_seq = NULL, acked_id = NULL WHERE hub = ?',
      begun.producerEpoch,
      hub,
    )
  }

  #row(tx: Tx): SessionRow {
    const row = readSession(tx, this.#options.hub)
    if (row === undefined) throw new Error('the session has not begun')
    return row
  }
}

/** What its last verdict was stays known: a hub that is put back meanwhile is to be found out by it. */
const leaveNumbering =
  'UPDATE session SET left_epoch = coalesce(producer_epoch, left_epoch), producer_epoch = NULL'

/** Takes a message into the inbox. What its sender has used the id for before is known, and only the first counts. */
export function takeIncoming(
  tx: Tx,
  message: Incoming,
  { inbox, inboxBound, log }: InboxOptions,
  now: number,
): AcceptedMessage | undefined {
  const entry = toEntry(message)
  // As the database would keep it, it might be the name of somebody else.
  if (!isCleanText(message.senderName)) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', "the sender's name has NUL or half a surrogate pair in it")
  }
  try {
    const accepted = inbox.accept(tx, entry, now)
    if (!accepted.duplicate) inboxBound.add(tx, Buffer.byteLength(JSON.stringify(entry.payload)))
    return { ...accepted, entry }
  } catch (error) {
    if (!(error instanceof PerduraError && error.code === 'ERR_IDEMPOTENCY_KEY_REUSED')) throw error
    log.warn('session:message:conflict', { from: entry.sender, id: entry.id })
    return undefined
  }
}

function takeReport(tx: Tx, { content, senderName: to }: Incoming): ExpiredMessage | undefined {
  const id = isJsonObject(content) ? content['message_id'] : undefined
  return typeof id === 'string' ? expireAccepted(tx, { id, recipient: to }) : undefined
}

/** Bytes of content that are read at once, so that a page of large messages does not fill the memory. */
const pageBytesMax = 1_048_576

function toOutbound(row: NumberedMessage, now: number): Outbound {
  const { seq, id, recipient, conversation, hops } = row
  return {
    seq,
    id,
    recipient,
    conversation,
    content: JSON.parse(row.content) as Json,
    hops,
    inReplyTo: row.in_reply_to ?? undefined,
    again: row.again === 1,
    // A number goes through to a verdict: one whose time is over goes with the least that there is.
    ...(row.ttl_ms !== null && { ttlMs: Math.max(1, (row.expires_at ?? now) - now) }),
  }
}

const hopsMax = 1_000

function toEntry({ id, senderName, conversation, content, metadata }: Incoming): NewEntry {
  return {
    kind: 'message',
    source: `from:${senderName}`,
    id,
    sender: senderName,
    conversation: conversation ?? senderName,
    payload: content,
    hops: hopsOf(metadata),
    inReplyTo: inReplyToOf(metadata),
  }
}

/** How many automatic answers led to it; an answer to it counts one more. */
function hopsOf(metadata: JsonObject | undefined): number {
  const hops = metadata?.['hops']
  if (typeof hops !== 'number' || !Number.isFinite(hops)) return 0
  return Math.min(hopsMax, Math.max(0, Math.trunc(hops)))
}

function inReplyToOf(metadata: JsonObject | undefined): string | undefined {
  const id = isJsonObject(metadata) ? metadata['in_reply_to'] : undefined
  return typeof id === 'string' && id.length > 0 && id.length <= 256 && isCleanText(id) ? id : undefined
}
