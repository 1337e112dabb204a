import type { Clock } from '../../platform/clock.ts'
import type { ExpiredMessage } from '../../queue/outbox-expiry.ts'
import type { SettledMessage } from '../../queue/outbox-numbers.ts'
import type { OutboxParts } from '../../queue/outbox-parts.ts'
import type { PauseTable } from '../../queue/pauses.ts'
import { firstPending, markAsked, settleAsked } from '../../queue/outbox-asked.ts'
import type { Incoming } from '../../session/position.ts'
import type { Mark, PlainOutbound, PlainStore, PlainVerdict } from '../../session/plain-store.ts'
import type { Reader, Store } from '../../store/store.ts'
import { takeIncoming, type AcceptedMessage, type InboxOptions } from './session-store.ts'

export interface StoredPlainOptions extends InboxOptions {
  /** The agent's place at the server. */
  readonly hub: string
  readonly store: Store
  readonly clock: Clock
  readonly outbox: OutboxParts
  readonly pauses: PauseTable
  /** Wall-clock ms, no later than it can be: what is due by it has expired. */
  readonly dueBy: () => number
  readonly onExpired: (messages: readonly ExpiredMessage[]) => void
  readonly onAccepted: (messages: readonly AcceptedMessage[]) => void
  readonly onSettled: (messages: readonly SettledMessage[]) => void
}

/**
 * Where the agent stands with a plain v1 server. It is kept apart from its session: should the same address keep sessions
 * again, its stream goes on where it was. What went this way has no number towards a hub any more, so a hub that finds
 * numbers missing has everything numbered anew.
 */
export class StoredPlain implements PlainStore {
  readonly #options: StoredPlainOptions
  #asked = 0

  constructor(options: StoredPlainOptions) {
    this.#options = options
  }

  mark(): Mark {
    const { store, hub } = this.#options
    const row = readRow(store.reader, hub)
    return { number: row?.newest_number ?? 0, timeUs: row?.newest_time_us ?? 0 }
  }

  async accept(messages: readonly Incoming[], { number, timeUs }: Mark): Promise<void> {
    const { store, clock, hub, onAccepted } = this.#options
    const accepted = await store.write((tx) => {
      const taken = messages.flatMap((message) => takeIncoming(tx, message, this.#options, clock.now()) ?? [])
      tx.run(
        `INSERT INTO plain_session (hub, newest_number, newest_time_us) VALUES (?, ?, ?)
         ON CONFLICT (hub) DO UPDATE SET newest_number = excluded.newest_number, newest_time_us = excluded.newest_time_us`,
        hub,
        number,
        timeUs,
      )
      return taken
    })
    onAccepted(accepted)
  }

  next(): PlainOutbound | undefined {
    const { store, outbox, pauses } = this.#options
    if (pauses.since(store.reader, 'outbox') !== undefined) return undefined
    return firstPending(store.reader, outbox.nextWaiting, this.#asked + 1)
  }

  sentNumber(): number | undefined {
    const { store, hub } = this.#options
    return readRow(store.reader, hub)?.sent_number ?? undefined
  }

  async ask(sequence: number, sentNumber: number): Promise<boolean> {
    const { store, clock, hub, outbox, dueBy, onExpired } = this.#options
    return store.write((tx) => {
      const expired = outbox.expireDue(tx, { now: dueBy(), countMax: expiredMax })
      tx.onCommit(() => onExpired(expired))
      if (!markAsked(tx, sequence, clock.now())) return false
      tx.onCommit(() => (this.#asked += 1))
      tx.run(
        `INSERT INTO plain_session (hub, newest_number, newest_time_us, sent_number) VALUES (?, 0, 0, ?)
         ON CONFLICT (hub) DO UPDATE SET sent_number = coalesce(sent_number, excluded.sent_number)`,
        hub,
        sentNumber,
      )
      return true
    })
  }

  async settle(sequence: number, verdict: PlainVerdict): Promise<void> {
    const { store, clock, hub, onSettled } = this.#options
    const error = verdict.result === 'refused' ? verdict.error : undefined
    const settled = await store.write((tx) => {
      if (verdict.result === 'ok') {
        tx.run('UPDATE plain_session SET sent_number = ? WHERE hub = ?', verdict.number, hub)
      }
      return settleAsked(tx, sequence, error, clock.now())
    })
    if (settled !== undefined) onSettled([settled])
  }
}

/** The others are found by whoever looks for what is due. */
const expiredMax = 100

interface PlainRow {
  readonly newest_number: number
  readonly newest_time_us: number
  readonly sent_number: number | null
}

function readRow(reader: Reader, hub: string): PlainRow | undefined {
  return reader.get<PlainRow>('SELECT * FROM plain_session WHERE hub = ?', hub)
}
