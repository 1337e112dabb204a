import type { Socket } from 'node:net'
import type { SeededRandom } from '../../src/testing/random.ts'

/** What goes wrong in one direction. */
export interface WayFaults {
  /** Nothing passes, neither bytes nor the end. */
  readonly blocked?: boolean
  /** Everything comes so much later. */
  readonly delayMs?: number
  /** And by a random part of this again; the order stays. */
  readonly jitterMs?: number
  readonly bytesPerSecond?: number
  /** Cut into pieces of random size from 1 to so many bytes, a segment each, one in a millisecond. */
  readonly sliceBytes?: number
}

export interface FaultyWayOptions {
  readonly random: SeededRandom
  /** Asked anew for every piece. */
  readonly faults: () => WayFaults
  readonly onPassed: (bytes: number) => void
}

interface Piece {
  readonly bytes: Buffer
  readonly dueMs: number
}

/** Kept at most, beyond what is delayed on purpose; then the sender is not read from, and TCP makes it wait. */
const heldBytesMax = 256 * 1024

/**
 * One direction of a connection: takes what one socket says, and says it to the other when the faults let it. An end
 * comes after everything before it; a reset overtakes it, as in TCP. Neither gets past a way that is blocked.
 */
export class FaultyWay {
  readonly #from: Socket
  readonly #to: Socket
  readonly #options: FaultyWayOptions
  #held: Piece[] = []
  #heldBytes = 0
  #end: 'none' | 'end' | 'reset' = 'none'
  /** When the last piece was due, so that none is before it. */
  #latestMs = 0
  /** When the next piece may go, where only so many bytes may in a second. */
  #freeMs = 0
  #timer: NodeJS.Timeout | undefined
  #waitsForDrain = false
  #stopped = false

  constructor(from: Socket, to: Socket, options: FaultyWayOptions) {
    this.#from = from
    this.#to = to
    this.#options = options
    from.on('data', (bytes: Buffer) => this.#take(bytes))
    from.on('end', () => this.#ended('end'))
    from.on('error', () => this.#ended('reset'))
    from.on('close', (hadError) => {
      if (hadError) this.#ended('reset')
    })
    to.on('drain', () => {
      this.#waitsForDrain = false
      this.look()
    })
    this.look()
  }

  /** The faults may have changed. */
  look(): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#pass()
    // While nothing is read, not even a reset is noticed: it passes when the way is free again.
    if (this.#options.faults().blocked === true || this.#heldBytes > heldBytesMax) this.#from.pause()
    else this.#from.resume()
  }

  /** Nothing passes any more, ever. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#held = []
  }

  #take(bytes: Buffer): void {
    if (this.#stopped) return
    const { delayMs = 0, jitterMs = 0 } = this.#options.faults()
    const dueMs = performance.now() + delayMs + this.#options.random.fraction() * jitterMs
    this.#latestMs = Math.max(this.#latestMs, dueMs)
    this.#held.push({ bytes, dueMs: this.#latestMs })
    this.#heldBytes += bytes.length
    this.look()
  }

  #ended(how: 'end' | 'reset'): void {
    if (this.#stopped || this.#end === 'reset') return
    this.#end = how
    this.look()
  }

  #pass(): void {
    while (!this.#stopped && !this.#waitsForDrain && this.#options.faults().blocked !== true) {
      if (this.#end === 'reset') {
        this.stop()
        this.#to.resetAndDestroy()
        return
      }
      const piece = this.#held[0]
      if (piece === undefined) {
        if (this.#end === 'end') {
          this.stop()
          this.#to.end()
        }
        return
      }
      const waitMs = Math.max(piece.dueMs, this.#freeMs) - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.look(), Math.ceil(waitMs))
        return
      }
      this.#write(piece)
    }
  }

  #write({ bytes, dueMs }: Piece): void {
    const { sliceBytes, bytesPerSecond } = this.#options.faults()
    // A tenth of a second's worth at a time, so that a slow way is slow and not jerky.
    const most = Math.min(
      sliceBytes === undefined ? bytes.length : this.#options.random.int(1, sliceBytes),
      bytesPerSecond === undefined ? bytes.length : Math.max(1, Math.ceil(bytesPerSecond / 10)),
    )
    const now = bytes.subarray(0, most)
    if (now.length === bytes.length) this.#held.shift()
    else this.#held[0] = { bytes: bytes.subarray(most), dueMs }
    this.#heldBytes -= now.length
    const pauseMs = bytesPerSecond === undefined ? 0 : (now.length / bytesPerSecond) * 1_000
    // Slices in a row would be read as one.
    const restMs = sliceBytes === undefined ? pauseMs : Math.max(pauseMs, 1)
    if (restMs > 0) this.#freeMs = Math.max(this.#freeMs, performance.now()) + restMs
    this.#options.onPassed(now.length)
    this.#waitsForDrain = !this.#to.write(now)
  }
}
