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
import type { SimulatedClock } from './clock.ts'
import { isDeath } from './death.ts'
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
  /** A way takes 1 ms to this. Default 5. */
  readonly delayMsMax?: number
}

interface Service {
  readonly address: HttpAddress
  readonly owner: Owner
  readonly handle: HttpHandle
  readonly bodyBytesMax: number
  readonly onError: ((error: Error) => void) | undefined
  /** Requests under way, each with what cuts it. */
  readonly exchanges: Map<symbol, () => void>
}

/** HTTP between simulated processes, and with servers that a test plays: by address, in memory, in virtual time. */
export class SimulatedHttp {
  faults: HttpFaultRates = {}
  /** How often requests and faults were met. */
  readonly reached = new Map<string, number>()
  readonly #clock: SimulatedClock
  readonly #random: SeededRandom
  readonly #services = new Map<string, Service>()
  #nextPort = 40_000

  constructor(options: { readonly clock: SimulatedClock; readonly random: SeededRandom }) {
    this.#clock = options.clock
    this.#random = options.random.fork('http')
  }

  /** A server outside every process, played by the test. */
  serve(address: HttpAddress, handle: HttpHandle): HttpServer {
    return this.#serve(outside, address, { bodyBytesMax: Infinity }, handle)
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
        const forget = process.onDeath(() => this.#stop(server.address, process))
        return {
          address: server.address,
          close: (graceMs) => {
            forget()
            return server.close(graceMs)
          },
        }
      },
    }
  }

  #serve(owner: Owner, wanted: HttpAddress, options: ListenOptions, handle: HttpHandle): HttpServer {
    const { bodyBytesMax, onError } = options
    const address =
      'port' in wanted && wanted.port === 0 ? { host: wanted.host, port: this.#nextPort++ } : wanted
    if (this.#services.has(keyOf(address))) throw portInUse(address)
    const service: Service = { address, owner, handle, bodyBytesMax, onError, exchanges: new Map() }
    this.#services.set(keyOf(address), service)
    return {
      address,
      close: async (graceMs) => {
        owner.check()
        if (this.#services.get(keyOf(address)) === service) this.#services.delete(keyOf(address))
        const endMs = this.#clock.monotonicMs() + graceMs
        while (service.exchanges.size > 0 && this.#clock.monotonicMs() < endMs) {
          await new Promise<void>((resolve) => this.#clock.schedule(1, resolve, owner))
        }
        for (const cut of service.exchanges.values()) cut()
      },
    }
  }

  #stop(address: HttpAddress, owner: Owner): void {
    const service = this.#services.get(keyOf(address))
    if (service?.owner !== owner) return
    this.#services.delete(keyOf(address))
    for (const cut of service.exchanges.values()) cut()
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
          this.#send(address, request, (response) => settle(() => resolve(response)), fail)
        })
      },
    }
  }

  #send(
    address: HttpAddress,
    request: HttpRequest,
    answer: (response: HttpResponse) => void,
    fail: (error: Error) => void,
  ): void {
    this.#count('request')
    if (this.#hits(this.faults.requestLoss)) {
      this.#count('request:lost')
      return
    }
    this.#later(() => {
      const service = this.#services.get(keyOf(address))
      if (service === undefined || !service.owner.alive) {
        this.#later(() => fail(unreachable(address, 'refused', systemError('ECONNREFUSED', address))))
        return
      }
      const respond = (response: HttpResponse): void => {
        if (this.#hits(this.faults.responseLoss)) this.#count('response:lost')
        else this.#later(() => answer({ ...response, body: response.body.slice() }))
      }
      const reset = (): void => {
        this.#count('reset')
        this.#later(() => fail(unreachable(address, 'reset', systemError('ECONNRESET', address))))
      }
      void this.#handle(service, request, respond, reset)
    })
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

  #later(run: () => void): void {
    this.#clock.schedule(this.#random.int(1, Math.max(1, this.faults.delayMsMax ?? 5)), run)
  }

  #hits(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.#random.chance(rate)
  }

  #count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }
}

function keyOf(address: HttpAddress): string {
  if ('socketPath' in address) return address.socketPath
  return `${address.host === 'localhost' ? '127.0.0.1' : address.host}:${address.port}`
}

function systemError(code: string, address: HttpAddress): Error {
  return Object.assign(new Error(`connect ${code} ${describeAddress(address)}`), { code })
}
