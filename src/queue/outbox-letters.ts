import { createHash } from 'node:crypto'
import { PerduraError } from '../errors.ts'
import type { Reader, Tx } from '../store/store.ts'
import { expireWaiting, type ExpiredMessage } from './outbox-expiry.ts'
import { waits } from './outbox-line.ts'
import { type NewOutgoing, type OutboxRow, saidIn } from './outbox.ts'

/*
 * The dead letters of the outbox: what was refused or has expired, kept with its reason. The verdict about an id is for ever,
 * so one that is sent again gets an id of its own.
 */

const dead = "status IN ('refused', 'expired') AND recipient <> 'you'"

interface LetterRow extends OutboxRow {
  readonly status: string
  readonly retried_as: number | null
}

/**
 * The dead letter that is meant: itself, or, where that was sent again and is dead once more, the last of them. Where one of
 * them is under way or has arrived, that one's place: asked twice, nothing is sent twice. ERR_NO_SUCH_MESSAGE where it is none.
 */
export function findLetter(
  reader: Reader,
  sequence: number,
): { readonly letter: LetterRow } | { readonly sentAs: number } {
  let place = sequence
  for (;;) {
    const row = reader.get<LetterRow>('SELECT * FROM outbox WHERE sequence = ?', place)
    if (row === undefined || row.recipient === 'you') {
      // A later one has settled well, and is not kept any more.
      if (place !== sequence) return { sentAs: place }
      throw noLetter(sequence)
    }
    if (row.status !== 'refused' && row.status !== 'expired') {
      if (place !== sequence) return { sentAs: place }
      throw noLetter(sequence)
    }
    if (row.retried_as === null) return { letter: row }
    place = row.retried_as
  }
}

function noLetter(sequence: number): PerduraError {
  return new PerduraError(
    'ERR_NO_SUCH_MESSAGE',
    `out:${sequence} is not a dead letter of the outbox: see perdura queue list --dead`,
  )
}

/** As it is sent again: the same message under another id, which is the same one every time. */
export function resent(letter: LetterRow): NewOutgoing {
  const id = createHash('sha256').update(`retry\0${letter.id}`).digest('hex').slice(0, 32)
  return { ...saidIn(letter), id }
}

export function linkResent(tx: Tx, letter: number, sequence: number): void {
  tx.run('UPDATE outbox SET retried_as = ? WHERE sequence = ?', sequence, letter)
  tx.run('UPDATE outbox SET retry_of = ? WHERE sequence = ?', letter, sequence)
}

/** Dead letters that were not sent again, after a place, in order. */
export function openLetters(reader: Reader, after: number, countMax: number): number[] {
  return reader
    .all<{ sequence: number }>(
      `SELECT sequence FROM outbox INDEXED BY outbox_dead
       WHERE ${dead} AND sequence > ? AND retried_as IS NULL ORDER BY sequence LIMIT ?`,
      after,
      countMax,
    )
    .map(({ sequence }) => sequence)
}

/** Forgets dead letters, at most so many; returns how many. */
export function purgeLetters(tx: Tx, countMax: number): number {
  return tx.run(
    `DELETE FROM outbox WHERE sequence IN (
       SELECT sequence FROM outbox INDEXED BY outbox_dead WHERE ${dead} ORDER BY sequence LIMIT ?)`,
    countMax,
  ).changes
}

/** Gives up what waits and has not been on its way, at most so many; what is under way is nobody's to take back. */
export function purgeWaiting(
  tx: Tx,
  {
    now,
    countMax,
    except,
  }: { readonly now: number; readonly countMax: number; readonly except: ReadonlySet<number> },
): ExpiredMessage[] {
  const rows = tx.all<{ sequence: number }>(
    `SELECT sequence FROM outbox INDEXED BY outbox_line
     WHERE ${waits} ORDER BY priority, sequence LIMIT ?`,
    countMax + except.size,
  )
  return rows
    .filter(({ sequence }) => !except.has(sequence))
    .map(({ sequence }) => expireWaiting(tx, sequence, purgedReason, now))
}

const purgedReason = 'purged: its owner did not want it to be sent any more'
