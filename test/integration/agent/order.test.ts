import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent } from '../../../src/index.ts'
import { withFolder } from '../../helpers/folder.ts'
import { gate, until, useAgent, withAgent } from '../../helpers/real-agent.ts'

const counting = z.object({ a: z.number().default(0), b: z.number().default(0), runs: z.number().default(0) })

test('entries of one conversation are handled in order, those of others beside them', () => {
  const held = gate()
  const order: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    async onMessage({ text, conversation }) {
      if (text === 'first') await held.passed
      order.push(`${conversation} ${text}`)
    },
  })
  return withAgent(definition, async (agent) => {
    for (const text of ['first', 'second', 'third']) {
      await agent.ingest({ id: text, payload: text, conversation: 'slow' })
    }
    await agent.handle('alone', 'fast')
    assert.deepEqual(order, ['fast alone'])
    held.open()
    await agent.event('turn:done', ({ turn }) => turn === 3)
    assert.deepEqual(order, ['fast alone', 'slow first', 'slow second', 'slow third'])
  })
})

test('no more turns run side by side than turnsMax', () => {
  const held = gate()
  let running = 0
  let most = 0
  const definition = defineAgent({
    name: 'Ada',
    limits: { turnsMax: 3 },
    async onMessage() {
      most = Math.max(most, ++running)
      await held.passed
      running -= 1
    },
  })
  return withAgent(definition, async (agent) => {
    for (let n = 1; n <= 7; n++) await agent.ingest({ id: String(n), payload: n, conversation: String(n) })
    await until(() => running === 3)
    held.open()
    for (let turn = 1; turn <= 7; turn++) await agent.event('turn:done', (event) => event.turn === turn)
    assert.equal(most, 3)
  })
})

test('what fails holds back its own conversation only, and keeps its place in it', () => {
  const order: string[] = []
  let failures = 2
  const definition = defineAgent({
    name: 'Ada',
    limits: { retryDelayMs: 20 },
    onMessage({ text }) {
      if (text === 'first' && failures-- > 0) throw new Error('not yet')
      order.push(text)
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.ingest({ id: '1', payload: 'first', conversation: 'a' })
    await agent.ingest({ id: '2', payload: 'second', conversation: 'a' })
    await agent.handle('other', 'b')
    await agent.event('turn:done', ({ turn }) => turn === 2)
    assert.deepEqual(order, ['other', 'first', 'second'])
  })
})

test('a turn whose reading another one changed runs again, with its recorded steps, and nothing is lost', () => {
  const held = gate()
  const reading = gate()
  const seen: number[] = []
  let steps = 0
  const definition = defineAgent({
    name: 'Ada',
    state: { version: 1, schema: counting },
    async onMessage({ text }, ctx) {
      if (text === 'writer') return ctx.update((state) => void (state.a += 100))
      const before = ctx.state.a
      seen.push(before)
      await ctx.step('once', () => ++steps)
      reading.open()
      await held.passed
      ctx.update((state) => void (state.a = before + 1))
    },
  })
  return withAgent(definition, async (agent) => {
    const { position } = await agent.ingest({ id: 'r', payload: 'reader', conversation: 'r' })
    await reading.passed
    await agent.handle('writer', 'w')
    held.open()
    await agent.event('turn:done', ({ turn }) => turn === position)
    assert.deepEqual(seen, [0, 100])
    assert.equal(steps, 1)
    assert.equal(agent.state()['a'], 101)
    const attempts = agent.reader.get<{ attempts: number }>(
      'SELECT attempts FROM inbox WHERE position = ?',
      position,
    )
    assert.equal(attempts?.attempts, 1)
  })
})

for (const [what, read, again] of [
  ['another key than it read', 'b', false],
  ['the key that it read', 'a', true],
  ['any key, and it read them all', 'all', true],
  ['the state, and it read nothing', 'none', false],
] as const) {
  test(`a turn ${again ? 'runs again' : 'does not run again'} when another one changed ${what}`, () => {
    const held = gate()
    const reading = gate()
    let runs = 0
    const definition = defineAgent({
      name: 'Ada',
      state: { version: 1, schema: counting },
      async onMessage({ text }, ctx) {
        if (text === 'writer') return ctx.update((state) => void (state.a += 1))
        runs += 1
        if (read === 'all') assert.ok(Object.keys(ctx.state).length > 0)
        else if (read !== 'none') assert.ok(ctx.state[read] >= 0)
        reading.open()
        await held.passed
        ctx.update((state) => void (state.b += 1))
      },
    })
    return withAgent(definition, async (agent) => {
      const { position } = await agent.ingest({ id: 'r', payload: 'reader', conversation: 'r' })
      await reading.passed
      await agent.handle('writer', 'w')
      held.open()
      await agent.event('turn:done', ({ turn }) => turn === position)
      assert.equal(runs, again ? 2 : 1)
      assert.deepEqual(agent.state(), { a: 1, b: 1, runs: 0 })
    })
  })
}

test('an effect of a turn that runs again because of a conflict is not done again', () => {
  const held = gate()
  const reading = gate()
  let done = 0
  const definition = defineAgent({
    name: 'Ada',
    state: { version: 1, schema: counting },
    async onMessage({ text }, ctx) {
      if (text === 'writer') return ctx.update((state) => void (state.a += 1))
      const a = ctx.state.a
      const result = await ctx.effect('once', { run: () => ++done })
      reading.open()
      await held.passed
      ctx.update((state) => void (state.b = a + result))
    },
  })
  return withAgent(definition, async (agent) => {
    const { position } = await agent.ingest({ id: 'r', payload: 'reader', conversation: 'r' })
    await reading.passed
    await agent.handle('writer', 'w')
    held.open()
    await agent.event('turn:done', ({ turn }) => turn === position)
    assert.equal(done, 1)
    assert.equal(agent.state()['b'], 2)
  })
})

test('a turn that conflicts for ever beside others is run alone after five conflicts, and comes through', () =>
  withFolder(async (home) => {
    let runs = 0
    let writing = 0
    let writersBeside = 0
    let bump: () => Promise<number> = () => Promise.resolve(0)
    const definition = defineAgent({
      name: 'Ada',
      state: { version: 1, schema: counting },
      async onMessage({ text }, ctx) {
        if (text === 'writer') {
          writing += 1
          await ctx.step('breathe', () => undefined)
          writing -= 1
          return ctx.update((state) => void (state.a += 1))
        }
        runs += 1
        const before = ctx.state.a
        if (runs <= 6) await bump()
        else writersBeside = writing
        ctx.update((state) => void (state.runs = before))
      },
    })
    await useAgent(home, definition, async (agent) => {
      let conversation = 0
      bump = () => agent.handle('writer', `w${++conversation}`)
      const { position } = await agent.ingest({ id: 'r', payload: 'reader', conversation: 'r' })
      const more = (async () => {
        for (let n = 0; n < 20; n++) await agent.handle('writer', `more${n}`)
      })()
      await agent.event('turn:done', ({ turn }) => turn === position)
      await more
      assert.equal(runs, 7)
      assert.equal(writersBeside, 0)
      assert.equal(agent.state()['a'], 26)
    })
  }))

test('updates of many turns side by side are all there', () => {
  const definition = defineAgent({
    name: 'Ada',
    state: { version: 1, schema: counting },
    async onMessage(_, ctx) {
      await ctx.step('breathe', () => undefined)
      ctx.update((state) => void (state.a += 1))
    },
  })
  return withAgent(definition, async (agent) => {
    await Promise.all(Array.from({ length: 40 }, (_, index) => agent.handle(index, `c${index}`)))
    assert.equal(agent.state()['a'], 40)
  })
})

for (const when of ['waits', 'is about to wait'] as const) {
  test(`closing ends a turn that ${when} to run alone, and the next start does it`, () =>
    withFolder(async (home) => {
      let runs = 0
      const last = gate()
      let closing = false
      let bump: () => Promise<unknown> = () => Promise.resolve()
      const definition = defineAgent({
        name: 'Ada',
        state: { version: 1, schema: counting },
        async onMessage({ text }, ctx) {
          if (text === 'hang') return closing ? undefined : new Promise(() => undefined)
          if (text === 'writer') return ctx.update((state) => void (state.a += 1))
          runs += 1
          const before = ctx.state.a
          if (!closing) await bump()
          if (runs === 6) await last.passed
          ctx.update((state) => void (state.runs = before))
        },
      })
      await useAgent(home, definition, async (agent) => {
        let conversation = 0
        bump = () => agent.handle('writer', `w${++conversation}`)
        await agent.ingest({ id: 'hang', payload: 'hang', conversation: 'h' })
        await agent.ingest({ id: 'reader', payload: 'reader', conversation: 'r' })
        await until(() => runs === 6 && agent.state()['a'] === 6)
        if (when === 'waits') {
          last.open()
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
        const closed = agent.close({ deadlineMs: 100 })
        last.open()
        await closed
        assert.equal(runs, 6)
      })
      closing = true
      await useAgent(home, definition, async (agent) => {
        assert.equal(agent.recovered.previous, 'clean')
        await agent.event('turn:done', ({ turn }) => turn === 2)
        assert.equal(agent.state()['runs'], 6)
      })
    }))
}
