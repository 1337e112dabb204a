import type { Timer } from '../platform/clock.ts'
import type { Link, SimulatedNetwork } from './network.ts'

/** What travels on a connection, of TCP and of WebSockets. */
export interface Segment {
  readonly kind:
    | 'upgrade'
    | 'accept'
    | 'refuse'
    | 'frame'
    | 'ping'
    | 'pong'
    | 'close'
    /** The end of TCP: nothing more will come. */
    | 'fin'
    /** Was sent already. */
    | 'again'
  /** The frame, the reason of a close, or the headers of a refusal as JSON. */
  readonly text: string
  /** Of a close; of a refusal the status. */
  readonly code: number
}

interface Receiver {
  /** False when nobody is there any more, so that the system answers with a reset. */
  receive(segment: Segment): boolean
}

interface Sender {
  /** The other side has answered with a reset, or not at all. */
  fail(reason: string): void
}

/** Linux waits longer from one attempt to the next, and so does not notice at once that the way is up again. */
const retransmitPauseMsMax = 3_000
const retransmitPauseMsMin = 200

/**
 * One direction of a TCP connection. What is sent arrives in order and once; while the way is down it is held, and
 * sent again when it is up. What stays unacknowledged for too long ends the connection on the side of its sender;
 * the other one hears nothing of that.
 */
export class TcpWay {
  readonly #network: SimulatedNetwork
  readonly #there: Link
  readonly #back: Link
  readonly #sender: Sender
  readonly #receiver: Receiver
  readonly #flying: { readonly segment: Segment; readonly atMs: number }[] = []
  #held: Segment[] = []
  #heldBytes = 0
  #heldSinceMs = 0
  #lastArrivalMs = 0
  #unacknowledged: Timer | undefined
  #lost = false

  constructor(
    network: SimulatedNetwork,
    links: readonly [there: Link, back: Link],
    ends: [Sender, Receiver],
  ) {
    this.#network = network
    this.#there = links[0]
    this.#back = links[1]
    this.#sender = ends[0]
    this.#receiver = ends[1]
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  get idle(): boolean {
    return this.#held.length === 0 && this.#flying.length === 0
  }

  send(segment: Segment): void {
    if (this.#there.down) this.#hold(segment)
    else this.#fly(segment, this.#drawDelayMs())
  }

  /** A way is up again. */
  resume(): void {
    if (this.#there.down) return
    const held = this.#held
    if (held.length > 0) {
      const { clock, random } = this.#network
      const pauseMsMax = Math.min(retransmitPauseMsMax, clock.monotonicMs() - this.#heldSinceMs)
      const pauseMs = random.int(0, Math.floor(pauseMsMax))
      this.#held = []
      this.#heldBytes = 0
      for (const segment of held) {
        this.#network.count(`${segment.kind}:late`)
        this.#fly(segment, pauseMs + this.#drawDelayMs())
      }
    }
    if (this.#back.down || this.#unacknowledged === undefined) return
    this.#unacknowledged.cancel()
    this.#unacknowledged = undefined
    // What arrived before is sent again, since nobody acknowledged it; where nobody is, it is answered with a reset.
    if (held.length === 0) this.#fly({ kind: 'again', text: '', code: 0 }, this.#drawDelayMs())
  }

  /** Loses what is on its way, and everything that is sent from now on. */
  lose(): void {
    this.#lost = true
    this.#flying.length = 0
    this.drop()
  }

  /** Forgets what is held; true if something was. */
  drop(): boolean {
    const held = this.#held.length > 0
    this.#held = []
    this.#heldBytes = 0
    this.#unacknowledged?.cancel()
    this.#unacknowledged = undefined
    return held
  }

  /** Its sender is told that nobody is there, unless the way back is down. */
  reset(): void {
    if (this.#back.down) {
      this.#await()
      return
    }
    const delayMs = this.#network.drawDelayMs(this.#back)
    this.#network.clock.schedule(delayMs, () => this.#sender.fail('connection reset'))
  }

  #hold(segment: Segment): void {
    if (this.#held.length === 0) this.#heldSinceMs = this.#network.clock.monotonicMs()
    this.#network.count(`${segment.kind}:held`)
    this.#held.push(segment)
    this.#heldBytes += segment.text.length
    this.#await()
  }

  /** The acknowledgement that does not come. */
  #await(): void {
    this.#unacknowledged ??= this.#network.clock.schedule(this.#network.retransmitMs, () => {
      this.#network.count('unacknowledged')
      this.drop()
      this.#sender.fail('the other side does not answer')
    })
  }

  #drawDelayMs(): number {
    const delayMs = this.#network.drawDelayMs(this.#there)
    if (this.#there.lossRate === 0 || !this.#network.random.chance(this.#there.lossRate)) return delayMs
    this.#network.count('retransmit')
    return delayMs + this.#network.random.int(retransmitPauseMsMin, retransmitPauseMsMax)
  }

  #fly(segment: Segment, delayMs: number): void {
    const { clock } = this.#network
    const nowMs = clock.monotonicMs()
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + delayMs)
    this.#flying.push({ segment, atMs: this.#lastArrivalMs })
    clock.schedule(this.#lastArrivalMs - nowMs, this.#arrive)
  }

  /** One function for all arrivals: each takes what is due by then, the first first. */
  readonly #arrive = (): void => {
    const first = this.#flying[0]
    if (first === undefined || first.atMs > this.#network.clock.monotonicMs()) return
    this.#flying.shift()
    if (this.#lost || !this.#receiver.receive(first.segment)) this.reset()
    else if (this.#back.down) this.#await()
  }
}
