import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../src/index.ts'
import { unreachable } from '../../../src/platform/http-error.ts'
import type { ConnectionSink } from '../../../src/platform/transport.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'
import type { V1ServerOptions } from '../../helpers/v1-server.ts'
import { V1AgentMachine, v1Host, V1World, type V1Swaps } from '../../helpers/v1-server-world.ts'

const minute = 60_000

test('counts as online only after `connected`', () =>
  withAgent({}, async ({ world, machine }) => {
    assert.equal(machine.session, 'online')
    assert.equal(world.server?.seen.get('frame ping'), undefined)
  }))

test('a token that is not taken leads to another one, and never to a tight loop', () =>
  withAgent({}, async ({ world }) => {
    let upgrades = 0
    world.stopServer()
    world.startServer()
    world.transport.serve(`ws://${v1Host}:8768`, (_upgrade, connection): ConnectionSink => {
      upgrades += 1
      return {
        onOpen: () => {
          connection.send('{"type":"error","error":"Authentication failed"}')
          connection.close(1000, '')
        },
        onFrame: () => {},
        onClose: () => {},
      }
    })
    await world.clock.runFor(10 * minute)
    assert.ok(upgrades >= 20 && upgrades <= 80, `${upgrades} connections in ten minutes`)
    const refreshes = world.server?.seen.get('POST /api/v1/auth/refresh') ?? 0
    assert.ok(refreshes >= upgrades - 2 && refreshes <= upgrades + 2, `${refreshes} new tokens`)
  }))

test('comes back at once from a sleep that nothing else would end', () =>
  withAgent({ staleMs: 1_000, graceMs: 1_000, checkMs: 20_000 }, async ({ world, machine }) => {
    const id = world.database.profile('ada', 0).id
    // So soon that an answer to the challenge does not help: put to sleep every other time.
    const before = world.server?.seen.get('upgrade') ?? 0
    for (let n = 0; n < 10; n++) {
      await world.clock.runFor(minute)
      await world.clock.run(() => world.server?.presence.stateOf(id) === 'awake', { withinMs: 5_000 })
    }
    assert.ok((world.server?.seen.get('upgrade') ?? 0) >= before + 5)
    assert.equal(machine.session, 'online')
  }))

test('stays awake for hours', () =>
  withAgent({}, async ({ world }) => {
    const id = world.database.profile('ada', 0).id
    const before = world.server?.seen.get('upgrade')
    for (let n = 0; n < 60; n++) {
      await world.clock.runFor(4 * minute)
      assert.equal(world.server?.presence.stateOf(id), 'awake')
    }
    assert.equal(world.server?.seen.get('upgrade'), before)
    const polls = world.server?.seen.get('GET /api/v1/message/inbox') ?? 0
    assert.ok(polls >= 400 && polls <= 700, `${polls} polls in four hours of silence`)
  }))

test('notices a server that is gone without a word', () =>
  withAgent({}, async ({ world, machine }) => {
    world.network.partition('ada', v1Host)
    await world.clock.run(() => machine.session !== 'online', { withinMs: minute })
    world.network.heal()
    await world.clock.run(() => machine.session === 'online', { withinMs: 3 * minute })
  }))

test('hides no message when the clock of the server, or its database, is put back', () =>
  withAgent({}, async ({ world }) => {
    const heard = (): string[] => world.inboxOf('cy').map(({ content }) => content)
    world.write('cy', 'ada', 'one')
    world.write('cy', 'ada', 'two')
    await world.clock.run(() => heard().length === 2)
    const { messages } = world.database
    // The clock first: the next message is older than those that are known.
    world.write('cy', 'ada', 'three')
    const three = messages.pop()
    assert.ok(three !== undefined)
    messages.push({ ...three, createdUs: three.createdUs - 60_000_000 })
    await world.clock.run(() => heard().length === 3)
    // Then the database: the next messages get numbers that others had.
    messages.splice(1)
    await world.clock.runFor(minute)
    world.write('cy', 'ada', 'four')
    await world.clock.run(() => heard().includes('heard four'))
    assert.deepEqual(heard(), ['heard four'])
  }))

test('a deleted message does not bring back the older ones, however long ago they were', () =>
  withAgent({}, async ({ world, machine }) => {
    for (const text of ['one', 'two', 'three']) world.write('cy', 'ada', text)
    await world.clock.run(() => world.inboxOf('cy').length === 3)
    const newest = world.database.messages.find(({ content }) => content === 'three')
    assert.ok(newest !== undefined)
    newest.deleted = true
    // By then the agent has forgotten their ids.
    world.clock.jump(40 * 24 * 60 * minute)
    await world.clock.runFor(30 * minute)
    const seen = machine.agent?.reader.get<{ count: number }>('SELECT count(*) AS count FROM inbox_seen')
    assert.equal(seen?.count, 0)
    assert.equal(world.inboxOf('cy').length, 3)
  }))

test('a message that the server fails with, and with no other, is refused in the end', () =>
  withAgent({}, async ({ world, machine }) => {
    const { database } = world
    const store = database.store.bind(database)
    database.store = (message, nowMs) => {
      if (message.content === 'heard poison') throw new Error('cannot be stored')
      return store(message, nowMs)
    }
    world.write('cy', 'ada', 'poison')
    world.write('cy', 'ada', 'food')
    await world.clock.run(() => world.inboxOf('cy').length === 1, { withinMs: 10 * minute })
    assert.deepEqual(
      world.inboxOf('cy').map(({ content }) => content),
      ['heard food'],
    )
    const refused = machine.agent?.reader.get<{ error: string }>(
      "SELECT error FROM outbox WHERE status = 'refused'",
    )
    assert.match(refused?.error ?? '', /^ERR_HUB_PROTOCOL/)
  }))

test('a request that arrives long after it was given up is not followed by another one', () => {
  let late: Promise<unknown> | undefined
  const swaps = (world: () => V1World): V1Swaps => ({
    http: (http) => ({
      request: (address, request, options) => {
        if (late !== undefined || !request.path.endsWith('/message/send')) {
          return http.request(address, request, options)
        }
        late = new Promise((resolve) => {
          world().clock.schedule(25_000, () => resolve(http.request(address, request, options)))
        })
        return Promise.reject(unreachable(address, 'timeout'))
      },
    }),
  })
  return withAgent(
    {},
    async ({ world }) => {
      world.write('cy', 'ada', 'one')
      world.write('cy', 'ada', 'two')
      await world.clock.run(() => world.inboxOf('cy').length === 2, { withinMs: 2 * minute })
      await world.clock.runFor(2 * minute)
      assert.deepEqual(
        world.inboxOf('cy').map(({ content }) => content),
        ['heard one', 'heard two'],
      )
    },
    swaps,
  )
})

test('goes over to sessions when the server keeps them again', () =>
  withAgent({}, async ({ world }) => {
    const frames: string[] = []
    const paths: string[] = []
    world.stopServer()
    world.startServer()
    world.transport.serve(`ws://${v1Host}:8768`, ({ path }, connection): ConnectionSink => {
      paths.push(path)
      return {
        onOpen: () =>
          connection.send('{"type":"connected","ai_id":1,"ai_name":"ada","capabilities":["resume.1"]}'),
        onFrame: (frame) => frames.push((JSON.parse(frame) as { type: string }).type),
        onClose: () => {},
      }
    })
    await world.clock.run(() => frames.includes('resume'), { withinMs: 5 * minute })
    assert.ok(paths.at(0)?.includes('token='))
    assert.equal(paths.at(-1), '/ws/v1/connect?resume=1')
  }))

interface Stage {
  readonly world: V1World
  readonly machine: V1AgentMachine
}

const listener = defineAgent({
  name: 'ada',
  async onMessage({ text }, ctx) {
    await ctx.reply(`heard ${text}`)
  },
})

async function withAgent(
  options: Omit<V1ServerOptions, 'clock' | 'database'>,
  use: (stage: Stage) => Promise<void>,
  swaps?: (world: () => V1World) => V1Swaps,
): Promise<void> {
  const world: V1World = new V1World(
    createSeededRandom('plain session'),
    options,
    swaps?.(() => world),
  )
  const machine = new V1AgentMachine(listener, world)
  world.startServer()
  machine.boot(() => {})
  try {
    await world.clock.run(() => machine.session === 'online', { withinMs: minute })
    await use({ world, machine })
  } finally {
    machine.process?.kill('the end')
    world.stopServer()
  }
}
