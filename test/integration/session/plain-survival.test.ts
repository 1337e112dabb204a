import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../helpers/real-agent.ts'
import { factor, logins, seen, withV1Server, type V1SocketWorld } from '../../helpers/v1-socket-world.ts'

// What a plain v1 server and the way to it do to an agent, over real sockets. All times are of the agent's fast clock.

test('an agent that could not answer the challenge and was put to sleep is awake again, and has its mail', () =>
  withV1Server({ staleMs: 4_000, graceMs: 3_000, checkMs: 1_000 }, async (world) => {
    await world.withAgent(async () => {
      await world.converse(2)
      const { presence } = world.server()
      // What the server says passes, what the agent answers does not.
      world.proxy.blackHole('up')
      world.write('message 3')
      await until(() => presence.stateOf(idOf(world)) === 'asleep')
      const upgrades = seen(world, 'upgrade')
      world.proxy.heal()
      // Nothing wakes a sleeper but another connection.
      await until(() => presence.stateOf(idOf(world)) === 'awake')
      assert.ok(seen(world, 'upgrade') > upgrades)
      await world.heard(3)
      await world.converse(6)
    })
  }))

test('a database that is away when the agent starts costs it neither its credentials nor its mail', () =>
  withV1Server({ tokenTtlS: 60 }, async (world) => {
    await world.withAgent(() => world.converse(2))
    for (let n = 3; n <= 5; n += 1) world.write(`message ${n}`)
    world.database.isDown = true
    await world.withAgent(async (agent) => {
      // It has tokens, and each of them is refused.
      await until(() => requests(world) >= 20)
      assert.ok(!agent.logged.includes('session:ended'))
      world.database.isDown = false
      await world.heard(5)
      await world.converse(7)
    })
  }))

test('a database that goes away again and again, as tokens expire', () =>
  withV1Server({ tokenTtlS: 30 }, async (world) => {
    await world.withAgent(async (agent) => {
      for (let round = 1; round <= 4; round += 1) {
        world.write(`message ${round * 2 - 1}`)
        world.database.isDown = true
        await sleep(20_000 / factor)
        world.database.isDown = false
        await world.converse(round * 2)
      }
      assert.ok(!agent.logged.includes('session:ended'))
      assert.ok(seen(world, 'POST /api/v1/auth/refresh') >= 1)
      // It cannot tell an outage from a token that is not taken, but it does not use up everybody's logins over it.
      assert.ok(logins(world) <= 12, `${logins(world)} logins`)
    })
  }))

test('connections that are reset while mail is fetched and sent: each message is answered once, in order', () =>
  withV1Server({}, async (world) => {
    await world.withAgent(async () => {
      await world.converse(1)
      for (let n = 2; n <= 30; n += 1) {
        world.write(`message ${n}`)
        // REST and WebSocket alike, before, in and after an answer.
        await until(() => world.proxy.connections.length > 0)
        await sleep((n * 7) % 60)
        world.proxy.reset()
      }
      await world.heard(30)
      assert.ok(world.proxy.counts.resets >= 10, `${world.proxy.counts.resets} resets`)
    })
  }))

test('mail that was sent while the network was away arrives once, and what the agent had to say goes out once', () =>
  withV1Server({}, async (world) => {
    await world.withAgent(async () => {
      await world.converse(2)
      world.write('message 3')
      await until(() => seen(world, 'POST /api/v1/message/send') >= 3)
      world.proxy.blackHole()
      for (let n = 4; n <= 8; n += 1) world.write(`message ${n}`)
      const upgrades = seen(world, 'upgrade')
      await sleep(60_000 / factor)
      assert.equal(seen(world, 'upgrade'), upgrades)
      world.proxy.heal()
      await world.heard(8)
      assert.ok(seen(world, 'upgrade') > upgrades)
    })
  }))

test('a server that is away for long, and has forgotten who was there', () =>
  withV1Server({ tokenTtlS: 20 }, async (world) => {
    await world.withAgent(async (agent) => {
      await world.converse(2)
      await world.stop()
      // Long enough for the token to expire, and for mail to come another way.
      for (let n = 3; n <= 6; n += 1) world.write(`message ${n}`)
      await sleep(60_000 / factor)
      await world.start()
      await world.heard(6)
      await until(() => world.server().presence.stateOf(idOf(world)) === 'awake')
      assert.ok(!agent.logged.includes('session:ended'))
    })
  }))

test('over a slow link in small pieces', () =>
  withV1Server({}, async (world) => {
    world.proxy.disturb({ bytesPerSecond: 40_000, sliceBytes: 100 })
    await world.withAgent(() => world.converse(4))
  }))

function idOf(world: V1SocketWorld): number {
  return world.database.profile('Ada', 0).id
}

function requests(world: V1SocketWorld): number {
  return [...world.server().seen]
    .filter(([what]) => what.includes(' /api/v1/'))
    .reduce((sum, [, count]) => sum + count, 0)
}
