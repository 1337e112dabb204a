import { toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { forget } from '../queue/dead-letters.ts'
import type { Store, Tx } from '../store/store.ts'

export interface RetentionLimits {
  /** Finished turns, with their steps, effects and settled messages. Default 10,000 and 30 days. */
  readonly turnsMax: number
  readonly turnsMaxAgeMs: number
  /** Identifiers by which repeats are recognised. Default 1,000,000 and 30 days: a repeat that comes later is new. */
  readonly seenMax: number
  readonly seenMaxAgeMs: number
  /** Dead letters of the inbox, and of the outbox: the oldest go first, whatever their age. Default 1,000 each. */
  readonly deadLettersMax: number
}

const day = 86_400_000

export const defaultRetention: RetentionLimits = {
  turnsMax: 10_000,
  turnsMaxAgeMs: 30 * day,
  seenMax: 1_000_000,
  seenMaxAgeMs: 30 * day,
  deadLettersMax: 1_000,
}

/** Rows that one transaction removes at most, so that turns wait for milliseconds only. */
const batchRows = 200

export interface HousekeepingOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly limits: RetentionLimits
}

const firstAfterMs = 60_000
const everyMs = 600_000

/** Keeps what is finished within its bounds: in small transactions, every ten minutes. */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  #timer: Timer | undefined
  #closed = false

  constructor(options: HousekeepingOptions) {
    this.#options = options
  }

  start(delayMs = firstAfterMs): void {
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#run())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #run(): Promise<void> {
    const { store, clock, log, limits } = this.#options
    try {
      for (const sweep of [sweepTurns, sweepOutbox, sweepSeen]) {
        while (!this.#closed && (await store.write((tx) => sweep(tx, limits, clock.now()))) >= batchRows);
      }
    } catch (thrown) {
      log.warn('housekeeping:sweep:failed', { error: toError(thrown) })
    }
    if (!this.#closed) this.start(everyMs)
  }
}

/** Removes finished turns beyond the bounds, oldest first. Returns how many. */
function sweepTurns(tx: Tx, limits: RetentionLimits, now: number): number {
  const floor = (status: string, keep: number): number =>
    tx.get<{ position: number }>(
      'SELECT position FROM inbox WHERE status = ? ORDER BY finished_at DESC, position DESC LIMIT 1 OFFSET ?',
      status,
      keep,
    )?.position ?? 0
  const old = tx.all<{ position: number }>(
    `SELECT position FROM inbox WHERE (status = 'done' AND (finished_at < ? OR position <= ?))
       OR (status = 'dead' AND position <= ?) ORDER BY position LIMIT ?`,
    now - limits.turnsMaxAgeMs,
    floor('done', limits.turnsMax),
    floor('dead', limits.deadLettersMax),
    batchRows,
  )
  for (const { position } of old) forget(tx, position)
  return old.length
}

function sweepOutbox(tx: Tx, limits: RetentionLimits, now: number): number {
  const newest =
    tx.get<{ sequence: number | null }>('SELECT max(sequence) AS sequence FROM outbox')?.sequence ?? 0
  const dead = "status IN ('refused', 'expired') AND recipient <> 'you'"
  const oldestDead =
    tx.get<{ sequence: number }>(
      `SELECT sequence FROM outbox INDEXED BY outbox_dead WHERE ${dead} ORDER BY sequence DESC LIMIT 1 OFFSET ?`,
      limits.deadLettersMax,
    )?.sequence ?? 0
  // What a hub that was put back is to have once more must be here until it has.
  return tx.run(
    `DELETE FROM outbox WHERE sequence IN (SELECT sequence FROM outbox
       WHERE status <> 'pending' AND CASE WHEN ${dead} THEN sequence <= ? ELSE settled_at < ? OR sequence <= ? END
         AND NOT EXISTS (SELECT 1 FROM session WHERE status = 'delivered' AND hub = accepted_by
           AND numbering < again_below AND ordinal > again_after) LIMIT ?)`,
    oldestDead,
    now - limits.turnsMaxAgeMs,
    newest - limits.turnsMax,
    batchRows,
  ).changes
}

function sweepSeen(tx: Tx, limits: RetentionLimits, now: number): number {
  const newest =
    tx.get<{ position: number | null }>('SELECT max(position) AS position FROM inbox_seen')?.position ?? 0
  // What is still open must be recognised whatever its age.
  const old = tx.all<{ source: string; id: string }>(
    `SELECT source, id FROM inbox_seen WHERE (seen_at < ? OR position <= ?) AND NOT EXISTS (
       SELECT 1 FROM inbox WHERE inbox.position = inbox_seen.position AND status IN ('pending', 'running', 'parked'))
     ORDER BY seen_at LIMIT ?`,
    now - limits.seenMaxAgeMs,
    newest - limits.seenMax,
    batchRows,
  )
  for (const { source, id } of old) tx.run('DELETE FROM inbox_seen WHERE source = ? AND id = ?', source, id)
  return old.length
}
