interface Lane {
  readonly conversation: string
  /** Positions that are not finished, rising. */
  readonly queue: number[]
  state: 'ready' | 'running' | 'waiting' | 'parked'
  /** The entry that is running, for `running`. */
  running: number | undefined
  /** Wall-clock ms from which the head may be tried again, for `waiting`. */
  availableAt: number
}

/**
 * Which entry may run next: in order within a conversation, side by side across conversations. A lane is one
 * conversation; it is `ready` (its head may run), `running`, `waiting` (its head failed and is tried again later) or
 * `parked` (its head waits for a person). What stands behind a waiting or parked head waits too: order is kept.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #lanePositions = new Map<number, Lane>()
  #ready: Lane[] = []

  get openCount(): number {
    return this.#lanePositions.size
  }

  add(entry: { readonly position: number; readonly conversation: string; readonly availableAt: number; readonly parked: boolean }): void {
    if (this.#lanePositions.has(entry.position)) return
    let lane = this.#lanes.get(entry.conversation)
    if (lane === undefined) {
      lane = { conversation: entry.conversation, queue: [], state: 'waiting', running: undefined, availableAt: 0 }
      this.#lanes.set(entry.conversation, lane)
    }
    this.#lanePositions.set(entry.position, lane)
    const at = lane.queue.findLastIndex((position) => position < entry.position) + 1
    lane.queue.splice(at, 0, entry.position)
    if (at > 0 || lane.state === 'running') return
    lane.availableAt = entry.availableAt
    if (entry.parked) lane.state = 'parked'
    else if (entry.availableAt > 0) lane.state = 'waiting'
    else this.#makeReady(lane)
  }

  /** The head of the lane that has been ready longest; its lane is running from now on. */
  take(): number | undefined {
    const lane = this.#ready.shift()
    if (lane === undefined) return undefined
    return this.#run(lane)
  }

  /** Takes this entry out of turn, if it is the head of its lane and the lane is not running. */
  claim(position: number): boolean {
    const lane = this.#lanePositions.get(position)
    if (lane === undefined || lane.state === 'running' || lane.queue[0] !== position) return false
    this.#ready = this.#ready.filter((one) => one !== lane)
    this.#run(lane)
    return true
  }

  /** The entry is finished for good. */
  finish(position: number): void {
    const lane = this.#lanePositions.get(position)
    if (lane === undefined) return
    this.#lanePositions.delete(position)
    lane.queue.splice(lane.queue.indexOf(position), 1)
    if (lane.state === 'running' && lane.running !== position) return
    lane.running = undefined
    if (lane.queue.length === 0) this.#lanes.delete(lane.conversation)
    else this.#makeReady(lane)
  }

  /** The entry stays and is tried again from `availableAt` (wall-clock ms). */
  postpone(position: number, availableAt: number): void {
    const lane = this.#lanePositions.get(position)
    if (lane === undefined) return
    lane.running = undefined
    lane.state = 'waiting'
    lane.availableAt = lane.queue[0] === position ? availableAt : 0
  }

  park(position: number): void {
    const lane = this.#lanePositions.get(position)
    if (lane === undefined) return
    lane.running = undefined
    lane.state = 'parked'
  }

  unpark(position: number): void {
    const lane = this.#lanePositions.get(position)
    if (lane?.state === 'parked' && lane.queue[0] === position) this.#makeReady(lane)
  }

  /** Makes ready what has waited long enough. Returns the wall-clock ms of the next one, if any still waits. */
  wake(now: number): number | undefined {
    let next: number | undefined
    for (const lane of this.#lanes.values()) {
      if (lane.state !== 'waiting') continue
      if (lane.availableAt <= now) this.#makeReady(lane)
      else next = Math.min(next ?? Infinity, lane.availableAt)
    }
    return next
  }

  #run(lane: Lane): number {
    const position = lane.queue[0] as number
    lane.state = 'running'
    lane.running = position
    return position
  }

  #makeReady(lane: Lane): void {
    if (lane.state === 'ready' && this.#ready.includes(lane)) return
    lane.state = 'ready'
    this.#ready.push(lane)
  }
}
