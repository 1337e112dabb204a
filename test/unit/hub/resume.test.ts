import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideHolder, type Holder } from '../../../src/hub/holder.ts'
import type { ResumeFrame } from '../../../src/protocol/frames.ts'
import { DecisionWorld, meet, resumeOf } from './hub-world.ts'

const holder: Holder = { generation: 5, instance: 'holder', claim: 'given', start: 2, standing: 'held' }

/** Every combination of what a decision can depend on. */
function* questions() {
  for (const at of [
    undefined,
    holder,
    { ...holder, standing: 'released' },
    { ...holder, standing: 'ended' },
  ] as const)
    for (const generation of [0, 4, 5, 6])
      for (const instance of ['holder', 'other'])
        for (const claim of ['given', 'own'])
          for (const takeover of [false, true])
            for (const gone of [false, true])
              for (const start of [1, 2]) {
                const frame = resumeOf({ generation, instance, claim, start, takeover })
                yield { at, frame, gone }
              }
}

test('decides about every newcomer as the table of the protocol says', () => {
  let asked = 0
  for (const { at, frame, gone } of questions()) {
    asked += 1
    const decision = decideHolder(at, frame, gone)
    const what = JSON.stringify({ at, frame, gone })
    if (at === undefined) {
      assert.deepEqual(decision, { kind: 'take', generation: frame.generation + 1 }, what)
    } else if (frame.instance === at.instance && at.standing === 'ended') {
      assert.deepEqual(decision, { kind: 'ended' }, what)
    } else if ((frame.takeover && frame.instance !== at.instance) || frame.generation > at.generation) {
      const generation = Math.max(at.generation, frame.generation) + 1
      assert.deepEqual(decision, { kind: 'take', generation }, what)
    } else if (frame.instance === at.instance && at.standing === 'released') {
      assert.deepEqual(decision, { kind: 'fenced', generation: at.generation }, what)
    } else if (frame.instance === at.instance) {
      assert.deepEqual(decision, { kind: 'take', generation: at.generation }, what)
    } else if (frame.claim === at.claim && frame.start < at.start) {
      assert.deepEqual(decision, { kind: 'outdated' }, what)
    } else if (frame.generation < at.generation && frame.claim !== at.claim) {
      assert.deepEqual(decision, { kind: 'fenced', generation: at.generation }, what)
    } else if (gone || at.standing !== 'held')
      assert.deepEqual(decision, { kind: 'take', generation: at.generation + 1 }, what)
    else assert.deepEqual(decision, { kind: 'probe', instance: at.instance }, what)
  }
  assert.equal(asked, 512)
})

test('a generation never falls, and no two instances are given the same one', () => {
  for (const { at, frame, gone } of questions()) {
    const decision = decideHolder(at, frame, gone)
    if (decision.kind !== 'take' || at === undefined) continue
    assert.ok(decision.generation >= Math.max(at.generation, frame.generation))
    if (frame.instance !== at.instance) assert.ok(decision.generation > at.generation)
  }
})

test('an instance that answers is replaced by nothing but a takeover or a hub that was put back', () => {
  for (const { at, frame } of questions()) {
    const decision = decideHolder(at, frame, false)
    if (at === undefined || frame.instance === at.instance || decision.kind !== 'take') continue
    if (at.standing !== 'held') continue
    assert.ok(frame.takeover || frame.generation > at.generation)
  }
})

test('the first resume makes a session under generation 1', async () => {
  const { first } = await meet()
  assert.equal(first.reason, 'new')
  assert.equal(first.generation, 1)
  assert.match(first.sessionIdentifier, /^[0-9a-f]{7}$/)
  assert.equal(first.next, 1)
})

test('the same position is resumed, with the same session and the same generation', async () => {
  const { world, ada, first, position } = await meet()
  const again = await world.resume(ada, position)
  assert.equal(again.reason, 'resumed')
  assert.equal(again.generation, 1)
  assert.equal(again.sessionIdentifier, first.sessionIdentifier)
  assert.deepEqual(again.producer, first.producer)
})

test('a ready that got lost locks out neither its instance nor the next one of the same folder', async () => {
  const { world, ada } = await meet()
  assert.equal((await world.resume(ada)).generation, 1)
  // Killed before it noted the generation: another instance, still with generation 0 and the claim.
  assert.equal((await world.tryResume(ada, { instance: 'two' })).kind, 'probe')
  const next = await world.tryResume(ada, { instance: 'two' }, 'one')
  assert.equal(next.kind === 'resumed' && next.generation, 2)
})

test('a copy of the folder that comes late is fenced', async () => {
  const { world, ada, position } = await meet()
  const taken = await world.tryResume(ada, { ...position, instance: 'two', claim: 'second' }, 'one')
  assert.equal(taken.kind === 'resumed' && taken.generation, 2)
  const late = await world.tryResume(ada, { ...position, claim: 'third' })
  assert.deepEqual(late, { kind: 'fenced', generation: 2 })
  const forced = await world.tryResume(ada, { ...position, claim: 'third', takeover: true })
  assert.equal(forced.kind === 'resumed' && forced.generation, 3)
})

test('a copy with the same claim is fenced as soon as the other has acted', async () => {
  const { world, ada, position } = await meet()
  const copy = { ...position, claim: 'copied' }
  const taken = await world.tryResume(ada, { ...copy, instance: 'two' }, 'one')
  assert.ok(taken.kind === 'resumed')
  assert.equal((await world.tryResume(ada, copy)).kind, 'probe')
  await world.publishAt({ ...ada, generation: 2 }, { producerEpoch: taken.producer.epoch, seq: 1 }, 'm1')
  assert.deepEqual(await world.tryResume(ada, copy), { kind: 'fenced', generation: 2 })
})

test('who is told to probe or is fenced changes nothing', async () => {
  const { world, ada, position } = await meet()
  const before = world.database.prepare('SELECT * FROM holders').all()
  await world.tryResume(ada, { ...position, instance: 'two' })
  await world.tryResume(ada, { ...position, instance: 'two', generation: 0, claim: 'other' })
  assert.deepEqual(world.database.prepare('SELECT * FROM holders').all(), before)
})

test('what a resume says is on disk counts as acknowledged', async () => {
  const { world, ada, bo, position } = await meet()
  for (const id of ['a', 'b', 'c']) await world.publish(bo, id, { recipient: { name: 'Ada' } })
  const rx = { ...position.rx!, offset: 2, last_id: await world.mark(ada, 2) }
  const again = await world.resume(ada, { ...position, rx })
  assert.equal(again.reason, 'resumed')
  assert.equal(again.next, 3)
  assert.equal((await world.stream(ada)).acked, 2)
  assert.equal((await world.waiting(ada)).count, 1)
})

test('an agent whose reader was put back is sent again what came after', async () => {
  const { world, ada, bo, position } = await meet()
  for (const id of ['a', 'b', 'c']) await world.publish(bo, id, { recipient: { name: 'Ada' } })
  const at = async (offset: number) => ({ ...position.rx!, offset, last_id: await world.mark(ada, offset) })
  await world.resume(ada, { ...position, rx: await at(3) })
  const again = await world.resume(ada, { ...position, rx: await at(1) })
  assert.equal(again.next, 2)
  assert.equal(again.stream.epoch, position.rx!.epoch)
  // Its own past keeps no new mail out.
  assert.equal((await world.waiting(ada)).count, 0)
})

test('an agent whose outbox was put back gets another numbering', async () => {
  const { world, ada, first, position } = await meet()
  const place = { producerEpoch: first.producer.epoch, seq: 1 }
  await world.publishAt({ ...ada, generation: 1 }, place, 'm1')
  const again = await world.resume(ada, position)
  assert.equal(again.reason, 'agent_rewound')
  assert.notEqual(again.producer.epoch, first.producer.epoch)
  assert.equal(again.producer.verdictSeq, 0)
  assert.equal(again.stream.epoch, first.stream.epoch)
})

const rewinds: readonly [string, (position: Partial<ResumeFrame>) => Partial<ResumeFrame>][] = [
  ['another stream epoch', (p) => ({ rx: { ...p.rx!, epoch: 'other' } })],
  ['an offset beyond the top', (p) => ({ rx: { ...p.rx!, offset: 9 } })],
  ['another message at the offset', (p) => ({ rx: { ...p.rx!, offset: 1, last_id: 'other' } })],
  ['another producer epoch', (p) => ({ tx: { ...p.tx!, producer_epoch: 'other' } })],
  [
    'a verdict that the hub has not given',
    (p) => ({ tx: { ...p.tx!, next_seq: 3, last_acked: { seq: 2, id: 'm2' } } }),
  ],
  [
    'a verdict for another message',
    (p) => ({ tx: { ...p.tx!, next_seq: 2, last_acked: { seq: 1, id: 'other' } } }),
  ],
  ['a higher generation', () => ({ generation: 7 })],
]

for (const [what, change] of rewinds) {
  test(`${what} shows that the hub was put back`, async () => {
    const { world, ada, bo, first, position } = await meet()
    await world.publish(bo, 'x', { recipient: { name: 'Ada' } })
    await world.publishAt({ ...ada, generation: 1 }, { producerEpoch: first.producer.epoch, seq: 1 }, 'm1')
    const fits = { ...position, tx: { ...position.tx!, next_seq: 2, last_acked: { seq: 1, id: 'm1' } } }
    assert.equal((await world.resume(ada, fits)).reason, 'resumed')
    const again = await world.resume(ada, { ...fits, ...change(fits) })
    assert.equal(again.reason, 'hub_rewound')
    assert.notEqual(again.stream.epoch, first.stream.epoch)
    assert.notEqual(again.producer.epoch, first.producer.epoch)
    assert.equal(again.next, 1)
    assert.equal((await world.waiting(ada)).count, 1)
    if (what === 'a higher generation') assert.equal(again.generation, 8)
  })
}

test('a hub that was put back is found out by whoever was there since', async () => {
  const { world, ada, bo, first, position } = await meet()
  const backup = world.backup()
  await world.publish(bo, 'lost', { recipient: { name: 'Ada' } })
  await world.publishAt({ ...ada, generation: 1 }, { producerEpoch: first.producer.epoch, seq: 1 }, 'm1')
  const reader = { ...position, rx: { ...position.rx!, offset: 1, last_id: await world.mark(ada, 1) } }
  backup.restore()
  assert.equal((await world.resume(ada, reader)).reason, 'hub_rewound')
})

test('a hub that was put back is found out even where the same message comes to the same offset', async () => {
  const { world, ada, bo, position } = await meet()
  const cy = await world.join('Cy')
  const toAda = { recipient: { name: 'Ada' } }
  const backup = world.backup()
  await world.publish(bo, 'first', toAda)
  await world.publish(bo, 'second', toAda)
  const reader = { ...position, rx: { ...position.rx!, offset: 2, last_id: await world.mark(ada, 2) } }
  backup.restore()
  await world.clock.runFor(1_000)
  // Another one comes first; the reader has never seen it, and would pass it over.
  await world.publish(cy, 'new', toAda)
  await world.publish(bo, 'second', toAda)
  const again = await world.resume(ada, reader)
  assert.equal(again.reason, 'hub_rewound')
  assert.equal(again.next, 1)
})

test('positions whose messages are not kept any more are believed', async () => {
  const { world, ada, bo, first, position } = await meet()
  world.limits = { ...world.limits, waitingMax: 100_000 }
  await world.publish(bo, 'x', { recipient: { name: 'Ada' } })
  await world.publishAt({ ...ada, generation: 1 }, { producerEpoch: first.producer.epoch, seq: 1 }, 'm1')
  world.database.exec('DELETE FROM published_seqs')
  const tx = { ...position.tx!, next_seq: 2, last_acked: { seq: 1, id: 'whatever' } }
  assert.equal((await world.resume(ada, { ...position, tx })).reason, 'resumed')
})

test('a hub that has lost the session makes it again under the same identifier', async () => {
  const { world, ada, first, position } = await meet()
  world.database.exec('DELETE FROM sessions')
  const again = await world.resume(ada, position)
  assert.equal(again.reason, 'resumed')
  assert.equal(again.sessionIdentifier, first.sessionIdentifier)
})

test('an agent without a position begins where the stream begins', async () => {
  const { world, ada, bo, first } = await meet()
  await world.publish(bo, 'a', { recipient: { name: 'Ada' } })
  const again = await world.resume(ada, { generation: 1, session_identifier: first.sessionIdentifier })
  assert.equal(again.reason, 'new')
  assert.equal(again.next, 1)
  assert.notEqual(again.producer.epoch, first.producer.epoch)
})

test('nobody resumes who is not registered', async () => {
  const world = new DecisionWorld()
  const actor = { aiId: 99, name: 'Nobody', generation: undefined }
  await assert.rejects(world.resume(actor), { code: 'ERR_NO_SUCH_PROFILE' })
})

test('an identifier that no hub gives is not taken over', async () => {
  for (const wanted of ['1234567', 'abcdef', 'abcdef12', 'ABCDEF1', 'ghijklm', 'x'.repeat(256)]) {
    const world = new DecisionWorld()
    const ada = await world.join('Ada')
    const first = await world.resume(ada, { session_identifier: wanted })
    assert.match(first.sessionIdentifier, /^(?=.*[a-f])[0-9a-f]{7}$/)
    assert.notEqual(first.sessionIdentifier, wanted)
    // As if it had not been named: the session that there is goes on.
    const again = await world.resume(ada, { session_identifier: wanted, generation: 1 })
    assert.equal(again.sessionIdentifier, first.sessionIdentifier)
  }
})

test('an agent that comes under ever new identifiers leaves no more than 100 sessions behind', async () => {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  const other = await world.resume(bo)
  let last = ''
  for (let n = 0; n < 130; n++) {
    last = `a${String(n).padStart(6, '0')}`
    const { sessionIdentifier } = await world.resume(ada, { session_identifier: last, generation: n })
    assert.equal(sessionIdentifier, last)
  }
  const rows = world.database
    .prepare('SELECT session_identifier AS name, status FROM sessions WHERE ai_id = ? ORDER BY id')
    .all(ada.aiId)
  assert.equal(rows.length, 101)
  assert.deepEqual({ ...rows.at(-1) }, { name: last, status: 'active' })
  assert.equal(rows[0]?.['name'], 'a000029')
  assert.equal((await world.resume(bo)).sessionIdentifier, other.sessionIdentifier)
})
