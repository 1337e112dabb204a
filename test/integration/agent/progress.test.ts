import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../src/index.ts'
import { gate, until, withAgent } from '../../helpers/real-agent.ts'

test('a turn that awaits for long is work: what waits behind it and beside it stalls nothing', () => {
  const hold = gate()
  const ada = defineAgent({
    name: 'Ada',
    limits: { turnsMax: 1 },
    onMessage: async ({ text }) => {
      if (text === 'long') await hold.passed
    },
  })
  return withAgent(ada, async (agent) => {
    await agent.ingest({ id: '1', payload: 'long', conversation: 'a' })
    await agent.ingest({ id: '2', payload: 'behind', conversation: 'a' })
    await agent.ingest({ id: '3', payload: 'beside', conversation: 'b' })
    await until(() => agent.progress.turns.length === 1)
    await until(() => (agent.progress.turns[0]?.forMs ?? 0) > 100)
    const { turns, stalledMs } = agent.progress
    assert.deepEqual([turns[0]?.turn, turns[0]?.attempt, stalledMs], [1, 1, 0])
    hold.open()
    await agent.event('turn:done', ({ turn }) => turn === 3)
    await until(() => agent.load.inbox === 0)
    assert.deepEqual(agent.progress, { turns: [], stalledMs: 0 })
  })
})

test('an await that never ends is ended by the time-out of its turn, and others go on', () => {
  const ada = defineAgent({
    name: 'Ada',
    limits: { turnTimeoutMs: 150, failuresMax: 2, retryDelayMs: 1 },
    onMessage: async ({ text }, ctx) => {
      if (text === 'deadlock') await new Promise(() => undefined)
      await ctx.reply('done')
    },
  })
  return withAgent(ada, async (agent) => {
    const { position } = await agent.ingest({ id: '1', payload: 'deadlock', conversation: 'a' })
    await agent.handle('other', 'b')
    const dead = await agent.event('turn:dead', ({ turn }) => turn === position)
    assert.match(dead.reason, /did not end within 150 ms/)
  })
})

for (const safeMode of [false, true]) {
  const what = safeMode ? 'whose mind is off' : 'whose inbox is paused'
  test(`an agent ${what} is not stalled, whatever waits`, () =>
    withAgent(
      defineAgent({ name: 'Ada', onMessage: () => undefined }),
      async (agent) => {
        if (!safeMode) await agent.queue.pause(['inbox'])
        await agent.ingest({ id: '1', payload: 'x' })
        const sinceMs = performance.now()
        await until(() => performance.now() - sinceMs > 60)
        assert.deepEqual([agent.load.inbox, agent.progress.stalledMs], [1, 0])
      },
      { safeMode },
    ))
}
