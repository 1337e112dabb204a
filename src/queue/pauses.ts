import { readCount, setCount } from '../store/counters.ts'
import type { Reader, Tx } from '../store/store.ts'

export const queues = ['inbox', 'outbox'] as const
export type Queue = (typeof queues)[number]

/** Which queue a person has stopped, on disk: it takes in, and nothing is done with what is in it until it is resumed. */
export interface PauseTable {
  /** Wall-clock ms since when; undefined where it is not. */
  since(reader: Reader, queue: Queue): number | undefined
  /** Whether that changed anything. */
  pause(tx: Tx, queue: Queue, now: number): boolean
  resume(tx: Tx, queue: Queue): boolean
}

export const pauseTable: PauseTable = {
  since(reader, queue) {
    const since = readCount(reader, counterOf(queue))
    return since === 0 ? undefined : since
  },

  pause(tx, queue, now) {
    if (pauseTable.since(tx, queue) !== undefined) return false
    setCount(tx, counterOf(queue), Math.max(1, now))
    return true
  },

  resume(tx, queue) {
    if (pauseTable.since(tx, queue) === undefined) return false
    setCount(tx, counterOf(queue), 0)
    return true
  },
}

function counterOf(queue: Queue): string {
  return `paused.${queue}`
}
