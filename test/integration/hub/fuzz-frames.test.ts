import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import {
  publishFrame,
  resumeFrame,
  ResumableWorld,
  type ScriptedAgent,
} from '../../unit/hub/relay/resumable-world.ts'
import { messageFrame, readyFrame, SessionWorld, type HubEnd } from '../../unit/session/session-world.ts'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { createSeededRandom, type SeededRandom } from '../../../src/testing/index.ts'
import { mutate } from '../../helpers/frame-fuzz.ts'

// PERDURA_FUZZ_SEED=<number> replays a run.
const seed = Number(process.env['PERDURA_FUZZ_SEED'] ?? randomInt(1_000_000))
const rounds = Number(process.env['PERDURA_FUZZ_ROUNDS'] ?? 150)

/** 1009: larger than a frame may be. 1000: the scripted peer itself. */
const documented = new Set<number>([1000, 1009, ...Object.values(closeCodes)])

/** What an agent says, mostly in order. */
function agentScript(
  random: SeededRandom,
  ready: { stream: { epoch: string } } | undefined,
  to: string,
): object[] {
  const epoch = ready?.stream.epoch ?? 'e'
  const tx = ready ?? { tx: { producer_epoch: 'p' } }
  const publish = (seq: number) =>
    publishFrame(tx, seq, { id: `f${random.int(0, 1_000_000)}`, recipient_name: to })
  return [
    { type: 'ack', epoch, offset: random.int(1, 3) },
    publish(1),
    publish(2),
    publish(random.int(1, 5)),
    { ...publish(3), recipient_name: '*' },
    { type: 'credit', messages: random.int(0, 1_000), bytes: random.int(0, 1_000_000) },
    { type: 'ping', sent_ms: 1 },
    { type: 'pong' },
    { type: 'refresh', token: 'x' },
    resumeFrame({ generation: random.int(0, 3) }),
  ]
}

async function attack(world: ResumableWorld, agent: ScriptedAgent, random: SeededRandom): Promise<void> {
  const ready = agent.frames.find((frame) => frame.type === 'ready')
  for (const frame of agentScript(random, ready, 'Bo')) {
    if (agent.closed !== undefined) return
    if (random.chance(0.8)) agent.raw(random.chance(0.5) ? mutate(random, frame) : JSON.stringify(frame))
    if (random.chance(0.3)) await world.clock.runFor(random.int(1, 3_000))
  }
}

test(`a hub outlives every agent, and serves the others (seed ${seed})`, { timeout: 60_000 }, async () => {
  const random = createSeededRandom(seed)
  const world = await ResumableWorld.start()
  const [ada, bo] = [await world.join('Ada'), await world.join('Bo')]
  const codes = new Map<number, number>()
  for (let round = 0; round < rounds; round++) {
    const login = await world.login('Ada')
    const agent = world.dial(login.accessToken)
    if (random.chance(0.9)) await agent.next('connected')
    else await world.clock.run(() => agent.opened)
    if (random.chance(0.8)) {
      agent.raw(
        random.chance(0.2) ? mutate(random, resumeFrame()) : JSON.stringify(resumeFrame({ takeover: true })),
      )
      await world.clock.runFor(100)
    }
    await attack(world, agent, random)
    await world.clock.runFor(100)
    if (agent.closed === undefined) agent.close()
    await agent.ended()
    const { code, reason } = agent.closed!
    assert.ok(documented.has(code), `${code} ${reason}`)
    // Whatever an agent sends, nothing breaks inside.
    assert.ok(!world.events.includes('hub:connection:failed'), reason)
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  assert.ok((codes.get(closeCodes.protocol_error) ?? 0) > 0)
  const good = await world.login('Bo')
  const { agent, ready } = await world.open(good, { takeover: true })
  agent.send(publishFrame(ready, 1, { id: 'good', recipient_name: 'Bo' }))
  assert.equal((await agent.next('publish_ack')).result, 'ok')
  agent.close()
  await world.clock.runUntilQuiet({ withinMs: 120_000 })
  assert.equal(world.registry.sessionCount, 0)
  const twice = world.database
    .prepare('SELECT 1 FROM messages GROUP BY sender_id, recipient_id, message_id HAVING count(*) > 1')
    .all()
  assert.deepEqual(twice, [])
  for (const { aiId } of [ada, bo]) {
    const row = world.database
      .prepare(
        `SELECT top - floor AS span, count(position) AS count FROM streams LEFT JOIN entries USING (ai_id)
         WHERE ai_id = ?`,
      )
      .get(aiId)
    assert.equal(row?.['span'], row?.['count'])
  }
})

/** What a hub says, mostly in order. */
function hubScript(random: SeededRandom): object[] {
  const offset = random.int(1, 4)
  return [
    messageFrame(1),
    messageFrame(2),
    messageFrame(offset),
    { type: 'gap', epoch: 'e', from: 3, to: random.int(1, 9), last_id: 'x', reason: 'expired' },
    {
      type: 'publish_ack',
      seq: 1,
      result: random.pick(['ok', 'refused', 'retry', 'expected']),
      expected_seq: 1,
    },
    { type: 'publish_ack', seq: 2, result: 'ok', message_id: 'm2' },
    { type: 'credit', messages: random.int(0, 1_000), bytes: 100_000 },
    { type: 'ping', sent_ms: 1, time: 'now' },
    { type: 'refreshed', token_ttl_s: 10 },
    { type: 'drain', deadline_ms: 1, reconnect_after_ms: 1 },
    { type: 'error', error: 'x', code: 'ERR_X' },
    readyFrame(),
  ]
}

async function mislead(world: SessionWorld, end: HubEnd, random: SeededRandom): Promise<void> {
  const say = (frame: object, rate: number): void => {
    if (end.closed === undefined) end.raw(random.chance(rate) ? mutate(random, frame) : JSON.stringify(frame))
  }
  say({ type: 'connected', ai_id: 1, ai_name: 'Ada', capabilities: ['resume.1'] }, 0.1)
  await world.clock.runFor(random.int(1, 100))
  say(readyFrame({ generation: 2 ** 20, stream: { epoch: 'e', floor: 0, top: 9, next: 1 } }), 0.2)
  await world.clock.runFor(random.int(1, 100))
  for (const frame of hubScript(random)) {
    if (random.chance(0.8)) say(frame, 0.4)
    if (random.chance(0.3)) await world.clock.runFor(random.int(1, 1_000))
  }
}

test(
  `a session outlives every hub, and believes none of its holes (seed ${seed})`,
  { timeout: 60_000 },
  async () => {
    const random = createSeededRandom(seed + 1)
    for (let round = 0; round < rounds; round++) {
      const world = new SessionWorld()
      for (const seq of [1, 2, 3]) world.store.add(seq)
      world.session.start()
      await mislead(world, await world.next(1), random)
      await world.clock.runFor(1_000)
      const { rx } = world.store.current
      const taken = new Set(world.store.messages)
      assert.equal(taken.size, world.store.messages.length, 'a message was taken in twice on one connection')
      const acked = world.ends.flatMap((end) => end.all('ack').map(({ offset }) => Number(offset)))
      for (const offset of acked) assert.ok(rx !== undefined && offset <= rx.offset)
      // It comes back, and takes an honest hub for what it is.
      if (world.session.status.state !== 'stopped') {
        for (const end of world.ends) if (end.closed === undefined) end.terminate()
        const end = await world.asked()
        const generation = world.store.current.generation + 1
        const stream = { epoch: 'honest', floor: 0, top: 1, next: 1 }
        end.ready({ generation, reason: 'hub_rewound', stream })
        end.send(messageFrame(1, { epoch: 'honest', message_id: 'honest' }))
        await world.run(() => world.store.messages.includes('honest'))
      }
      await world.stopped()
    }
  },
)
