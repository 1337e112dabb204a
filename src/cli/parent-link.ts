import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { linkProtocol, type Hello, type LastWord } from '../daemon/link-protocol.ts'
import { JsonLines } from '../platform/node/json-lines.ts'
import { checkSocketFolder } from '../platform/node/private-folder.ts'
import { createNodeProcessTable } from '../platform/node/process-table.ts'
import type { ProcessMessage } from './process-messages.ts'
import { ownVersion } from './version.ts'

/** Before the first attempt to come back, and between two of them at most, ms. */
const delayFirstMs = 20
const delayMaxMs = 1_000
/** For what must not get lost: how long its sender waits for the daemon to be there. */
const graceMs = 1_000

/**
 * A supervised process's end of the link to its daemon. Whenever the connection is lost (the daemon was killed, or is being
 * replaced) it comes back, for as long as the process lives, and says again who it is and what it last said about its
 * state. Being without a daemon never stops it.
 */
export class ParentLink {
  readonly #path: string
  readonly #hello: Hello
  #lines: JsonLines | undefined
  #delayMs = delayFirstMs
  /** Said again after each new connection. */
  readonly #standing = new Map<ProcessMessage['type'], { message: ProcessMessage; saidMs: number }>()
  #connected = Promise.withResolvers<void>()

  constructor(path: string, child: string) {
    this.#path = path
    this.#hello = {
      type: 'hello',
      protocol: linkProtocol,
      child,
      pid: process.pid,
      identity: createNodeProcessTable().identify(process.pid) ?? '',
      instance: randomUUID(),
      version: ownVersion(),
      node: process.version,
    }
    this.#connect()
    process.on('exit', (code) => this.lastWord(code))
  }

  /** Written at once where the socket takes it, which nothing else can be any more. */
  lastWord(code: number): void {
    void this.#lines?.send({ type: 'exit', code } satisfies LastWord)
  }

  /** Resolves when it is on its way. What only shows how things are is dropped while nobody listens. */
  async tell(message: ProcessMessage): Promise<void> {
    if (standing.has(message.type)) this.#standing.set(message.type, { message, saidMs: performance.now() })
    if (this.#lines === undefined && lasting.has(message.type)) {
      await this.#isConnected()
      // It was said with the connection.
      if (standing.has(message.type)) return
    }
    await this.#lines?.send(message)
  }

  #connect(): void {
    try {
      checkSocketFolder(this.#path)
    } catch {
      // Not there, or somebody else's, who is told nothing: the daemon does not listen there either.
      this.#connectLater()
      return
    }
    const socket = connect({ path: this.#path })
    // It is there for the process, not the other way round.
    socket.unref()
    socket.once('connect', () => {
      this.#delayMs = delayFirstMs
      this.#lines = lines
      void lines.send({ ...this.#hello })
      for (const { message, saidMs } of this.#standing.values()) void lines.send(asOfNow(message, saidMs))
      this.#connected.resolve()
    })
    const lines = new JsonLines(socket, {
      onValue: () => undefined,
      onClose: () => {
        if (this.#lines !== undefined) this.#connected = Promise.withResolvers()
        this.#lines = undefined
        this.#connectLater()
      },
    })
  }

  #connectLater(): void {
    setTimeout(() => this.#connect(), this.#delayMs * (0.5 + Math.random() / 2)).unref()
    this.#delayMs = Math.min(delayMaxMs, this.#delayMs * 2)
  }

  async #isConnected(): Promise<void> {
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, graceMs)
      void this.#connected.promise.then(() => {
        clearTimeout(late)
        resolve()
      })
    })
  }
}

/** How the process stands: the newest of each is said to every daemon that comes. */
const standing: ReadonlySet<ProcessMessage['type']> = new Set(['named', 'ready', 'hub', 'handover'])

/** Of an end that was announced, so much less time is left. */
function asOfNow(message: ProcessMessage, saidMs: number): ProcessMessage {
  if (message.type !== 'handover') return message
  return { ...message, withinMs: Math.max(0, Math.round(message.withinMs - (performance.now() - saidMs))) }
}

/** What a daemon acts upon. */
const lasting: ReadonlySet<ProcessMessage['type']> = new Set(['failed', 'stop', 'handover'])
