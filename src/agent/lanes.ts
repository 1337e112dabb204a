/** An entry as the scheduler needs it. */
export interface LaneEntry {
  readonly position: number
  readonly conversation: string
  /** Wall-clock ms before which it is not tried (again); 0 for at once. */
  readonly availableAt: number
  readonly parked: boolean
}

interface Place {
  readonly position: number
  readonly lane: Lane
  availableAt: number
  parked: boolean
}

interface Lane {
  readonly conversation: string
  /** What is not finished, by rising position. */
  readonly queue: Place[]
  running: Place | undefined
}

/**
 * Which entry may run next: in order within a conversation, side by side across conversations. A lane is one
 * conversation; it is running, or what its head is: ready, waiting (it failed and is tried again later) or parked (it
 * waits for a person). What stands behind a waiting or parked head waits too: order is kept. An entry that comes back
 * from the dead letters takes its old place, be it before the one that runs.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #places = new Map<number, Place>()
  /** In the order in which they became ready. */
  readonly #ready = new Set<Lane>()
  readonly #waiting = new Set<Lane>()

  get openCount(): number {
    return this.#places.size
  }

  /** Conversations of which an entry could run now. */
  get readyCount(): number {
    return this.#ready.size
  }

  /** For how long the first of what waits to be tried again could have been, ms; 0 where nothing has. */
  overdueMs(now: number): number {
    let longest = 0
    for (const { queue } of this.#waiting) longest = Math.max(longest, now - (queue[0]?.availableAt ?? now))
    return longest
  }

  add({ position, conversation, availableAt, parked }: LaneEntry): void {
    if (this.#places.has(position)) return
    let lane = this.#lanes.get(conversation)
    if (lane === undefined) {
      lane = { conversation, queue: [], running: undefined }
      this.#lanes.set(conversation, lane)
    }
    const place: Place = { position, lane, availableAt, parked }
    this.#places.set(position, place)
    lane.queue.splice(lane.queue.findLastIndex((other) => other.position < position) + 1, 0, place)
    this.#update(lane)
  }

  /** The head of the lane that has been ready longest; its lane is running from now on. */
  take(): number | undefined {
    const [lane] = this.#ready
    return lane === undefined ? undefined : this.#run(lane)
  }

  /** Takes this entry out of turn, if it is the head of its lane and the lane is not running. */
  claim(position: number): boolean {
    const lane = this.#places.get(position)?.lane
    if (lane === undefined || lane.running !== undefined || lane.queue[0]?.position !== position) return false
    this.#run(lane)
    return true
  }

  /** The entry is finished for good. */
  finish(position: number): void {
    const place = this.#places.get(position)
    if (place === undefined) return
    const { lane } = place
    this.#places.delete(position)
    lane.queue.splice(lane.queue.indexOf(place), 1)
    this.#leave(place)
    if (lane.queue.length === 0) this.#lanes.delete(lane.conversation)
  }

  /** The entry stays and is tried again from `availableAt` (wall-clock ms). */
  postpone(position: number, availableAt: number): void {
    const place = this.#places.get(position)
    if (place === undefined) return
    place.availableAt = availableAt
    this.#leave(place)
  }

  park(position: number): void {
    const place = this.#places.get(position)
    if (place === undefined) return
    place.parked = true
    this.#leave(place)
  }

  unpark(position: number): void {
    const place = this.#places.get(position)
    if (place === undefined) return
    place.parked = false
    place.availableAt = 0
    this.#update(place.lane)
  }

  /**
   * Makes ready what has waited long enough; also what would wait longer than `delayMaxMs`, since then the wall clock
   * was wrong when it failed. Returns the wall-clock ms of the next one, if any still waits.
   */
  wake(now: number, delayMaxMs: number): number | undefined {
    let next: number | undefined
    for (const lane of this.#waiting) {
      const head = lane.queue[0] as Place
      if (head.availableAt > now && head.availableAt - now <= delayMaxMs) {
        next = Math.min(next ?? Infinity, head.availableAt)
        continue
      }
      head.availableAt = 0
      this.#update(lane)
    }
    return next
  }

  #run(lane: Lane): number {
    const head = lane.queue[0] as Place
    lane.running = head
    this.#update(lane)
    return head.position
  }

  #leave(place: Place): void {
    if (place.lane.running === place) place.lane.running = undefined
    this.#update(place.lane)
  }

  #update(lane: Lane): void {
    const head = lane.queue[0]
    const idle = head !== undefined && lane.running === undefined && !head.parked
    if (idle && head.availableAt === 0) this.#ready.add(lane)
    else this.#ready.delete(lane)
    if (idle && head.availableAt > 0) this.#waiting.add(lane)
    else this.#waiting.delete(lane)
  }
}
