import type { Connection, ConnectionSink, Transport } from '../platform/transport.ts'
import type { SimulatedClock } from './clock.ts'
import type { Owner } from './owner.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

/** What a simulated server gets to know of who connects. */
export interface Upgrade {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** Accepts a connection by returning a sink for what comes from the client; refuses it with an HTTP status. */
export type AcceptConnection = (
  upgrade: Upgrade,
  peer: Connection,
) => ConnectionSink | { readonly status: number }

const abnormal = 1006

/**
 * WebSockets in memory, by the origin of their URL: frames arrive in order, after a little virtual time, or not at
 * all once either side is gone. Loss, partitions and half-open connections are the network simulation's.
 */
export class SimulatedTransport {
  /** A way takes 1 ms to this. */
  delayMsMax = 5
  readonly #clock: SimulatedClock
  readonly #random: SeededRandom
  readonly #servers = new Map<string, AcceptConnection>()

  constructor(options: { readonly clock: SimulatedClock; readonly random: SeededRandom }) {
    this.#clock = options.clock
    this.#random = options.random.fork('transport')
  }

  /** Plays a server at an origin such as `ws://hub:8768`. Returns the function that takes it away. */
  serve(origin: string, accept: AcceptConnection): () => void {
    this.#servers.set(origin, accept)
    return () => {
      if (this.#servers.get(origin) === accept) this.#servers.delete(origin)
    }
  }

  for(process: SimulatedProcess): Transport {
    return {
      connect: (url, { headers, frameBytesMax }, sink) => {
        process.check()
        const client = new End(this.#clock, process, frameBytesMax)
        const server = new End(this.#clock, undefined, Infinity)
        client.join(server, () => this.#random.int(1, Math.max(1, this.delayMsMax)))
        server.join(client, () => this.#random.int(1, Math.max(1, this.delayMsMax)))
        client.sink = sink
        client.onEnd = process.onDeath(() => client.terminate())
        this.#clock.schedule(this.#random.int(1, Math.max(1, this.delayMsMax)), () => {
          const accept = this.#servers.get(new URL(url).origin)
          const accepted = accept?.({ url, headers }, server)
          if (accepted === undefined || 'status' in accepted) {
            client.refuse(accepted?.status)
            return
          }
          server.sink = accepted
          server.open()
          client.openLater()
        })
        return client
      },
    }
  }
}

/** One end of a connection; what it sends goes to the other end, each frame after the one before. */
class End implements Connection {
  sink: ConnectionSink | undefined
  onEnd: (() => void) | undefined
  readonly #clock: SimulatedClock
  readonly #owner: Owner | undefined
  readonly #frameBytesMax: number
  #state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting'
  #other: End | undefined
  #delayMs: () => number = () => 1
  #lastArrivalMs = 0

  constructor(clock: SimulatedClock, owner: Owner | undefined, frameBytesMax: number) {
    this.#clock = clock
    this.#owner = owner
    this.#frameBytesMax = frameBytesMax
  }

  get bufferedBytes(): number {
    this.#owner?.check()
    return 0
  }

  join(other: End, delayMs: () => number): void {
    this.#other = other
    this.#delayMs = delayMs
  }

  open(): void {
    if (this.#state !== 'connecting') return
    this.#state = 'open'
    this.sink?.onOpen()
  }

  openLater(): void {
    this.#other!.#deliver(() => this.open())
  }

  refuse(status: number | undefined): void {
    this.#end(abnormal, status === undefined ? 'connection refused' : `refused with ${status}`, status)
  }

  send(frame: string): void {
    this.#owner?.check()
    if (this.#state === 'connecting') throw new Error('a frame was sent before the connection was open')
    if (this.#state !== 'open') return
    this.#deliver((other) => other.#receive(frame))
  }

  close(code: number, reason: string): void {
    this.#owner?.check()
    if (this.#state === 'connecting') {
      this.terminate()
      return
    }
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#deliver((other) => {
      other.#deliver((self) => self.#end(code, reason))
      other.#end(code, reason)
    })
  }

  terminate(): void {
    if (this.#state === 'closed') return
    this.#deliver((other) => other.#end(abnormal, 'the other side is gone'))
    this.#clock.schedule(0, () => this.#end(abnormal, 'terminated'), this.#owner)
    this.#state = 'closing'
  }

  #receive(frame: string): void {
    if (this.#state !== 'open' && this.#state !== 'closing') return
    if (Buffer.byteLength(frame) > this.#frameBytesMax) {
      this.#deliver((other) => other.#end(1009, 'frame too large'))
      this.#end(1009, 'frame too large')
      return
    }
    if (this.#state === 'open') this.sink?.onFrame(frame)
  }

  #end(code: number, reason: string, status?: number): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.onEnd?.()
    if (this.#owner?.alive !== false)
      this.sink?.onClose({ code, reason, ...(status !== undefined && { status }) })
  }

  /** Runs at the other end, never before what was sent earlier. */
  #deliver(run: (other: End) => void): void {
    const nowMs = this.#clock.monotonicMs()
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + this.#delayMs())
    const other = this.#other!
    this.#clock.schedule(this.#lastArrivalMs - nowMs, () => run(other), other.#owner)
  }
}
