import type {
  Connection,
  ConnectionClose,
  ConnectionSink,
  Transport,
} from '../../../src/platform/transport.ts'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import type { DrainFrame } from '../../../src/protocol/frames.ts'
import type { SimulatedClock } from '../../../src/testing/index.ts'
import type { Invariant } from './judge.ts'
import type { AgentMachine } from './machines.ts'

/** The steps of a session's states, as docs/design/reconnecting.md has them. */
const steps: Readonly<Record<string, string>> = {
  idle: 'connecting stopped',
  connecting: 'connecting resuming online backing-off suspended stopped',
  resuming: 'connecting online backing-off suspended stopped',
  online: 'connecting backing-off suspended stopped',
  'backing-off': 'backing-off connecting stopped',
  suspended: 'backing-off connecting stopped',
  stopped: '',
}

/** More attempts within so long, with no occasion between them, are hammering. */
const hammeringMs = 15_000
const attemptsMax = 14
/** 30 s of silence, and what it takes to look. */
const silenceMaxMs = 33_000
/** Two seconds until a wake is noticed, one of jitter, and one besides; a host is told of its network within one. */
const hurryMs = 4_000

/** What is known of one process. */
interface Process {
  state: string
  attempts: number[]
  occasions: number[]
  actedMs: number
  /** What a hub asked for, and when, at each of the addresses that the agent tells apart. */
  readonly notBefore: Map<string, { readonly setMs: number; readonly untilMs: number }>
}

interface Watched {
  readonly machine: AgentMachine
  readonly process: string
  /** Where it leads, as far as the agent can tell. */
  readonly address: string
  /** Gives the agent a frame, as if it came from the hub. */
  readonly take: (frame: string) => void
  readonly published: Set<number>
  readonly answered: Set<number>
  heardMs: number
  isLive: boolean
  isOver: boolean
  drain: { readonly atMs: number; readonly leaveMs: number; readonly afterMs: number } | undefined
}

/** Watches what agents do with their connections, where nothing that is swapped can hide it. */
export class ConnectionJudge {
  readonly #clock: SimulatedClock
  readonly #violate: (invariant: Invariant, message: string) => void
  readonly #count: (what: string) => void
  readonly #processes = new Map<string, Process>()
  readonly #whenBusy = new Map<AgentMachine, () => void>()
  #connections: Watched[] = []

  constructor(
    clock: SimulatedClock,
    options: {
      readonly violate: (invariant: Invariant, message: string) => void
      readonly count: (what: string) => void
    },
  ) {
    this.#clock = clock
    this.#violate = options.violate
    this.#count = options.count
  }

  log(process: string, event: string, fields: Readonly<Record<string, unknown>>): void {
    const known = this.#process(process)
    if (event === 'session:occasion') known.occasions.push(this.#clock.monotonicMs())
    if (event === 'session:attempts:exhausted') this.#count('attempts:exhausted')
    if (event !== 'session:state:changed') return
    const [from, to] = [String(fields['from']), String(fields['to'])]
    if (from !== known.state || steps[from]?.split(' ').includes(to) !== true) {
      this.#violate('legal-steps', `${process} was ${known.state}, and went from ${from} to ${to}`)
    }
    known.state = to
    known.actedMs = this.#clock.monotonicMs()
    if (to === 'suspended') this.#count('suspended')
  }

  /** Somebody has asked the agent to connect. */
  asked(machine: AgentMachine): void {
    this.#process(machine.process?.name ?? '').occasions.push(this.#clock.monotonicMs())
  }

  /** The transport of a process, watched from below. */
  transport(machine: AgentMachine, transport: Transport): Transport {
    const name = machine.process?.name ?? ''
    return {
      connect: (url, options, sink) => {
        const addresses = machine.addresses?.list.length ?? 1
        const address = addresses > 1 ? url : ''
        this.#connecting(name, address, addresses)
        const watched: Watched = {
          machine,
          process: name,
          address,
          take: (frame) => this.#take(watched, frame, sink),
          published: new Set(),
          answered: new Set(),
          heardMs: this.#clock.monotonicMs(),
          isLive: false,
          isOver: false,
          drain: undefined,
        }
        this.#connections.push(watched)
        return this.#watch(watched, transport.connect(url, options, this.#sink(watched, sink)))
      },
    }
  }

  /** The hub says that it goes away, when the agent publishes next. */
  drainWhenBusy(machine: AgentMachine, deadlineMs: number, afterMs: number): void {
    this.#whenBusy.set(machine, () => this.drain(machine, deadlineMs, afterMs))
  }

  /** No hub goes away any more. */
  becomeCalm(): void {
    this.#whenBusy.clear()
  }

  /** The hub says that it goes away. */
  drain(machine: AgentMachine, deadlineMs: number, afterMs: number): void {
    const [watched] = this.#connections.filter((one) => one.machine === machine && one.isLive && !one.isOver)
    if (watched === undefined || watched.drain !== undefined || machine.asleep) return
    watched.take(JSON.stringify({ type: 'drain', deadline_ms: deadlineMs, reconnect_after_ms: afterMs }))
  }

  /** An agent has been told that its hub goes away. */
  #drained(watched: Watched, frame: string): void {
    if (watched.drain !== undefined || watched.isOver) return
    const { deadline_ms: deadlineMs, reconnect_after_ms: afterMs } = JSON.parse(frame) as DrainFrame
    this.#count(`drain:${watched.published.size > watched.answered.size ? 'busy' : 'idle'}`)
    const { machine, process } = watched
    const atMs = this.#clock.monotonicMs()
    watched.drain = { atMs, leaveMs: Math.max(deadlineMs / 2, deadlineMs - 1_000), afterMs }
    this.#clock.schedule(deadlineMs + 10, () => {
      if (watched.isOver || !machine.alive || machine.process?.name !== process) return
      if (machine.asleep || machine.wokeMs >= atMs) return
      this.#violate('obeys-drain', `${process} is still there after the deadline of a drain`)
    })
  }

  /** Something has happened that is an occasion to the machine's process. */
  occasion(machine: AgentMachine): void {
    const { process } = machine
    const atMs = this.#clock.monotonicMs()
    const name = process?.name ?? ''
    this.#clock.schedule(hurryMs, () => {
      const known = this.#process(name)
      if (process?.alive !== true || machine.asleep || machine.over) return
      if (known.actedMs >= atMs || ['idle', 'connecting', 'resuming', 'stopped'].includes(known.state)) return
      // So many occasions count, and what a hub has asked for counts more.
      const recent = known.occasions.filter((ms) => ms > atMs - 60_000)
      const isAsked = [...known.notBefore.values()].some(({ untilMs }) => untilMs > atMs)
      if (recent.length > 4 || isAsked) return
      this.#violate(
        'hurries',
        `${name} has done nothing for ${hurryMs} ms after an occasion, being ${known.state}`,
      )
    })
  }

  /** To be called now and then. */
  look(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#connections = this.#connections.filter(({ isOver, machine }) => !isOver && machine.alive)
    for (const watched of this.#connections) {
      const { machine, process } = watched
      if (machine.asleep || machine.process?.name !== process) continue
      const quietMs = nowMs - Math.max(watched.heardMs, machine.wokeMs)
      if (quietMs <= silenceMaxMs) continue
      watched.isOver = true
      this.#violate('half-open-noticed', `${process} has heard nothing for ${quietMs} ms, and holds on to it`)
    }
  }

  #process(name: string): Process {
    let known = this.#processes.get(name)
    if (known === undefined) {
      known = { state: 'idle', attempts: [], occasions: [], actedMs: 0, notBefore: new Map() }
      this.#processes.set(name, known)
    }
    return known
  }

  #connecting(name: string, address: string, addresses: number): void {
    const known = this.#process(name)
    const nowMs = this.#clock.monotonicMs()
    const occasionMs = known.occasions.at(-1) ?? -Infinity
    known.actedMs = nowMs
    known.attempts = [...known.attempts.filter((ms) => ms > nowMs - hammeringMs), nowMs]
    if (known.attempts.filter((ms) => ms >= occasionMs).length > attemptsMax * addresses) {
      this.#violate('no-hammering', `${name} made ${known.attempts.length} attempts within ${hammeringMs} ms`)
    }
    const { setMs, untilMs } = known.notBefore.get(address) ?? { setMs: 0, untilMs: 0 }
    if (nowMs + 1 < untilMs && occasionMs < setMs) {
      this.#violate('obeys-retry-after', `${name} came back ${untilMs - nowMs} ms before it was to`)
    }
  }

  #watch(watched: Watched, connection: Connection): Connection {
    return {
      get bufferedBytes() {
        return connection.bufferedBytes
      },
      send: (frame) => {
        this.#process(watched.process).actedMs = this.#clock.monotonicMs()
        if (frame.startsWith('{"type":"publish"')) this.#published(watched, frame)
        connection.send(frame)
        if (frame.startsWith('{"type":"publish"')) this.#clock.schedule(1, () => this.#isBusy(watched))
      },
      ping: () => connection.ping(),
      close: (code, reason) => {
        this.#leaving(watched, code)
        connection.close(code, reason)
      },
      terminate: () => {
        watched.isOver = true
        connection.terminate()
      },
    }
  }

  #isBusy({ machine }: Watched): void {
    const act = this.#whenBusy.get(machine)
    this.#whenBusy.delete(machine)
    act?.()
  }

  #published(watched: Watched, frame: string): void {
    const { seq } = JSON.parse(frame) as { seq: number }
    watched.published.add(seq)
    watched.answered.delete(seq)
    if (watched.drain === undefined || watched.isOver) return
    this.#violate('obeys-drain', `${watched.process} published ${seq} after it was told of a drain`)
  }

  #leaving(watched: Watched, code: number): void {
    const { drain } = watched
    const nowMs = this.#clock.monotonicMs()
    if (drain !== undefined && !watched.isOver && code === closeCodes.drain) {
      const { notBefore } = this.#process(watched.process)
      notBefore.set(watched.address, { setMs: nowMs, untilMs: nowMs + drain.afterMs })
      const underWay = watched.published.size - watched.answered.size
      if (underWay > 0 && nowMs - drain.atMs < drain.leaveMs - 1) {
        this.#violate('obeys-drain', `${watched.process} left ${underWay} messages without their verdict`)
      }
    }
    watched.isOver = true
  }

  #sink(watched: Watched, sink: ConnectionSink): ConnectionSink {
    return {
      onOpen: () => sink.onOpen(),
      onFrame: (frame) => watched.take(frame),
      onPong: () => sink.onPong?.(),
      onClose: (close) => {
        watched.isOver = true
        this.#closed(watched, close)
        sink.onClose(close)
      },
    }
  }

  #take(watched: Watched, frame: string, sink: ConnectionSink): void {
    watched.heardMs = this.#clock.monotonicMs()
    if (frame.startsWith('{"type":"publish_ack"')) {
      watched.answered.add((JSON.parse(frame) as { seq: number }).seq)
    }
    if (frame.startsWith('{"type":"drain"')) this.#drained(watched, frame)
    if (frame.startsWith('{"type":"ready"')) {
      watched.isLive = true
      watched.machine.onReady?.()
    }
    sink.onFrame(frame)
  }

  #closed({ process, address }: Watched, { status, retryAfterMs }: ConnectionClose): void {
    if (status === undefined || retryAfterMs === undefined) return
    this.#count('refused')
    const setMs = this.#clock.monotonicMs()
    this.#process(process).notBefore.set(address, { setMs, untilMs: setMs + retryAfterMs })
  }
}
