import { PerduraError, toError } from '../errors.ts'
import {
  bodyTooLarge,
  describeAddress,
  errorResponse,
  portInUse,
  unreachable,
} from '../platform/http-error.ts'
import type {
  Http,
  HttpAddress,
  HttpListener,
  HttpRequest,
  HttpResponse,
  HttpServer,
} from '../platform/http.ts'
import type { AcceptConnection } from '../platform/transport.ts'
import type { SimulatedClock } from './clock.ts'
import { isDeath } from './death.ts'
import { SimulatedNetwork, type Link, type SimulatedListener, type Tie } from './network.ts'
import { outside, type Owner } from './owner.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

type ListenOptions = Parameters<HttpListener['listen']>[1]
export type HttpHandle = (request: HttpRequest) => Promise<HttpResponse>

/** How likely each fault is, per request; what is left out does not happen. */
export interface HttpFaultRates {
  /** The request never arrives; its sender waits until it gives up. */
  readonly requestLoss?: number
  /** The request is handled, and its answer never arrives. */
  readonly responseLoss?: number
}

interface Service extends SimulatedListener {
  readonly key: string
  readonly owner: Owner
  readonly handle: HttpHandle
  readonly bodyBytesMax: number
  /** Requests under way, each with what cuts it. */
  readonly exchanges: Map<symbol, () => void>
}

/** A request, as the network has it. */
interface Exchange {
  readonly address: HttpAddress
  readonly from: string
  readonly request: HttpRequest
  readonly answer: (response: HttpResponse) => void
  readonly fail: (error: Error) => void
}

/**
 * HTTP between simulated processes, and with servers that a test plays: by address, in memory, in virtual time. A
 * listener with `upgrade` also gets the WebSockets of a SimulatedTransport that is on the same network.
 */
export class SimulatedHttp {
  faults: HttpFaultRates = {}
  /** How often requests and faults were met. */
  readonly reached = new Map<string, number>()
  readonly network: SimulatedNetwork
  readonly #clock: SimulatedClock
  readonly #random: SeededRandom
  readonly #services = new Map<string, Service>()
  #nextPort = 40_000

  /** A network of its own, unless one is given. */
  constructor(options: {
    readonly clock: SimulatedClock
    readonly random: SeededRandom
    readonly network?: SimulatedNetwork
  }) {
    this.network = options.network ?? new SimulatedNetwork(options)
    this.#clock = options.clock
    this.#random = options.random.fork('http')
  }

  /** A server outside every process, played by the test. */
  serve(address: HttpAddress, handle: HttpHandle): HttpServer {
    return this.#serve(undefined, address, { bodyBytesMax: Infinity }, handle)
  }

  /** A request from outside every process, by the test. */
  get client(): Http {
    return this.#client(outside)
  }

  clientFor(process: SimulatedProcess): Http {
    return this.#client(process)
  }

  listenerFor(process: SimulatedProcess): HttpListener {
    return {
      listen: async (address, options, handle) => {
        process.check()
        const server = this.#serve(process, address, options, handle)
        const forget = process.onDeath(() => server.stop())
        return {
          address: server.address,
          close: async (graceMs) => {
            await server.close(graceMs)
            forget()
          },
        }
      },
    }
  }

  #serve(
    process: SimulatedProcess | undefined,
    wanted: HttpAddress,
    options: ListenOptions,
    handle: HttpHandle,
  ): HttpServer & { stop(): void } {
    const { bodyBytesMax, onError, upgrade } = options
    const owner = process ?? outside
    const home = this.network.hostOf(owner)
    const address =
      'port' in wanted && wanted.port === 0 ? { host: wanted.host, port: this.#nextPort++ } : wanted
    const service: Service = {
      key: this.#keyOf(address, home),
      process,
      owner,
      host: process === undefined && 'host' in address ? this.network.resolve(address.host, home) : home,
      handle,
      bodyBytesMax,
      onError,
      exchanges: new Map(),
      frameBytesMax: upgrade?.frameBytesMax ?? Infinity,
      accept: upgrade?.accept ?? refuseWebSockets,
      connections: new Set(),
    }
    if (this.#services.has(service.key)) throw portInUse(address)
    this.#services.set(service.key, service)
    // What the test plays may have its WebSockets played by a SimulatedTransport.
    if (process !== undefined) this.network.listeners.set(service.key, service)
    return {
      address,
      stop: () => this.#stop(service),
      close: (graceMs) => this.#close(service, graceMs),
    }
  }

  async #close(service: Service, graceMs: number): Promise<void> {
    const { owner, exchanges, connections } = service
    owner.check()
    this.#withdraw(service)
    const endMs = this.#clock.monotonicMs() + graceMs
    while (exchanges.size + connections.size > 0 && this.#clock.monotonicMs() < endMs) {
      await new Promise<void>((resolve) => this.#clock.schedule(1, resolve, owner))
    }
    for (const cut of exchanges.values()) cut()
    for (const connection of connections) connection.terminate()
    // Their sinks are told before it is over.
    while (connections.size > 0) {
      await new Promise<void>((resolve) => this.#clock.schedule(1, resolve, owner))
    }
  }

  /** Its process is dead. */
  #stop(service: Service): void {
    this.#withdraw(service)
    for (const cut of service.exchanges.values()) cut()
  }

  #withdraw(service: Service): void {
    const { key } = service
    if (this.#services.get(key) === service) this.#services.delete(key)
    if (this.network.listeners.get(key) === service) this.network.listeners.delete(key)
  }

  #client(owner: Owner): Http {
    return {
      request: (address, request, { timeoutMs, signal }) => {
        owner.check()
        return new Promise<HttpResponse>((resolve, reject) => {
          const fail = (error: Error): void => settle(() => reject(error))
          const onAbort = (): void => fail(unreachable(address, 'aborted', signal?.reason))
          const timeout = this.#clock.schedule(timeoutMs, () => fail(unreachable(address, 'timeout')), owner)
          const settle = (act: () => void): void => {
            timeout.cancel()
            signal?.removeEventListener('abort', onAbort)
            // The promises of a dead process stay open for ever.
            if (owner.alive) act()
          }
          if (signal?.aborted === true) {
            onAbort()
            return
          }
          signal?.addEventListener('abort', onAbort)
          const answer = (response: HttpResponse): void => settle(() => resolve(response))
          this.#send({ address, from: this.network.hostOf(owner), request, answer, fail })
        })
      },
    }
  }

  #send(exchange: Exchange): void {
    const { network } = this
    const { address, from } = exchange
    this.#count('request')
    const key = this.#keyOf(address, from)
    const named = 'host' in address ? network.resolve(address.host, from) : from
    const to = this.#services.get(key)?.host ?? named
    const there = network.link(from, to)
    if (this.#hits(this.faults.requestLoss) || network.loses(there)) {
      this.#count('request:lost')
      return
    }
    let cut = false
    const tie: Tie = {
      from,
      to,
      // Whatever the server still does, nobody hears of it.
      cut: (toldMs) => {
        cut = true
        network.untie(tie)
        if (toldMs !== undefined) this.#clock.schedule(toldMs, () => exchange.fail(this.#reset(address)))
      },
      resume: () => {},
    }
    network.tie(tie)
    const back = network.link(to, from)
    /** What the server says, on its way back. */
    const reply = (say: () => void): void => {
      if (this.#hits(this.faults.responseLoss) || network.loses(back)) {
        network.untie(tie)
        this.#count('response:lost')
        return
      }
      this.#later(back, () => {
        network.untie(tie)
        if (!cut) say()
      })
    }
    this.#later(there, () => {
      if (!cut) this.#arrive(exchange, this.#services.get(key), reply)
    })
  }

  #arrive(exchange: Exchange, service: Service | undefined, reply: (say: () => void) => void): void {
    const { address, from, request, answer, fail } = exchange
    if (service === undefined || !service.owner.alive) {
      reply(() => fail(unreachable(address, 'refused', systemError('ECONNREFUSED', address))))
      return
    }
    const respond = (response: HttpResponse): void => {
      reply(() => answer({ ...response, body: response.body.slice() }))
    }
    const hangUp = (): void => reply(() => fail(this.#reset(address)))
    const remoteAddress = 'socketPath' in address ? '' : this.network.ipOf(from, service.host)
    void this.#handle(service, { ...request, remoteAddress }, respond, hangUp)
  }

  #reset(address: HttpAddress): Error {
    this.#count('reset')
    return unreachable(address, 'reset', systemError('ECONNRESET', address))
  }

  async #handle(
    service: Service,
    request: HttpRequest,
    respond: (response: HttpResponse) => void,
    reset: () => void,
  ): Promise<void> {
    const exchange = Symbol('exchange')
    service.exchanges.set(exchange, () => {
      service.exchanges.delete(exchange)
      reset()
    })
    let response: HttpResponse
    try {
      if (request.body.length > service.bodyBytesMax) throw bodyTooLarge(service.bodyBytesMax)
      response = await service.handle({ ...request, body: request.body.slice() })
    } catch (error) {
      if (isDeath(error)) return
      if (!(error instanceof PerduraError)) service.onError?.(toError(error))
      response = errorResponse(error)
    }
    // Cut in the meantime, or dead.
    if (service.exchanges.delete(exchange) && service.owner.alive) respond(response)
  }

  #later(link: Link, run: () => void): void {
    this.#clock.schedule(this.network.drawDelayMs(link), run)
  }

  /** Sockets and loopback ports are the host's own. */
  #keyOf(address: HttpAddress, from: string): string {
    if ('socketPath' in address) return `${from}:${address.socketPath}`
    return `${this.network.resolve(address.host, from)}:${address.port}`
  }

  #hits(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.#random.chance(rate)
  }

  #count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }
}

const refuseWebSockets: AcceptConnection = () => ({ status: 400 })

function systemError(code: string, address: HttpAddress): Error {
  return Object.assign(new Error(`connect ${code} ${describeAddress(address)}`), { code })
}
