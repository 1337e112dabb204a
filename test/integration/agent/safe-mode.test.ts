import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent, type AgentDefinition } from '../../../src/index.ts'
import { withFolder } from '../../helpers/folder.ts'
import { gate, until, useAgent } from '../../helpers/real-agent.ts'

const safe = { safeMode: true }

test('in safe mode no handler runs, and afterwards what came in is handled once, in order', () =>
  withFolder(async (home) => {
    const handled: string[] = []
    const ada = defineAgent({
      name: 'Ada',
      onStart: () => void handled.push('start'),
      onMessage: ({ text }) => void handled.push(text),
    })
    await useAgent(
      home,
      ada,
      async (agent) => {
        assert.equal(agent.safeMode, true)
        await agent.ingest({ id: '1', payload: 'first' })
        await agent.ingest({ id: '2', payload: 'second' })
        assert.equal((await agent.ingest({ id: '1', payload: 'first' })).duplicate, true)
        // What is paused and what is not make no difference.
        await agent.queue.pause(['inbox'])
        await agent.queue.resume(['inbox'])
        await agent.ingest({ id: '3', payload: 'third' })
      },
      safe,
    )
    assert.deepEqual(handled, [])
    await useAgent(home, ada, async (agent) => {
      assert.equal(agent.recovered.previous, 'clean')
      await until(() => handled.length === 4)
      assert.equal(agent.safeMode, false)
    })
    assert.deepEqual(handled, ['start', 'first', 'second', 'third'])
  }))

test('safe mode keeps the state as it is stored, whatever the schema has become', () =>
  withFolder(async (home) => {
    const version = (number: number, schema: z.ZodType<object>): AgentDefinition<object> =>
      defineAgent({
        name: 'Ada',
        state: { version: number, schema },
        onMessage: (_message, ctx) => ctx.update((state) => void Object.assign(state, { paid: 7 })),
      })
    const first = version(3, z.object({ paid: z.number().default(0) }))
    await useAgent(home, first, (agent) => agent.handle('pay'))
    const refuses = version(9, z.object({ paid: z.string().default('') }))
    await useAgent(
      home,
      refuses,
      (agent) => {
        assert.deepEqual(agent.state(), { paid: 7 })
        const { value } = agent.reader.get<{ value: number }>(
          "SELECT value FROM counters WHERE name = 'state.version'",
        ) as { value: number }
        assert.equal(value, 3)
      },
      safe,
    )
    await useAgent(home, first, (agent) => assert.deepEqual(agent.state(), { paid: 7 }))
  }))

test('timers wait in safe mode, and fire once it is over, once', () =>
  withFolder(async (home) => {
    let fired = 0
    const ada = defineAgent({
      name: 'Ada',
      onMessage: (_message, ctx) => void ctx.schedule('1s'),
      onTimer: () => void (fired += 1),
    })
    await useAgent(home, ada, (agent) => agent.handle('go'))
    await useAgent(
      home,
      ada,
      async (agent) => {
        const due = agent.reader.get<{ due_at: number }>('SELECT due_at FROM timers')?.due_at ?? 0
        await until(() => Date.now() > due + 50)
        await agent.ingest({ id: 'beside', payload: 'x' })
        assert.equal(agent.reader.all('SELECT id FROM timers').length, 1)
      },
      safe,
    )
    assert.equal(fired, 0)
    await useAgent(home, ada, async (agent) => {
      await until(() => fired === 1)
      await agent.handle('the turn after')
    })
    assert.equal(fired, 1)
  }))

test('in safe mode a person decides: a dead letter is put back, and handled when it is over', () =>
  withFolder(async (home) => {
    let broken = true
    const handled: string[] = []
    const ada = defineAgent({
      name: 'Ada',
      limits: { failuresMax: 1 },
      onMessage({ text }) {
        if (broken) throw new Error('not today')
        handled.push(text)
      },
    })
    const turn = await useAgent(home, ada, async (agent) => {
      const { position } = await agent.ingest({ id: '1', payload: 'again' })
      await agent.event('turn:dead')
      return position
    })
    broken = false
    await useAgent(home, ada, (agent) => agent.retryTurn(turn), safe)
    assert.deepEqual(handled, [])
    await useAgent(home, ada, () => until(() => handled.length === 1))
    assert.deepEqual(handled, ['again'])
  }))

test('what waits to be sent is sent in safe mode', () =>
  withFolder(async (home) => {
    const away = gate()
    const ada = defineAgent({ name: 'Ada', onMessage: (_message, ctx) => ctx.send('Bo', 'hello') })
    await useAgent(home, ada, (agent) => agent.handle('go'), {
      deliver: async () => {
        await away.passed
        return { verdict: 'retry', error: 'he is away' }
      },
    }).finally(away.open)
    const delivered: unknown[] = []
    await useAgent(home, ada, (agent) => agent.event('outbox:message:delivered'), {
      ...safe,
      deliver: async ({ content }) => {
        delivered.push(content)
        return { verdict: 'delivered' }
      },
    })
    assert.deepEqual(delivered, ['hello'])
  }))
