import type { Socket } from 'node:net'
import { setAwakeTimer } from '../platform/awake-timer.ts'
import type { Log } from '../platform/log.ts'
import { JsonLines, listenForJsonLines, type JsonLinesServer } from '../platform/node/json-lines.ts'
import { createNodeClock } from '../platform/node/clock.ts'
import { isAlive, type ProcessIdentity, type ProcessTable } from '../platform/process-table.ts'
import { linkProtocol, readHello, type Hello } from './link-protocol.ts'

/** From the connection to its `hello`. */
const helloTimeoutMs = 5_000

export interface LinkSink {
  onMessage(message: unknown): void
  /** The connection is gone: the process may be, too. */
  onLost(): void
}

/** One process's end of the link, whether it is connected at the moment or not. */
export interface LinkEnd {
  /** Whether there is a connection whose end has not been read to. */
  readonly isConnected: boolean
  /** Lost where the process is not connected. */
  send(message: unknown): void
  detach(): void
}

interface Peer {
  readonly hello: Hello
  readonly lines: JsonLines
  /** What it said while nobody was there to hear it. */
  readonly unheard: unknown[]
}

const unheardMax = 16
/** The first ones say who it is and that it is ready; of the rest the newest count. */
const standingMax = 4

/**
 * Where supervised processes connect, for as long as they live, whoever started them. A process is known by its number and
 * its identity in the process table, which it says itself and which is checked. One that nobody has attached to is a
 * stranger: a daemon before this one started it, and died before it could write that down. `onStranger` is told of it; what it
 * says until somebody attaches is kept, up to a bound.
 */
export class Link {
  readonly #processes: ProcessTable
  readonly #log: Log
  readonly #peers = new Map<number, Peer>()
  readonly #sinks = new Map<number, ProcessIdentity & { readonly sink: LinkSink }>()
  #server: JsonLinesServer | undefined

  constructor({ processes, log }: { readonly processes: ProcessTable; readonly log: Log }) {
    this.#processes = processes
    this.#log = log
  }

  /** Set by whoever may know what to do with one. */
  onStranger: (hello: Hello) => void = () => undefined

  async listen(path: string): Promise<void> {
    this.#server = await listenForJsonLines(path, (socket) => this.#accept(socket))
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  attach(process: ProcessIdentity, sink: LinkSink): LinkEnd {
    const attached = { ...process, sink }
    this.#sinks.set(process.pid, attached)
    const peer = (): Peer | undefined => {
      const found = this.#peers.get(process.pid)
      return found?.hello.identity === process.identity ? found : undefined
    }
    // Not before whoever attaches knows that it has.
    queueMicrotask(() => {
      for (const message of peer()?.unheard.splice(0) ?? []) sink.onMessage(message)
    })
    return {
      get isConnected() {
        return peer() !== undefined
      },
      send: (message) => void peer()?.lines.send(message),
      detach: () => {
        if (this.#sinks.get(process.pid) === attached) this.#sinks.delete(process.pid)
        peer()?.lines.close()
      },
    }
  }

  #accept(socket: Socket): void {
    let peer: Peer | undefined
    const late = setAwakeTimer(createNodeClock(), helloTimeoutMs, () => socket.destroy())
    const lines = new JsonLines(socket, {
      onValue: (value) => {
        if (peer !== undefined) {
          const sink = this.#sinkOf(peer)
          if (sink !== undefined) sink.onMessage(value)
          else if (peer.unheard.push(value) > unheardMax) peer.unheard.splice(standingMax, 1)
          return
        }
        late.cancel()
        peer = this.#greet(value, lines)
        if (peer === undefined) socket.destroy()
      },
      onClose: () => {
        late.cancel()
        if (peer === undefined || this.#peers.get(peer.hello.pid) !== peer) return
        this.#peers.delete(peer.hello.pid)
        this.#sinkOf(peer)?.onLost()
      },
    })
  }

  #greet(value: unknown, lines: JsonLines): Peer | undefined {
    const hello = readHello(value)
    if (hello === undefined || !isAlive(this.#processes, hello)) {
      this.#log.warn('daemon:link:refused', { reason: 'it does not say who it is' })
      return undefined
    }
    const { child, pid, version, protocol } = hello
    if (protocol !== linkProtocol) {
      this.#log.warn('daemon:link:refused', { child, pid, version, reason: `it speaks protocol ${protocol}` })
      return undefined
    }
    const peer: Peer = { hello, lines, unheard: [] }
    // It connected anew before the end of its last connection was noticed.
    this.#peers.get(pid)?.lines.close()
    this.#peers.set(pid, peer)
    const stranger = this.#sinkOf(peer) === undefined
    this.#log.debug('daemon:link:connected', { child, pid, version, stranger })
    if (stranger) this.onStranger(hello)
    return peer
  }

  #sinkOf({ hello }: Peer): LinkSink | undefined {
    const attached = this.#sinks.get(hello.pid)
    return attached?.identity === hello.identity ? attached.sink : undefined
  }
}
