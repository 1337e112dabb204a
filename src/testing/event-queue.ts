import type { Owner } from './owner.ts'

export interface SimulatedEvent {
  atMs: number
  readonly run: () => void
  readonly owner: Owner | undefined
  /** When it is due on a monotonic clock that stands still while its owner sleeps. */
  readonly ownDueMs?: number | undefined
  cancelled: boolean
}

interface Entry {
  readonly event: SimulatedEvent
  readonly sequence: number
}

/** A binary heap of events by time, then by the order in which they came. */
export class EventQueue {
  readonly #heap: Entry[] = []
  #sequence = 0

  get size(): number {
    return this.#heap.length
  }

  add(event: SimulatedEvent): void {
    const heap = this.#heap
    this.#sequence += 1
    const entry = { event, sequence: this.#sequence }
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent]!, entry)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = entry
  }

  /** Removes and returns the earliest event that is due by `endMs`, cancelled and orphaned ones dropped. */
  takeUntil(endMs: number): SimulatedEvent | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      const { event } = first
      const dropped = event.cancelled || event.owner?.alive === false
      if (!dropped && event.atMs > endMs) return undefined
      this.#removeFirst()
      if (!dropped) return event
    }
    return undefined
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (isBefore(last, heap[child]!)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  if (one.event.atMs !== other.event.atMs) return one.event.atMs < other.event.atMs
  return one.sequence < other.sequence
}
