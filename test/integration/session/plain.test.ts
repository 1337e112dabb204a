import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../src/index.ts'
import { withFolder } from '../../helpers/folder.ts'
import { until, useAgent } from '../../helpers/real-agent.ts'
import { logins, seen, withV1Server } from '../../helpers/v1-socket-world.ts'

test('exchanges messages with a v1 client, over the expiry of tokens, awake and without a ping', () =>
  withV1Server({ tokenTtlS: 30, staleMs: 60_000, graceMs: 30_000, checkMs: 10_000 }, async (world) => {
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
  withV1Server({}, async (world) => {
    await world.withAgent(() => world.converse(3))
    for (let n = 4; n <= 50; n++) world.write(`message ${n}`)
    await world.withAgent(() => world.heard(50))
    await world.withAgent(() => world.converse(51))
  }))

test('an answer that was lost is looked up, and the message not sent twice', () =>
  withV1Server({}, async (world) => {
    await world.withAgent(async () => {
      await world.converse(1)
      world.loseAnswers = 2
      await world.converse(3)
      assert.equal(world.loseAnswers, 0)
      assert.ok(seen(world, 'GET /api/v1/message/sent') >= 2)
    })
  }))

test('a server that is started again is found again', () =>
  withV1Server({}, async (world) => {
    await world.withAgent(async () => {
      await world.converse(2)
      await world.restart()
      await world.converse(4)
    })
  }))

test('a server without its database costs neither credentials nor messages', () =>
  withV1Server({ tokenTtlS: 40 }, async (world) => {
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
  withV1Server({ requestsMax: 100 }, async (world) => {
    for (let n = 1; n <= 120; n++) world.write(`message ${n}`)
    await world.withAgent(() => world.heard(120))
    assert.equal(seen(world, '429 /message/send') + seen(world, '429 /message/inbox'), 0)
    await world.restart({ requestsMax: 10 })
    for (let n = 121; n <= 130; n++) world.write(`message ${n}`)
    await world.withAgent(() => world.heard(130))
    assert.ok(seen(world, '429 /message/send') + seen(world, '429 /message/inbox') >= 1)
  }))

test('who is not known there is refused, and does not block the others', () =>
  withV1Server({}, async (world) => {
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
