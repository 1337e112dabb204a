import { createHash } from 'node:crypto'
import { PerduraError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { Reader, Tx } from '../store/store.ts'
import { nextCount } from '../store/counters.ts'

export type EntryKind = 'start' | 'message' | 'timer'
export type EntryStatus = 'pending' | 'running' | 'parked' | 'done' | 'dead'

/** What is about to enter the inbox. */
export interface NewEntry {
  readonly kind: EntryKind
  /** Whose identifiers `id` is one of: entries are the same when source and id are. */
  readonly source: string
  readonly id: string
  readonly sender: string
  readonly conversation: string
  readonly payload: Json
  readonly hops: number
  readonly inReplyTo: string | undefined
}

/** One thing to handle; a turn handles it. `position` rises by one with every entry. */
export interface InboxEntry extends NewEntry {
  readonly position: number
  readonly sizeBytes: number
  readonly receivedAt: number
  readonly status: EntryStatus
  /** Wall-clock ms before which it is not tried again. */
  readonly availableAt: number
  readonly attempts: number
  readonly failures: number
  readonly crashes: number
  /** It was running when the process died, perhaps by its doing. */
  readonly suspect: boolean
  readonly alone: boolean
}

/** What the scheduler needs to know of an entry that is not finished. */
export interface OpenEntry {
  readonly position: number
  readonly conversation: string
  readonly kind: EntryKind
  readonly status: 'pending' | 'running' | 'parked'
  readonly availableAt: number
  readonly suspect: boolean
}

export interface Acceptance {
  readonly position: number
  readonly duplicate: boolean
}

/** The inbox as rows. Every function is one part of a transaction; what they decide is decided with it. */
export interface InboxTable {
  /** Takes the entry in, or recognises it: the same content is a duplicate, another one is ERR_IDEMPOTENCY_KEY_REUSED. */
  accept(tx: Tx, entry: NewEntry, now: number): Acceptance
  /** Counts an attempt, before the mind is called: should the process die, the next one knows what was running. */
  begin(tx: Tx, position: number, attempt: { readonly alone: boolean; readonly now: number }): void
  finish(tx: Tx, position: number, now: number): void
  /** Back to the queue after a failure (`failed`) or without blame. */
  postpone(
    tx: Tx,
    position: number,
    retry: { readonly failed: boolean; readonly availableAt: number; readonly error: Json },
  ): void
  park(tx: Tx, position: number, error: Json): void
  unpark(tx: Tx, position: number): void
  /** What was running when the process before ended: blamed if it ran alone, under suspicion otherwise. */
  interrupted(tx: Tx): InboxEntry[]
  markSuspect(tx: Tx, position: number, blamed: boolean): void
}

interface InboxRow {
  readonly position: number
  readonly kind: EntryKind
  readonly source: string
  readonly id: string
  readonly sender: string
  readonly conversation: string
  readonly payload: string
  readonly size_bytes: number
  readonly hops: number
  readonly in_reply_to: string | null
  readonly received_at: number
  readonly status: EntryStatus
  readonly available_at: number
  readonly attempts: number
  readonly failures: number
  readonly crashes: number
  readonly suspect: number
  readonly alone: number
}

export const inboxTable: InboxTable = {
  accept(tx, entry, now) {
    const payload = JSON.stringify(entry.payload)
    const contentHash = createHash('sha256')
      .update(JSON.stringify([entry.sender, entry.conversation, payload]))
      .digest()
    const seen = tx.get<{ position: number; content_hash: Uint8Array }>(
      'SELECT position, content_hash FROM inbox_seen WHERE source = ? AND id = ?',
      entry.source,
      entry.id,
    )
    if (seen !== undefined) {
      if (contentHash.equals(seen.content_hash)) return { position: seen.position, duplicate: true }
      throw new PerduraError(
        'ERR_IDEMPOTENCY_KEY_REUSED',
        `"${entry.id}" was used for another message already: give a new message a new id`,
        { details: { position: seen.position } },
      )
    }
    const position = nextCount(tx, 'inbox.position')
    tx.run(
      'INSERT INTO inbox_seen (source, id, position, content_hash, seen_at) VALUES (?, ?, ?, ?, ?)',
      entry.source,
      entry.id,
      position,
      contentHash,
      now,
    )
    tx.run(
      `INSERT INTO inbox (position, kind, source, id, sender, conversation, payload, size_bytes, hops, in_reply_to,
         received_at, status, available_at, attempts, failures, crashes, suspect, alone)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, 0, 0, 0, 0, 0)`,
      position,
      entry.kind,
      entry.source,
      entry.id,
      entry.sender,
      entry.conversation,
      payload,
      Buffer.byteLength(payload),
      entry.hops,
      entry.inReplyTo ?? null,
      now,
    )
    return { position, duplicate: false }
  },

  begin(tx, position, { alone, now }) {
    tx.run(
      "UPDATE inbox SET status = 'running', attempts = attempts + 1, alone = ?, started_at = ? WHERE position = ?",
      alone ? 1 : 0,
      now,
      position,
    )
  },

  finish(tx, position, now) {
    tx.run(
      "UPDATE inbox SET status = 'done', suspect = 0, error = NULL, finished_at = ? WHERE position = ?",
      now,
      position,
    )
    nextCount(tx, 'turns.done')
  },

  postpone(tx, position, { failed, availableAt, error }) {
    tx.run(
      `UPDATE inbox SET status = 'pending', suspect = 0, failures = failures + ?, available_at = ?, error = ?
       WHERE position = ?`,
      failed ? 1 : 0,
      availableAt,
      JSON.stringify(error),
      position,
    )
  },

  park(tx, position, error) {
    tx.run(
      "UPDATE inbox SET status = 'parked', suspect = 0, error = ? WHERE position = ?",
      JSON.stringify(error),
      position,
    )
  },

  unpark(tx, position) {
    tx.run(
      "UPDATE inbox SET status = 'pending', available_at = 0 WHERE position = ? AND status = 'parked'",
      position,
    )
  },

  interrupted(tx) {
    return tx.all<InboxRow>("SELECT * FROM inbox WHERE status = 'running' ORDER BY position").map(toEntry)
  },

  markSuspect(tx, position, blamed) {
    tx.run(
      "UPDATE inbox SET status = 'pending', suspect = 1, crashes = crashes + ?, available_at = 0 WHERE position = ?",
      blamed ? 1 : 0,
      position,
    )
  },
}

export function readEntry(reader: Reader, position: number): InboxEntry | undefined {
  const row = reader.get<InboxRow>('SELECT * FROM inbox WHERE position = ?', position)
  return row === undefined ? undefined : toEntry(row)
}

/** Everything that is not finished, in order of arrival. */
export function openEntries(reader: Reader): OpenEntry[] {
  const rows = reader.all<InboxRow>(
    `SELECT position, conversation, kind, status, available_at, suspect FROM inbox
     WHERE status IN ('pending', 'running', 'parked') ORDER BY position`,
  )
  return rows.map((row) => ({
    position: row.position,
    conversation: row.conversation,
    kind: row.kind,
    status: row.status as OpenEntry['status'],
    availableAt: row.available_at,
    suspect: row.suspect === 1,
  }))
}

function toEntry(row: InboxRow): InboxEntry {
  return {
    position: row.position,
    kind: row.kind,
    source: row.source,
    id: row.id,
    sender: row.sender,
    conversation: row.conversation,
    payload: JSON.parse(row.payload) as Json,
    sizeBytes: row.size_bytes,
    hops: row.hops,
    inReplyTo: row.in_reply_to ?? undefined,
    receivedAt: row.received_at,
    status: row.status,
    availableAt: row.available_at,
    attempts: row.attempts,
    failures: row.failures,
    crashes: row.crashes,
    suspect: row.suspect === 1,
    alone: row.alone === 1,
  }
}
