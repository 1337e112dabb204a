import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../src/index.ts'
import type { HttpRequest, HttpServer } from '../../../src/platform/http.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import type { OpenAgentOptions } from '../../../src/runtime/open-agent.ts'
import { fastPlatform, until, useAgent, type TestAgent } from '../../helpers/real-agent.ts'
import { withFolder } from '../../helpers/folder.ts'
import { V1Server, type V1ServerOptions } from '../../helpers/v1-server.ts'
import { V1Database } from '../../helpers/v1-server-database.ts'

/** So many times as fast do agent and server live, so that a minute takes seconds. */
const factor = 20

const echo = defineAgent({
  name: 'Ada',
  async onMessage({ text, from }, ctx) {
    if (from === 'Bob') await ctx.reply(`Ada heard ${text}`)
  },
})

test('exchanges messages with a v1 client, over the expiry of tokens, awake and without a ping', () =>
  withServer({ tokenTtlS: 30, staleMs: 60_000, graceMs: 30_000, checkMs: 10_000 }, async (world) => {
    await world.withAgent(async (agent) => {
      await world.converse(10)
      // Ten tokens' lives: long enough to be challenged, and to be put to sleep.
      await until(() => seen(world, 'POST /api/v1/auth/refresh') >= 6)
      await world.converse(20)
      const id = world.database.profile('Ada', 0).id
      assert.equal(world.server().presence.stateOf(id), 'awake')
      assert.equal(seen(world, 'frame ping'), 0)
      assert.ok(seen(world, 'frame subscribe') >= 1)
      assert.equal(agent.reader.get<{ state: string }>('SELECT state FROM session')?.state, 'online')
      assert.equal(
        agent.reader.get<{ reason: string }>('SELECT reason FROM session')?.reason,
        'plain v1 server',
      )
    })
  }))

test('what was sent while the agent was away is there when it comes back, and nothing comes twice', () =>
  withServer({}, async (world) => {
    await world.withAgent(() => world.converse(3))
    for (let n = 4; n <= 50; n++) world.write(`message ${n}`)
    await world.withAgent(() => world.heard(50))
    await world.withAgent(() => world.converse(51))
  }))

test('an answer that was lost is looked up, and the message not sent twice', () =>
  withServer({}, async (world) => {
    await world.withAgent(async () => {
      await world.converse(1)
      world.loseAnswers = 2
      await world.converse(3)
      assert.equal(world.loseAnswers, 0)
      assert.ok(seen(world, 'GET /api/v1/message/sent') >= 2)
    })
  }))

test('a server that is started again is found again', () =>
  withServer({}, async (world) => {
    await world.withAgent(async () => {
      await world.converse(2)
      await world.restart()
      await world.converse(4)
    })
  }))

test('a server without its database costs neither credentials nor messages', () =>
  withServer({ tokenTtlS: 40 }, async (world) => {
    await world.withAgent(async (agent) => {
      await world.converse(2)
      const before = seen(world, 'POST /api/v1/auth/refresh')
      world.database.isDown = true
      world.write('message 3')
      await until(() => seen(world, 'POST /api/v1/auth/refresh') >= before + 4)
      world.database.isDown = false
      await world.converse(4)
      assert.ok(!agent.logged.includes('session:ended'))
      assert.ok(logins(world) <= 2, `${logins(world)} logins`)
    })
  }))

test('keeps within a hundred requests a minute, and obeys where fewer are allowed', () =>
  withServer({ requestsMax: 100 }, async (world) => {
    for (let n = 1; n <= 120; n++) world.write(`message ${n}`)
    await world.withAgent(() => world.heard(120))
    assert.equal(seen(world, '429 /message/send') + seen(world, '429 /message/inbox'), 0)
    await world.restart({ requestsMax: 10 })
    for (let n = 121; n <= 130; n++) world.write(`message ${n}`)
    await world.withAgent(() => world.heard(130))
    assert.ok(seen(world, '429 /message/send') + seen(world, '429 /message/inbox') >= 1)
  }))

test('who is not known there is refused, and does not block the others', () =>
  withServer({}, async (world) => {
    const sender = defineAgent({
      name: 'Ada',
      async onMessage({ text }, ctx) {
        for (const to of ['Nobody', 'Bob']) await ctx.send(to, text)
        await ctx.send('Bob', '')
        await ctx.send('Bob', { json: text })
      },
    })
    world.write('hello')
    await withFolder((home) =>
      useAgent(
        home,
        sender,
        async (agent) => {
          await agent.event('outbox:message:refused', ({ to }) => to === 'Nobody')
          await agent.event('outbox:message:refused', ({ to }) => to === 'Bob')
          await until(() => world.toBob().length === 2)
          assert.deepEqual(world.toBob(), ['hello', '{"json":"hello"}'])
        },
        world.options(),
      ),
    )
  }))

class World {
  readonly database = new V1Database()
  readonly platform: Platform
  readonly home: string
  loseAnswers = 0
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
  }

  async stop(): Promise<void> {
    this.#server?.stop()
    await this.#listener?.close(0)
  }

  async restart(options: Omit<V1ServerOptions, 'clock' | 'database'> = this.#options): Promise<void> {
    await this.stop()
    this.#options = options
    await this.start()
  }

  options(): OpenAgentOptions {
    return { platform: this.platform, hub: `http://127.0.0.1:${this.#port}` }
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

function seen(world: World, what: string): number {
  return world.server().seen.get(what) ?? 0
}

function logins(world: World): number {
  return seen(world, 'POST /api/v1/auth/login')
}

function withServer(
  options: Omit<V1ServerOptions, 'clock' | 'database'>,
  use: (world: World) => Promise<void>,
): Promise<void> {
  return withFolder(async (home) => {
    const world = new World(home, options)
    await world.start()
    try {
      await use(world)
    } finally {
      await world.stop()
    }
  })
}
