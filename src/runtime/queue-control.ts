import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { deadPositions, exhume, purgeDead } from '../queue/dead-letters.ts'
import { openLetters, purgeLetters } from '../queue/outbox-letters.ts'
import type { PauseTable, Queue } from '../queue/pauses.ts'
import type { Reader, Store, Tx } from '../store/store.ts'
import type { AgentOutbox } from './agent-outbox.ts'
import type { Emitter } from './emitter.ts'

/** What a person does with the queues of a running agent. Promises resolve when it is on disk. */
export interface QueueControl {
  /** Stops handling (`inbox`) or sending (`outbox`), for good: what comes is taken in all the same. */
  pause(queues: readonly Queue[]): Promise<void>
  resume(queues: readonly Queue[]): Promise<void>
  /** Sends a dead letter of the outbox again, under another id; asked twice, it is sent once. */
  retryMessage(sequence: number): Promise<{ readonly sequence: number; readonly duplicate: boolean }>
  /** All dead letters, the oldest first. ERR_OUTBOX_FULL where there was room for a part of them only, which stays done. */
  retryAll(queues: readonly Queue[]): Promise<{ readonly turns: number; readonly messages: number }>
  /** Forgets dead letters. */
  purgeDead(queues: readonly Queue[]): Promise<{ readonly turns: number; readonly messages: number }>
  /** Expires what waits in the outbox and has not been on its way; what has may be at its recipient, and goes on. */
  purgePending(): Promise<{ readonly messages: number; readonly underWay: number }>
}

export interface QueueControlOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly emitter: Emitter
  readonly pauses: PauseTable
  readonly outbox: AgentOutbox
  readonly loop: { pause(): void; resume(): void }
  /** Hands an entry to the loop that is in the inbox already. */
  readonly enqueue: (position: number) => void
}

/** In small transactions, so that turns wait for milliseconds only. */
const batchRows = 100

export function createQueueControl(options: QueueControlOptions): QueueControl {
  const { store, clock, log, emitter, pauses, outbox, loop, enqueue } = options

  const changePause = async (queues: readonly Queue[], paused: boolean): Promise<void> => {
    await store.write((tx) => {
      for (const queue of queues) {
        const changed = paused ? pauses.pause(tx, queue, clock.now()) : pauses.resume(tx, queue)
        if (!changed) continue
        if (queue === 'outbox' && !paused) outbox.resume(tx)
        tx.onCommit(() => {
          if (queue === 'inbox' && paused) loop.pause()
          if (queue === 'inbox' && !paused) loop.resume()
          log.info('queue:pause:changed', { queue, paused })
          emitter.emit('queue:pause:changed', { queue, paused })
        })
      }
    })
  }

  /** Deals with places in order, a batch at a time, up to the last that there was: what dies anew meanwhile is not met again. */
  const inBatches = async (
    read: (reader: Reader, after: number, countMax: number) => number[],
    last: number | null | undefined,
    act: (places: readonly number[]) => Promise<void>,
  ): Promise<number> => {
    let count = 0
    for (let after = 0; ;) {
      const places = read(store.reader, after, batchRows).filter((at) => at <= (last ?? 0))
      if (places.length === 0) return count
      await act(places)
      count += places.length
      after = places.at(-1) ?? after
    }
  }

  /** Until nothing is left. */
  const purgeAll = async (purge: (tx: Tx, countMax: number) => number): Promise<number> => {
    for (let count = 0; ;) {
      const purged = await store.write((tx) => purge(tx, batchRows))
      count += purged
      if (purged < batchRows) return count
    }
  }

  return {
    pause: (queues) => changePause(queues, true),
    resume: (queues) => changePause(queues, false),

    retryMessage: (sequence) => store.write((tx) => outbox.retry(tx, sequence)),

    async retryAll(queues) {
      const last = store.reader.get<{ position: number | null; sequence: number | null }>(
        `SELECT (SELECT max(position) FROM dead_letters) AS position, (SELECT max(sequence) FROM outbox) AS sequence`,
      )
      const exhumeAll = async (positions: readonly number[]): Promise<void> => {
        await store.write((tx) => {
          for (const position of positions) exhume(tx, position)
        })
        for (const position of positions) enqueue(position)
      }
      // Each by itself: where the outbox is full, those before it are on their way.
      const resendAll = async (letters: readonly number[]): Promise<void> => {
        for (const letter of letters) await store.write((tx) => outbox.retry(tx, letter))
      }
      return {
        turns: queues.includes('inbox') ? await inBatches(deadPositions, last?.position, exhumeAll) : 0,
        messages: queues.includes('outbox') ? await inBatches(openLetters, last?.sequence, resendAll) : 0,
      }
    },

    async purgeDead(queues) {
      const purged = {
        turns: queues.includes('inbox') ? await purgeAll(purgeDead) : 0,
        messages: queues.includes('outbox') ? await purgeAll(purgeLetters) : 0,
      }
      log.warn('queue:dead:purged', purged)
      emitter.emit('queue:dead:purged', purged)
      return purged
    },

    async purgePending() {
      const messages = await purgeAll((tx, countMax) => outbox.purge(tx, countMax))
      const underWay = store.reader.get<{ count: number }>(
        "SELECT count(*) AS count FROM outbox WHERE status = 'pending' AND recipient <> 'you'",
      )
      return { messages, underWay: underWay?.count ?? 0 }
    },
  }
}
