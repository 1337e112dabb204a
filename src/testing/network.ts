import type { NetworkWatch } from '../platform/network-watch.ts'
import type { AcceptConnection, Connection } from '../platform/transport.ts'
import type { SimulatedClock } from './clock.ts'
import type { Owner } from './owner.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'

/** Milliseconds that a way takes. */
export interface DelayRange {
  readonly min: number
  readonly max: number
}

/** Where WebSockets are accepted. */
export interface SimulatedListener {
  /** None for a server that the test plays. */
  readonly process: SimulatedProcess | undefined
  readonly host: string
  readonly frameBytesMax: number
  readonly accept: AcceptConnection
  readonly onError?: ((error: Error) => void) | undefined
  /** Those that are open. */
  readonly connections: Set<Pick<Connection, 'terminate'>>
}

/** What depends on the link between two hosts: a WebSocket, or a request under way. */
export interface Tie {
  readonly from: string
  readonly to: string
  /** Kills it; each of the two sides is told after so many ms, or never. */
  cut(fromToldMs: number | undefined, toToldMs: number | undefined): void
  /** A way between its hosts is up again. */
  resume(): void
}

const defaultHost = 'localhost'

const ownNames = new Set(['127.0.0.1', 'localhost', '0.0.0.0', '::1', '[::1]', '::', '[::]'])

/** The way from one host to another; the way back is a link of its own. */
export class Link {
  /** Default: that of the network. */
  delayMs: DelayRange | undefined
  /**
   * How likely a packet is lost. A request or an answer of HTTP is lost with it; of a WebSocket, where TCP sends it
   * again, it comes later, and so does everything behind it.
   */
  lossRate = 0
  #down = false
  readonly #onUp: () => void

  constructor(onUp: () => void) {
    this.#onUp = onUp
  }

  /** While it is down, everything on this way is lost without a word. */
  get down(): boolean {
    return this.#down
  }

  set down(down: boolean) {
    if (down === this.#down) return
    this.#down = down
    if (!down) this.#onUp()
  }
}

/**
 * The network between the hosts of a simulation: who runs where, who listens, and what goes wrong on the way. A
 * process is on the host where it was placed, else on `localhost`; a server that the test plays is on the host that
 * its address names. An address of `127.0.0.1` or `localhost` leads to the host from which it is asked.
 */
export class SimulatedNetwork {
  /** Of every way that has none of its own. Default 1 to 5. */
  delayMs: DelayRange = { min: 1, max: 5 }
  /** How long TCP goes on sending again what is not acknowledged, before it gives the connection up. Default 15,000. */
  retransmitMs = 15_000
  /** How often each thing happened: `frame:held`, `cut:half-open`, … */
  readonly reached = new Map<string, number>()
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  /** By host and port. */
  readonly listeners = new Map<string, SimulatedListener>()
  readonly #hosts = new WeakMap<Owner, string>()
  readonly #addresses = new Map<string, string>()
  readonly #links = new Map<string, Link>()
  readonly #ties = new Set<Tie>()
  readonly #newest = new Map<string, number>()
  /** Whoever wants to know that its host gets to another network. */
  readonly #watchers = new Map<string, Set<(what: string) => void>>()

  constructor(options: { readonly clock: SimulatedClock; readonly random: SeededRandom }) {
    this.clock = options.clock
    this.random = options.random.fork('network')
  }

  /** Puts a process on a host, before it uses the network. Returns the process. */
  place<Process extends Owner>(process: Process, host: string): Process {
    this.#hosts.set(process, host)
    return process
  }

  hostOf(owner: Owner): string {
    return this.#hosts.get(owner) ?? defaultHost
  }

  /** The host that a name stands for, seen from another one. */
  resolve(name: string, from: string): string {
    return ownNames.has(name) ? from : name
  }

  /** The address under which a host is known to another: one of 10.0.0.0/8 for each. */
  ipOf(host: string, seenFrom: string): string {
    if (host === seenFrom) return '127.0.0.1'
    let address = this.#addresses.get(host)
    if (address === undefined) {
      const number = this.#addresses.size + 1
      address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`
      this.#addresses.set(host, address)
    }
    return address
  }

  link(from: string, to: string): Link {
    const key = `${from} ${to}`
    let link = this.#links.get(key)
    if (link === undefined) {
      link = new Link(() => {
        for (const tie of this.#tiesBetween(from, to)) tie.resume()
      })
      this.#links.set(key, link)
    }
    return link
  }

  /** Neither reaches the other any more, and neither is told. For one direction: `link(from, to).down = true`. */
  partition(one: string, other: string): void {
    this.count('partition')
    this.link(one, other).down = true
    this.link(other, one).down = true
  }

  /** Every way is up again, or those between two hosts. */
  heal(...between: [] | [one: string, other: string]): void {
    const links =
      between.length === 0
        ? this.#links.values()
        : [this.link(between[0], between[1]), this.link(between[1], between[0])]
    for (const link of links) link.down = false
  }

  /**
   * Kills every connection between two hosts, as a router does that restarts: what is on its way is lost. Each side
   * is told after a delay of its own, or, at this rate, not at all: then it stays half-open until it sends.
   */
  cut(one: string, other: string, options: { readonly halfOpenRate?: number } = {}): void {
    const { halfOpenRate = 0 } = options
    const toldMs = (from: string, to: string): number | undefined => {
      if (!this.random.chance(halfOpenRate)) return this.drawDelayMs(this.link(from, to))
      this.count('cut:half-open')
      return undefined
    }
    for (const tie of this.#tiesBetween(one, other)) {
      this.count('cut')
      tie.cut(toldMs(tie.to, tie.from), toldMs(tie.from, tie.to))
    }
  }

  /** A host gets to another network: what runs there is told a moment later. Its connections are cut apart from that. */
  changed(host: string, what: string): void {
    this.count('changed')
    for (const tell of this.#watchers.get(host) ?? []) tell(what)
  }

  watchFor(owner: Owner): NetworkWatch {
    return {
      watch: (changed) => {
        owner.check()
        const host = this.hostOf(owner)
        const watchers = this.#watchers.get(host) ?? new Set()
        this.#watchers.set(host, watchers)
        const tell = (what: string): void => {
          if (owner.alive)
            this.clock.schedule(this.random.int(0, 1_000), () => watchers.has(tell) && changed(what), owner)
          else watchers.delete(tell)
        }
        watchers.add(tell)
        return () => void watchers.delete(tell)
      },
    }
  }

  /** Connections that are not over on both sides, and requests under way. */
  get tied(): number {
    return this.#ties.size
  }

  tie(tie: Tie): void {
    this.#ties.add(tie)
  }

  untie(tie: Tie): void {
    this.#ties.delete(tie)
  }

  /** Numbers the connections that were opened from a host. */
  opened(from: string): number {
    const number = this.newestFrom(from) + 1
    this.#newest.set(from, number)
    return number
  }

  newestFrom(host: string): number {
    return this.#newest.get(host) ?? 0
  }

  drawDelayMs(link: Link): number {
    const { min, max } = link.delayMs ?? this.delayMs
    return this.random.int(min, Math.max(min, max))
  }

  /** Whether what sets out on this way now does not arrive. */
  loses(link: Link): boolean {
    return link.down || (link.lossRate > 0 && this.random.chance(link.lossRate))
  }

  count(what: string): void {
    this.reached.set(what, (this.reached.get(what) ?? 0) + 1)
  }

  #tiesBetween(one: string, other: string): Tie[] {
    return [...this.#ties].filter(
      ({ from, to }) => (from === one && to === other) || (from === other && to === one),
    )
  }
}
