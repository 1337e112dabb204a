import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent } from '../../../src/index.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import type { TestAgent } from '../../helpers/real-agent.ts'
import { withFolder } from '../../helpers/folder.ts'
import { fastPlatform, gate, openTestAgent, until, useAgent, withAgent } from '../../helpers/real-agent.ts'
import { code } from '../../helpers/store-folder.ts'

interface Evidence {
  readonly error: { readonly code: string | null; readonly message: string; readonly stack: string }
  readonly attempts: number
  readonly failures: number
  readonly steps: readonly string[]
  readonly effects: readonly { readonly name: string; readonly status: string }[]
}

function evidenceOf(agent: TestAgent, turn: number): Evidence {
  const row = agent.reader.get<{ evidence: string }>(
    'SELECT evidence FROM dead_letters WHERE position = ?',
    turn,
  )
  return JSON.parse(row?.evidence ?? '{}') as Evidence
}

test('a handler that throws is tried again with growing delays, and set aside with its evidence after failuresMax', () => {
  const delays: (number | null)[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 4, retryDelayMs: 8, retryDelayMaxMs: 16 },
    async onMessage(_, ctx) {
      await ctx.step('looked', () => 1)
      await ctx.effect('told', { run: () => 'ok' })
      await ctx.reply('never sent')
      ctx.update((state) => void Object.assign(state, { never: true }))
      throw new Error('cannot')
    },
  })
  return withAgent(definition, async (agent) => {
    agent.on('turn:attempt:failed', ({ retryInMs }) => delays.push(retryInMs))
    await agent.ingest({ id: '1', payload: 'go' })
    const { turn } = await agent.event('turn:dead')
    assert.equal(delays.length, 4)
    for (const [index, most] of [8, 16, 16].entries()) {
      const delay = delays[index] as number
      assert.ok(delay >= most / 2 && delay <= most, `${delay} of ${most}`)
    }
    assert.equal(delays[3], null)
    const evidence = evidenceOf(agent, turn)
    assert.equal(evidence.error.message, 'cannot')
    assert.match(evidence.error.stack, /failure\.test\.ts/)
    assert.deepEqual([evidence.attempts, evidence.failures], [4, 4])
    assert.deepEqual(evidence.steps, ['looked'])
    assert.deepEqual(
      evidence.effects.map(({ name, status }) => [name, status]),
      [['told', 'done']],
    )
    assert.deepEqual([agent.mailbox(), agent.state()], [[], {}])
  })
})

test('behind a dead letter the conversation goes on, and retryTurn puts it back at its place', () => {
  let broken = true
  const order: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    onMessage({ text }) {
      if (text === 'bad' && broken) throw new Error('cannot')
      order.push(text)
    },
  })
  return withAgent(definition, async (agent) => {
    const { position } = await agent.ingest({ id: '1', payload: 'bad' })
    await agent.handle('good')
    broken = false
    await agent.retryTurn(position)
    await agent.event('turn:done', ({ turn }) => turn === position)
    assert.deepEqual(order, ['good', 'bad'])
    await assert.rejects(agent.retryTurn(position), code('ERR_NO_SUCH_TURN', /not a dead letter/))
    await assert.rejects(agent.retryTurn(999), code('ERR_NO_SUCH_TURN'))
    assert.equal(agent.reader.get<{ n: number }>('SELECT count(*) AS n FROM dead_letters')?.n, 0)
  })
})

test('a dead letter that comes back while its conversation is busy runs next, and a parked turn stays parked', () => {
  let broken = true
  const held = gate()
  const order: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    async onMessage({ text }, ctx) {
      if (text === 'bad' && broken) throw new Error('cannot')
      if (text === 'unsure') {
        await held.passed
        await ctx.effect('send', {
          run() {
            throw new Error('no answer')
          },
        })
      }
      order.push(text)
    },
  })
  return withAgent(definition, async (agent) => {
    const { position: bad } = await agent.ingest({ id: '1', payload: 'bad' })
    const { position: unsure } = await agent.ingest({ id: '2', payload: 'unsure' })
    await agent.ingest({ id: '3', payload: 'behind' })
    await agent.event('turn:attempt:started', ({ turn }) => turn === unsure)
    broken = false
    await agent.retryTurn(bad)
    held.open()
    await agent.event('turn:parked', ({ turn }) => turn === unsure)
    await agent.event('turn:done', ({ turn }) => turn === bad)
    assert.deepEqual(order, ['bad'])
    const status = agent.reader.get<{ status: string }>('SELECT status FROM inbox WHERE position = ?', unsure)
    assert.equal(status?.status, 'parked')
    await agent.resolveEffect(unsure, 'send', { outcome: 'done', result: null })
    await agent.event('turn:done', ({ turn }) => turn === 3)
    assert.deepEqual(order, ['bad', 'unsure', 'behind'])
  })
})

test('a handler that never returns is timed out, its signal aborts, and others are not held up', () => {
  const reasons: unknown[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { turnTimeoutMs: 100, failuresMax: 2, retryDelayMs: 1 },
    onMessage({ text }, ctx) {
      if (text !== 'hang') return
      ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason))
      return new Promise(() => undefined)
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.ingest({ id: '1', payload: 'hang', conversation: 'a' })
    await agent.handle('fine', 'b')
    const { turn } = await agent.event('turn:dead')
    assert.equal(evidenceOf(agent, turn).error.code, 'ERR_TURN_TIMEOUT')
    assert.equal(reasons.length, 2)
    for (const reason of reasons) code('ERR_TURN_TIMEOUT', /raise limits\.turnTimeoutMs/)(reason)
    await agent.handle('behind', 'a')
  })
})

test('what the handler did not await belongs to the turn all the same', () => {
  const definition = defineAgent({
    name: 'Ada',
    state: { version: 1, schema: z.object({ late: z.string().default('') }) },
    onMessage(_, ctx) {
      void ctx
        .step('slow', () => new Promise((go) => setTimeout(go, 20, 'came')))
        .then((result) => {
          ctx.update((state) => void (state.late = String(result)))
        })
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('go')
    assert.deepEqual(agent.state(), { late: 'came' })
  })
})

test('a step that nobody awaited and that fails after the handler has ended fails the turn', () => {
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    onMessage(_, ctx) {
      void ctx.step('slow', () => new Promise((_, fail) => setTimeout(fail, 10, new Error('too late'))))
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.ingest({ id: '1', payload: 'go' })
    assert.equal((await agent.event('turn:dead')).reason, 'too late')
  })
})

test('a step that outlives its turn is not recorded', () => {
  const late = gate()
  const over = gate()
  const definition = defineAgent({
    name: 'Ada',
    limits: { turnTimeoutMs: 100, failuresMax: 1 },
    async onMessage({ text }, ctx) {
      if (text !== 'hang') return
      await ctx.step('slow', () => late.passed).finally(over.open)
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.ingest({ id: '1', payload: 'hang' })
    await agent.event('turn:dead')
    late.open()
    await over.passed
    await agent.handle('other')
    assert.equal(agent.reader.get<{ n: number }>('SELECT count(*) AS n FROM steps')?.n, 0)
  })
})

test('an update that the schema refuses fails the turn and changes nothing', () => {
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    state: { version: 1, schema: z.object({ a: z.number().max(1).default(0) }) },
    onMessage(_, ctx) {
      ctx.update((state) => void (state.a += 1))
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('fits')
    const { position } = await agent.ingest({ id: '2', payload: 'does not fit' })
    await agent.event('turn:dead', ({ turn }) => turn === position)
    assert.equal(evidenceOf(agent, position).error.code, 'ERR_STATE_INVALID')
    assert.deepEqual(agent.state(), { a: 1 })
  })
})

test('a disk that is full for a while is no failure of a turn: everything is done once there is room', () => {
  const platform = fastPlatform(10)
  let full = false
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    async onMessage(_, ctx) {
      full = ctx.turn.attempt === 1
      for (let n = 0; n < 100; n++) await ctx.step('some', () => n)
      await ctx.reply('done')
    },
  })
  const disk = { ...platform.disk, freeBytes: () => (full ? 0 : Infinity) }
  return withAgent(
    definition,
    async (agent) => {
      await agent.ingest({ id: '1', payload: 'go' })
      await until(() => agent.logged.includes('turn:attempt:abandoned'))
      await assert.rejects(
        agent.ingest({ id: '2', payload: 'go' }),
        code('ERR_STORE_WRITE', /free some disk space/),
      )
      full = false
      await agent.event('turn:done')
      assert.deepEqual(agent.mailbox(), ['done'])
      assert.equal(agent.reader.get<{ failures: number }>('SELECT failures FROM inbox')?.failures, 0)
    },
    { platform: { ...platform, disk } },
  )
})

test('an agent can be closed while its disk is full', () =>
  withFolder(async (home) => {
    const platform = createNodePlatform()
    let full = false
    const disk = { ...platform.disk, freeBytes: () => (full ? 0 : Infinity) }
    const options = { platform: { ...platform, disk } }
    const agent = await openTestAgent(home, defineAgent({ name: 'Ada' }), options)
    full = true
    await agent.close()
    full = false
    await useAgent(home, defineAgent({ name: 'Ada' }), () => undefined, options)
  }))

test('a listener that throws stops nothing', () => {
  const definition = defineAgent({ name: 'Ada', onMessage: (_, ctx) => ctx.reply('yes') })
  return withAgent(definition, async (agent) => {
    for (const name of ['inbox:entry:accepted', 'outbox:message:committed', 'turn:done'] as const) {
      agent.on(name, () => {
        throw new Error('a bug of the listener')
      })
    }
    await agent.handle('one')
    await agent.handle('two')
    assert.deepEqual(agent.mailbox(), ['yes', 'yes'])
    assert.equal(agent.logged.filter((event) => event === 'agent:listener:failed').length, 6)
  })
})

test('whatever a handler throws, its turn is set aside, and the next one is handled', () => {
  const unreadable = (): never => {
    throw new Error('not to be read')
  }
  const bad = new Error('bad')
  Object.defineProperty(bad, 'message', { get: unreadable })
  const thrown: readonly unknown[] = [
    Object.create(null),
    new Proxy({}, { get: unreadable, getPrototypeOf: unreadable }),
    new Proxy(new Error('inside'), { get: unreadable }),
    bad,
    null,
    Symbol('none'),
  ]
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    onMessage(message) {
      const { index } = message.payload as { index: number }
      if (index < thrown.length) throw thrown[index]
    },
  })
  return withAgent(definition, async (agent) => {
    for (const index of thrown.keys()) {
      const { position } = await agent.ingest({ id: `odd-${index}`, payload: { index } })
      await agent.event('turn:dead', ({ turn }) => turn === position)
      assert.equal(typeof evidenceOf(agent, position).error.message, 'string')
    }
    await agent.handle({ index: thrown.length })
  })
})
