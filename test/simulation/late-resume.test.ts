import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubParts, type HubParts } from '../../src/hub/parts.ts'
import { NodesWorld, resumeFrame, type Socket } from '../unit/hub/nodes-world.ts'

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
