import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubParts, type HubParts } from '../../src/hub/parts.ts'
import { NodesWorld, type Socket } from '../unit/hub/nodes-world.ts'
import { resumeFrame } from '../unit/hub/relay/resumable-world.ts'

/*
 * A frame that is on its way for longer than its process lives, and for longer than the next process needs to get in, whose
 * answer to the hub's question is on its way for longer still. Random seeds meet all of that once in some ten thousand.
 */

/** The second process of an agent is in; then the `resume` of the first one, which is dead, arrives. */
async function play(parts: HubParts): Promise<{ readonly dead: Socket; readonly alive: Socket }> {
  const world = new NodesWorld()
  await world.start('hub', { parts })
  world.network.retransmitMs = 60_000
  const token = await world.join('hub', 'Ada', 1)
  const [first, second] = [world.guest('first'), world.guest('second')]
  const claim = 'claim of the folder'
  const dead = world.dial('hub', token, undefined, first)
  await dead.first('connected')
  world.network.link('first', 'hub').down = true
  dead.send(resumeFrame({ instance: 'one', claim, start: 1 }))
  const alive = await world.open('hub', token, { instance: 'two', claim, start: 2 }, second)
  // It lives, but nobody hears it for as long as the hub waits.
  alive.alive = false
  world.network.link('first', 'hub').down = false
  await world.clock.runFor(5_000)
  return { dead, alive }
}

test('the late words of a dead process do not take the session of the next', async () => {
  const { dead, alive } = await play(hubParts)
  assert.equal(dead.closed?.code, 4409)
  assert.equal(alive.closed, undefined)
})

test('is caught: a hub that gives the session to whichever process asks last, dead or not', async () => {
  const { alive } = await play({
    ...hubParts,
    resume: (tx, request) => hubParts.resume(tx, { ...request, frame: { ...request.frame, start: 1 } }),
  })
  assert.equal(alive.closed?.code, 4500)
})

/** A process takes the session over twice, since its first `resume` is late: so late that it comes when the process is over. */
async function takeOverTwice({ release }: { readonly release: boolean }) {
  const world = new NodesWorld()
  await world.start('hub')
  world.network.retransmitMs = 60_000
  const token = await world.join('hub', 'Ada', 4)
  const [first, other] = [world.guest('first'), world.guest('other')]
  const asked = { instance: 'one', generation: 4, claim: 'before', start: 1, takeover: true }
  const late = world.dial('hub', token, undefined, first)
  await late.first('connected')
  world.network.link('first', 'hub').down = true
  late.send(resumeFrame(asked))
  const live = await world.open('hub', token, asked, other)
  const { generation } = await live.first('ready')
  if (release) live.send({ type: 'release' })
  else live.close()
  await live.ended()
  late.alive = false
  world.network.link('first', 'hub').down = false
  await world.clock.runFor(1_000)
  // It has noted that generation, and a claim of its own with it.
  const noted = { instance: 'two', generation, claim: 'after', start: 1 }
  return { late, generation, next: await world.open('hub', token, noted, other) }
}

for (const release of [false, true]) {
  const how = release ? 'was handed over' : 'died'
  test(`the late takeover of a process that ${how} does not shut out the next one`, async () => {
    const { late, generation, next } = await takeOverTwice({ release })
    assert.equal((await next.first('ready')).generation, generation + 1)
    assert.equal(late.closed?.code, release ? 4501 : 4500)
  })
}
