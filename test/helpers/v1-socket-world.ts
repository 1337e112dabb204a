import assert from 'node:assert/strict'
import { defineAgent } from '../../src/index.ts'
import type { HttpRequest, HttpServer } from '../../src/platform/http.ts'
import type { Platform } from '../../src/platform/platform.ts'
import type { OpenAgentOptions } from '../../src/runtime/open-agent.ts'
import { FaultProxy } from './fault-proxy.ts'
import { withFolder } from './folder.ts'
import { fastPlatform, until, useAgent, type TestAgent } from './real-agent.ts'
import { V1Server, type V1ServerOptions } from './v1-server.ts'
import { V1Database } from './v1-server-database.ts'

/** So many times as fast do agent and server live, so that a minute takes seconds. */
export const factor = 20

const echo = defineAgent({
  name: 'Ada',
  async onMessage({ text, from }, ctx) {
    if (from === 'Bob') await ctx.reply(`Ada heard ${text}`)
  },
})

/** A plain v1 server on real sockets with a real agent, and between them a proxy that does what networks do. */
export class V1SocketWorld {
  readonly database = new V1Database()
  readonly platform: Platform
  readonly home: string
  loseAnswers = 0
  #proxy: FaultProxy | undefined
  #options: Omit<V1ServerOptions, 'clock' | 'database'>
  #server: V1Server | undefined
  #listener: HttpServer | undefined
  #port = 0

  constructor(home: string, options: Omit<V1ServerOptions, 'clock' | 'database'>) {
    const platform = fastPlatform(factor)
    const { http } = platform
    this.home = home
    this.platform = {
      ...platform,
      http: {
        request: (address, request, options) =>
          http.request(address, request, { ...options, timeoutMs: options.timeoutMs / factor }),
      },
    }
    this.#options = options
  }

  server(): V1Server {
    return this.#server as V1Server
  }

  get proxy(): FaultProxy {
    return this.#proxy as FaultProxy
  }

  async start(): Promise<void> {
    const { clock, listener } = this.platform
    const server = new V1Server({ ...this.#options, clock, database: this.database })
    this.#server = server
    const listening = { bodyBytesMax: 2 ** 21, upgrade: { frameBytesMax: 2 ** 22, accept: server.accept } }
    const address = { host: '127.0.0.1', port: this.#port }
    this.#listener = await listener.listen(address, listening, async (request) => {
      const response = await server.handle(request)
      if (this.#loses(request)) await new Promise(() => {})
      return response
    })
    this.#port = 'port' in this.#listener.address ? this.#listener.address.port : 0
    this.#proxy ??= await FaultProxy.open({ target: { port: this.#port } })
  }

  async stop(): Promise<void> {
    this.#server?.stop()
    await this.#listener?.close(0)
  }

  async close(): Promise<void> {
    await this.#proxy?.close()
    await this.stop()
  }

  async restart(options: Omit<V1ServerOptions, 'clock' | 'database'> = this.#options): Promise<void> {
    await this.stop()
    this.#options = options
    await this.start()
  }

  options(): OpenAgentOptions {
    return { platform: this.platform, hub: `http://127.0.0.1:${this.proxy.port}` }
  }

  withAgent(use: (agent: TestAgent) => Promise<void>): Promise<void> {
    return useAgent(this.home, echo, use, this.options())
  }

  /** What a v1 client does. */
  write(content: string): void {
    const nowMs = this.platform.clock.now()
    const senderId = this.database.profile('Bob', nowMs).id
    const recipientId = this.database.profile('Ada', nowMs).id
    const message = { senderId, recipientId, subject: null, content, messageType: 'text', metadata: {} }
    this.database.store(message, nowMs)
  }

  toBob(): string[] {
    const bob = this.database.profile('Bob', this.platform.clock.now())
    return this.database
      .inboxOf(bob.id)
      .toReversed()
      .map(({ content }) => content)
  }

  /** Writes one message after the other, up to this number, each when the one before it has been answered. */
  async converse(upTo: number): Promise<void> {
    const mine = this.database.messages.filter(({ content }) => content.startsWith('message ')).length
    for (let n = mine + 1; n <= upTo; n += 2) {
      this.write(`message ${n}`)
      if (n < upTo) this.write(`message ${n + 1}`)
      await this.heard(Math.min(n + 1, upTo))
    }
  }

  /** Each number has been answered, once and in order. */
  async heard(upTo: number): Promise<void> {
    await until(() => this.toBob().length >= upTo)
    const wanted = Array.from({ length: upTo }, (_, index) => `Ada heard message ${index + 1}`)
    assert.deepEqual(this.toBob(), wanted)
  }

  #loses({ path }: HttpRequest): boolean {
    if (this.loseAnswers === 0 || !path.endsWith('/message/send')) return false
    this.loseAnswers -= 1
    return true
  }
}

export function seen(world: V1SocketWorld, what: string): number {
  return world.server().seen.get(what) ?? 0
}

export function logins(world: V1SocketWorld): number {
  return seen(world, 'POST /api/v1/auth/login')
}

export function withV1Server(
  options: Omit<V1ServerOptions, 'clock' | 'database'>,
  use: (world: V1SocketWorld) => Promise<void>,
): Promise<void> {
  return withFolder(async (home) => {
    const world = new V1SocketWorld(home, options)
    await world.start()
    try {
      await use(world)
    } finally {
      await world.close()
    }
  })
}
