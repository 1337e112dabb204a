import { PerduraError, toError } from '../errors.ts'
import type { Timer } from '../platform/clock.ts'
import { retryAfterMs } from '../platform/retry-after.ts'
import type { Connection, ConnectionClose, ConnectionSink, Refusal } from '../platform/transport.ts'
import { isDeath } from './death.ts'
import type { SimulatedListener, SimulatedNetwork, Tie } from './network.ts'
import type { SimulatedProcess } from './process.ts'
import { TcpWay, type Segment } from './tcp-way.ts'

const abnormal = 1006
const tooLarge = 1009

/** As the real ones have it: until the upgrade is answered, and until a close is. */
const handshakeTimeoutMs = 15_000
const closeTimeoutMs = 30_000

export interface WebSocketRequest {
  readonly process: SimulatedProcess
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly frameBytesMax: number
  readonly sink: ConnectionSink
}

/** A WebSocket between two hosts, with both of its ends. */
export class SimulatedWebSocket implements Tie {
  readonly from: string
  readonly to: string
  readonly client: Connection
  readonly #network: SimulatedNetwork
  readonly #request: WebSocketRequest
  readonly #key: string
  readonly #client: End
  readonly #server: End
  readonly #ways: readonly [up: TcpWay, down: TcpWay]
  #number = 0

  constructor(network: SimulatedNetwork, request: WebSocketRequest) {
    const { process, url, frameBytesMax, sink } = request
    this.#network = network
    this.#request = request
    this.from = network.hostOf(process)
    this.#key = keyOf(network, url, this.from)
    this.to = network.listeners.get(this.#key)?.host ?? network.resolve(url.hostname, this.from)

    const release = (): void => this.#release()
    this.#client = new End(network, release)
    this.#server = new End(network, release)
    const there = network.link(this.from, this.to)
    const back = network.link(this.to, this.from)
    const server = { receive: (segment: Segment) => this.#receive(segment) }
    const up = new TcpWay(network, [there, back], [this.#client, server])
    const down = new TcpWay(network, [back, there], [this.#server, this.#client])
    this.#ways = [up, down]
    this.#client.start({ out: up, process, frameBytesMax, sink })
    this.client = this.#client
    network.tie(this)
    network.count('connect')
    this.#client.expectAnswer()
    up.send({ kind: 'upgrade', text: '', code: 0 })
  }

  cut(fromToldMs: number | undefined, toToldMs: number | undefined): void {
    for (const way of this.#ways) way.lose()
    const tell = (end: End, ms: number | undefined): void => {
      if (ms !== undefined) this.#network.clock.schedule(ms, () => end.fail('connection reset'))
    }
    tell(this.#client, fromToldMs)
    tell(this.#server, toToldMs)
  }

  resume(): void {
    for (const way of this.#ways) way.resume()
  }

  #release(): void {
    const unreached = this.#server.state === 'connecting' && this.#ways[0].idle
    if (this.#client.state === 'closed' && (this.#server.state === 'closed' || unreached)) {
      this.#network.untie(this)
    }
  }

  /** What comes to the server. */
  #receive(segment: Segment): boolean {
    if (segment.kind === 'upgrade') {
      this.#accept()
      return true
    }
    if (segment.kind === 'frame' && this.#number < this.#network.newestFrom(this.from)) {
      this.#network.count('frame:overtaken')
    }
    return this.#server.receive(segment)
  }

  #accept(): void {
    const listener = this.#network.listeners.get(this.#key)
    const down = this.#ways[1]
    if (listener === undefined || listener.process?.alive === false) {
      this.#network.count('connect:refused')
      this.#server.refuse(down, { status: 0 })
      return
    }
    this.#server.start({ ...listener, out: down })
    const { url, headers } = this.#request
    let answer: ConnectionSink | Refusal
    try {
      answer = listener.accept(
        {
          path: url.pathname + url.search,
          headers: { host: url.host, ...lowerCase(headers) },
          remoteAddress: this.#network.ipOf(this.from, this.to),
        },
        this.#server,
      )
    } catch (error) {
      if (isDeath(error)) throw error
      if (!(error instanceof PerduraError)) listener.onError?.(toError(error))
      answer = { status: error instanceof PerduraError ? error.status : 500 }
    }
    if ('status' in answer) {
      this.#server.refuse(down, answer)
      return
    }
    this.#number = this.#network.opened(this.from)
    this.#server.accept(answer, listener)
  }
}

interface EndOptions {
  readonly out: TcpWay
  /** None for an end that the test plays. */
  readonly process: SimulatedProcess | undefined
  readonly frameBytesMax: number
  readonly sink?: ConnectionSink
}

/** One end of a WebSocket, as the code of its process has it. */
class End implements Connection {
  state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting'
  readonly #network: SimulatedNetwork
  readonly #onClosed: () => void
  #out: TcpWay | undefined
  #process: SimulatedProcess | undefined
  #frameBytesMax = Infinity
  #sink: ConnectionSink | undefined
  #dropped = false
  #timer: Timer | undefined
  #forget: (() => void) | undefined
  #listener: SimulatedListener | undefined

  constructor(network: SimulatedNetwork, onClosed: () => void) {
    this.#network = network
    this.#onClosed = onClosed
  }

  start({ out, process, frameBytesMax, sink }: EndOptions): void {
    this.#out = out
    this.#process = process
    this.#frameBytesMax = frameBytesMax
    this.#sink = sink
    // The system of the dead one closes its connections.
    this.#forget = process?.onDeath(() => {
      if (!this.#dropped) this.#hangUp()
      this.#finish()
    })
  }

  expectAnswer(): void {
    this.#timer = this.#network.clock.schedule(handshakeTimeoutMs, () => {
      this.#network.count('connect:timeout')
      this.#hangUp()
      this.#end(abnormal, 'Opening handshake has timed out')
    })
  }

  /** A server says yes. */
  accept(sink: ConnectionSink, listener: SimulatedListener): void {
    this.#sink = sink
    if (this.#dropped || this.state !== 'connecting') return
    this.#listener = listener
    listener.connections.add(this)
    this.#send('accept')
    this.#open()
  }

  /** A server says no; nobody is there to say so if the status is 0. */
  refuse(out: TcpWay, { status, headers = {} }: Refusal): void {
    this.#finish()
    out.send({ kind: 'refuse', text: JSON.stringify(headers), code: status })
  }

  get bufferedBytes(): number {
    this.#process?.check()
    return this.#out?.heldBytes ?? 0
  }

  send(frame: string): void {
    if (this.#mayWrite('a frame was sent')) this.#send('frame', frame)
  }

  ping(): void {
    if (this.#mayWrite('a ping was sent')) this.#send('ping')
  }

  close(code: number, reason: string): void {
    this.#process?.check()
    checkClose(code, reason)
    if (this.state === 'connecting') this.terminate()
    if (this.state !== 'open' || this.#dropped) return
    this.state = 'closing'
    this.#send('close', reason, code)
    this.#timer = this.#network.clock.schedule(closeTimeoutMs, () => {
      this.#network.count('close:timeout')
      this.#hangUp()
      this.#end(abnormal, '')
    })
  }

  terminate(): void {
    this.#process?.check()
    if (this.state === 'closed' || this.#dropped) return
    this.#hangUp()
    this.#network.clock.schedule(0, () => this.#end(abnormal, 'terminated'), this.#process)
  }

  fail(reason: string): void {
    if (this.state !== 'closed' && !this.#dropped) this.#network.count('reset')
    this.#out?.drop()
    this.#end(abnormal, reason)
    this.#onClosed()
  }

  receive(segment: Segment): boolean {
    if (this.state === 'closed' || this.#dropped) return segment.kind === 'refuse'
    const { kind, text, code } = segment
    if (kind === 'frame') this.#receiveFrame(text)
    else if (kind === 'accept') this.#open()
    else if (kind === 'refuse') this.#refused(code, text)
    else if (kind === 'ping') this.#send('pong')
    else if (kind === 'pong') this.#tell((sink) => sink.onPong?.())
    else if (kind === 'fin') this.#end(abnormal, 'the other side is gone')
    else if (kind === 'close') {
      if (this.state === 'open') this.#send('close', text, code)
      this.#end(code, text)
    }
    return true
  }

  #receiveFrame(text: string): void {
    // A character takes up to three bytes.
    if (text.length * 3 > this.#frameBytesMax && Buffer.byteLength(text) > this.#frameBytesMax) {
      this.#send('close', '', tooLarge)
      this.#end(abnormal, 'Max payload size exceeded')
      return
    }
    this.#tell((sink) => sink.onFrame(text))
  }

  #refused(status: number, headers: string): void {
    if (status === 0) {
      this.#end(abnormal, 'connect ECONNREFUSED')
      return
    }
    const waitMs = retryAfterMs(JSON.parse(headers) as Record<string, string>)
    this.#end(abnormal, `the upgrade was refused with ${status}`, {
      status,
      ...(waitMs !== undefined && { retryAfterMs: waitMs }),
    })
  }

  #open(): void {
    if (this.state !== 'connecting') return
    this.state = 'open'
    this.#timer?.cancel()
    this.#tell((sink) => sink.onOpen())
  }

  #mayWrite(what: string): boolean {
    this.#process?.check()
    if (this.state === 'connecting') throw new Error(`${what} before the connection was open`)
    return this.state === 'open' && !this.#dropped
  }

  #send(kind: Segment['kind'], text = '', code = 0): void {
    this.#out?.send({ kind, text, code })
  }

  /** TCP ends; what was sent before still goes out, but nobody says goodbye who never came through. */
  #hangUp(): void {
    this.#dropped = true
    const unreached = this.state === 'connecting' && this.#out?.drop() === true
    if (!unreached) this.#send('fin')
  }

  /** Once it is closing or dropped, what comes in is of no interest any more. */
  #tell(act: (sink: ConnectionSink) => void): void {
    if (this.state === 'open' && !this.#dropped && this.#sink !== undefined) act(this.#sink)
  }

  #end(code: number, reason: string, refusal: Omit<ConnectionClose, 'code' | 'reason'> = {}): void {
    if (this.state === 'closed') return
    this.#finish()
    if (this.#process?.alive === false) return
    this.#sink?.onClose({ code, reason, ...refusal })
  }

  #finish(): void {
    this.state = 'closed'
    this.#timer?.cancel()
    this.#forget?.()
    this.#listener?.connections.delete(this)
    this.#onClosed()
  }
}

/** What the real one throws, so that it is found here. */
function checkClose(code: number, reason: string): void {
  const known =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
  if (!known) throw new TypeError(`${code} is no code that a WebSocket may be closed with`)
  if (Buffer.byteLength(reason) > 123) throw new RangeError('the reason of a close is over 123 bytes')
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

export function keyOf(network: SimulatedNetwork, url: URL, from: string): string {
  const port = url.port === '' ? (url.protocol === 'wss:' ? '443' : '80') : url.port
  return `${network.resolve(url.hostname, from)}:${port}`
}
