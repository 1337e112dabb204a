import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../../src/index.ts'
import { SimulatedProcess } from '../../../../src/testing/index.ts'
import { HubWorld, inboxOf, pendingOf, type Place, type TestAgent } from './hub-world.ts'

const url = 'http://127.0.0.1:9001'

/** Changes a database that nobody has open, as a restore or a person would. */
function change({ disk, database }: Place, sql: string): void {
  const process = new SimulatedProcess({ pid: 1, name: 'outside' })
  const connection = database.for(process, disk.for(process)).open()
  connection.exec(sql)
  connection.close()
}

interface Case {
  readonly name: string
  /** Done to the hub's database while neither runs. */
  readonly hub?: string
  /** Done to the agent's. */
  readonly agent?: string
  readonly reason: string
  readonly sameSession: boolean
}

const ofAda = "ai_id = (SELECT id FROM profiles WHERE name = 'Ada')"

const cases: readonly Case[] = [
  { name: 'positions that fit', reason: 'resumed', sameSession: true },
  {
    name: 'the identifier of somebody else',
    agent: "UPDATE session SET session_identifier = 'b0b0b0b'",
    hub: `UPDATE sessions SET session_identifier = 'b0b0b0b' WHERE NOT ${ofAda}`,
    reason: 'session_unknown',
    sameSession: true,
  },
  {
    name: 'the identifier of somebody else, and none of its own',
    agent: "UPDATE session SET session_identifier = 'b0b0b0b'",
    hub: `UPDATE sessions SET session_identifier = 'b0b0b0b' WHERE NOT ${ofAda};
      DELETE FROM sessions WHERE ${ofAda}`,
    reason: 'session_unknown',
    sameSession: false,
  },
  {
    name: 'a session that was ended',
    hub: `UPDATE sessions SET status = 'ended' WHERE ${ofAda}; UPDATE holders SET standing = 'ended' WHERE ${ofAda}`,
    reason: 'session_ended',
    sameSession: false,
  },
  {
    name: 'a session that had no connection for 30 days',
    hub: `UPDATE sessions SET seen_at = seen_at - 2592000001 WHERE ${ofAda}`,
    reason: 'session_expired',
    sameSession: false,
  },
  {
    name: 'a session that the hub has lost',
    hub: `DELETE FROM sessions WHERE ${ofAda}`,
    reason: 'resumed',
    sameSession: true,
  },
  {
    name: 'an identifier that none can be',
    agent: "UPDATE session SET session_identifier = 'no identifier'",
    reason: 'resumed',
    sameSession: true,
  },
  {
    name: 'a generation above the hub’s',
    hub: `UPDATE holders SET generation = 0 WHERE ${ofAda}`,
    reason: 'hub_rewound',
    sameSession: true,
  },
  {
    name: 'an offset beyond the top',
    agent: 'UPDATE session SET rx_offset = rx_offset + 7',
    reason: 'hub_rewound',
    sameSession: true,
  },
  {
    name: 'a stream epoch that the hub does not know',
    hub: `UPDATE streams SET epoch = 'another' WHERE ${ofAda}`,
    reason: 'hub_rewound',
    sameSession: true,
  },
  {
    name: 'a numbering that the hub does not know',
    hub: `UPDATE producers SET epoch = 'another' WHERE ${ofAda}`,
    reason: 'hub_rewound',
    sameSession: true,
  },
  {
    name: 'an offset below what was acknowledged',
    agent: 'UPDATE session SET rx_offset = 0, rx_last_id = NULL',
    reason: 'resumed',
    sameSession: true,
  },
  {
    name: 'a number that is used already',
    agent: "UPDATE counters SET value = 0 WHERE name = 'outbox.seq'; UPDATE session SET acked_seq = NULL",
    reason: 'agent_rewound',
    sameSession: true,
  },
]

for (const { name, hub, agent, reason, sameSession } of cases) {
  test(`restored with ${name}: ${reason}, and nothing is lost or comes twice`, async () => {
    const world = new HubWorld()
    const hubPlace = world.place()
    const { process } = await world.hub(hubPlace, 9001)
    const [place, other] = [world.place(), world.place()]
    const ada = await world.online('Ada', place, { hub: url })
    const bo = await world.online('Bo', other, { hub: url })
    await world.deliver(ada, 'Bo', 'to Bo 1', 'to Bo 2')
    await world.deliver(bo, 'Ada', 'to Ada 1')
    await world.run(() => inboxOf(ada.agent).length === 1 && inboxOf(bo.agent).length === 2)
    const before = identifierOf(ada)
    await world.close(ada)
    await world.deliver(bo, 'Ada', 'to Ada 2')
    process.kill('stops')
    if (hub !== undefined) change(hubPlace, hub)
    if (agent !== undefined) change(place, agent)
    await world.hub(hubPlace, 9001)
    const changed: unknown[] = []
    const again = await world.open('Ada', place, { hub: url })
    let online = ''
    again.agent.on('session:identifier:changed', (event) => changed.push(event))
    again.agent.on('session:state:changed', ({ to, reason: why }) => {
      if (to === 'online') online = why
    })
    await world.run(() => online !== '')
    assert.equal(online, reason)
    const after = identifierOf(again)
    assert.equal(after === before, sameSession, after)
    // Told wherever it is another one than the one that was asked for.
    const wanted = again.session === 'online' && changed.length > 0
    assert.equal(wanted, !sameSession || (agent?.includes('session_identifier') ?? false))
    await world.deliver(again, 'Bo', 'to Bo 3')
    await world.run(() => inboxOf(again.agent).length === 2 && inboxOf(bo.agent).length === 3)
    assert.deepEqual(inboxOf(again.agent), ['to Ada 1', 'to Ada 2'])
    assert.deepEqual(inboxOf(bo.agent), ['to Bo 1', 'to Bo 2', 'to Bo 3'])
    await world.close(again, bo)
  })
}

test('a session that is ended ends the process that has it, and what waits comes to the next', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const place = world.place()
  const ada = await world.online('Ada', place, { hub: url })
  const bo = await world.online('Bo', world.place(), { hub: url })
  const [listed] = await world.clock.settle(ada.agent.hubSessions!.list())
  assert.deepEqual([listed?.sessionIdentifier, listed?.connected], [identifierOf(ada), true])
  await world.clock.settle(ada.agent.hubSessions!.endCurrent())
  await world.run(() => ada.ended !== undefined)
  assert.equal(ada.ended, 'ERR_SESSION_ENDED')
  const before = identifierOf(ada)
  await world.close(ada)
  await world.deliver(bo, 'Ada', 'meanwhile')
  const again = await world.online('Ada', place, { hub: url })
  assert.notEqual(identifierOf(again), before)
  await world.run(() => inboxOf(again.agent).length === 1)
  await world.close(again, bo)
})

test('time-outs and outages never lead to another session', async () => {
  const world = new HubWorld()
  const hubPlace = world.place()
  const { process } = await world.hub(hubPlace, 9001)
  const place = world.place()
  const ada = await world.online('Ada', place, { hub: url })
  const before = identifierOf(ada)
  process.kill('is away for days')
  await world.clock.runFor(3 * 86_400_000)
  await world.hub(hubPlace, 9001)
  await world.run(() => ada.session === 'online')
  assert.equal(identifierOf(ada), before)
  await world.close(ada)
})

test('a handover finishes turns, sends what it has to, and leaves the rest whole to the next process', async () => {
  const world = new HubWorld()
  await world.hub(world.place(), 9001)
  const [place, other] = [world.place(), world.place()]
  let waiting: (() => void) | undefined
  const effects: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    async onMessage({ payload }, ctx) {
      await ctx.effect('once', {
        idempotent: true,
        run: async ({ key }) => void effects.push(`${payload as string} ${key}`),
      })
      if (payload === 'slow' && waiting === undefined) {
        await new Promise<void>((resolve) => {
          waiting = resolve
          ctx.signal.addEventListener('abort', () => resolve())
        })
        ctx.signal.throwIfAborted()
      }
      await ctx.send('Bo', `did ${payload as string}`)
    },
  })
  const ada = await world.online('Ada', place, { hub: url, definition })
  const bo = await world.online('Bo', other, { hub: url })
  const before = identifierOf(ada)
  await world.clock.settle(ada.agent.ingest({ id: '1', payload: 'quick', conversation: 'a' }))
  await world.clock.settle(ada.agent.ingest({ id: '2', payload: 'slow', conversation: 'b' }))
  await world.run(() => waiting !== undefined)
  await world.clock.settle(ada.agent.close({ deadlineMs: 500, handover: true }), { withinMs: 5_000 })
  await world.run(() => inboxOf(bo.agent).length === 1)
  const next = await world.online('Ada', place, { hub: url, definition })
  await world.run(() => inboxOf(bo.agent).length === 2 && pendingOf(next.agent) === 0)
  assert.deepEqual(inboxOf(bo.agent), ['did quick', 'did slow'])
  assert.equal(effects.length, 2, effects.join(', '))
  assert.equal(identifierOf(next), before)
  await world.close(next, bo)
})

function identifierOf({ agent }: TestAgent): string {
  const row = agent.reader.get<{ session_identifier: string }>('SELECT session_identifier FROM session')
  return row?.session_identifier ?? ''
}
