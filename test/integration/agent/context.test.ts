import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent } from '../../../src/index.ts'
import type { Context, FiredTimer, Message } from '../../../src/index.ts'
import { withFolder } from '../../helpers/folder.ts'
import { gate, until, useAgent, withAgent } from '../../helpers/real-agent.ts'
import { code } from '../../helpers/store-folder.ts'

type Handler = (message: Message, ctx: Context<object>) => Promise<void> | void

/** Handles one message with `handler` and gives what it saw. */
async function inTurn<T>(see: (message: Message, ctx: Context<object>) => Promise<T> | T): Promise<T> {
  let seen: T | undefined
  const definition = defineAgent({
    name: 'Ada',
    async onMessage(message, ctx) {
      seen = await see(message, ctx)
    },
  })
  await withAgent(definition, (agent) => agent.handle({ text: 'hello', more: 1 }, 'talk'))
  return seen as T
}

test('a handler sees the message as it came in', async () => {
  const message = await inTurn((message) => message)
  assert.match(message.id, /^test-/)
  assert.ok(message.receivedAt > 1_600_000_000_000)
  const { id: _, receivedAt: __, ...rest } = message
  assert.deepEqual(rest, {
    from: 'you',
    conversation: 'talk',
    text: 'hello',
    payload: { text: 'hello', more: 1 },
    hops: 0,
    inReplyTo: undefined,
  })
})

test('a context says which agent, which turn and which attempt it is, and what time', async () => {
  const { agent, turn, aborted, now } = await inTurn((_, ctx) => ({
    agent: ctx.agent,
    turn: ctx.turn,
    aborted: ctx.signal.aborted,
    now: ctx.now(),
  }))
  assert.equal(agent.name, 'Ada')
  assert.match(agent.id, /^[0-9a-f-]{36}$/)
  assert.deepEqual(turn, { id: 1, attempt: 1 })
  assert.equal(aborted, false)
  assert.ok(Math.abs(now - Date.now()) < 60_000)
})

test('a step runs once and gives what JSON makes of its result; a name again is another step', async () => {
  let runs = 0
  const results = await inTurn(async (_, ctx) => [
    await ctx.step('date', () => ({ at: new Date(0), none: undefined })),
    await ctx.step('count', () => ++runs),
    await ctx.step('count', () => ++runs),
    await ctx.step('nothing', () => undefined),
  ])
  assert.deepEqual(results, [{ at: '1970-01-01T00:00:00.000Z' }, 1, 2, undefined])
  assert.equal(runs, 2)
})

test('steps side by side are told apart by the order of their calls', async () => {
  const results = await inTurn((_, ctx) =>
    Promise.all([30, 1, 10].map((ms) => ctx.step('wait', () => new Promise((go) => setTimeout(go, ms, ms))))),
  )
  assert.deepEqual(results, [30, 1, 10])
})

const wrong: Record<string, [expected: string, handler: Handler]> = {
  'a step whose result is a function': [
    'ERR_TURN_CONTENT',
    async (_, ctx) => void (await ctx.step('a', () => () => 1)),
  ],
  'a step whose result is a BigInt': [
    'ERR_TURN_CONTENT',
    async (_, ctx) => void (await ctx.step('a', () => 1n)),
  ],
  'a step whose result is over 1 MiB': [
    'ERR_TURN_CONTENT',
    async (_, ctx) => void (await ctx.step('a', () => 'x'.repeat(1_048_577))),
  ],
  'a step without a name': ['ERR_TURN_CONTENT', async (_, ctx) => void (await ctx.step('', () => 1))],
  'a step with a # in its name': [
    'ERR_TURN_CONTENT',
    async (_, ctx) => void (await ctx.step('a#2', () => 1)),
  ],
  'an effect without a run': [
    'ERR_TURN_CONTENT',
    async (_, ctx) => void (await ctx.effect('a', undefined as never)),
  ],
  'a reply over 1 MiB': ['ERR_TURN_CONTENT', (_, ctx) => ctx.reply('x'.repeat(1_048_577))],
  'a reply of nothing': ['ERR_TURN_CONTENT', (_, ctx) => ctx.reply(undefined as never)],
  'a message to a name with a line break': ['ERR_RECIPIENT', (_, ctx) => ctx.send('two\nlines', 'hi')],
  'a timer at no date': ['ERR_DURATION', async (_, ctx) => void (await ctx.schedule(new Date('never')))],
  'a timer after nonsense': ['ERR_DURATION', async (_, ctx) => void (await ctx.schedule('soon'))],
  'an asynchronous update': ['ERR_TURN_CONTENT', (_, ctx) => ctx.update(async () => undefined)],
  'a note of nothing': ['ERR_TURN_CONTENT', async (_, ctx) => void (await ctx.memory.remember('  '))],
}

for (const [what, [expected, handler]] of Object.entries(wrong)) {
  test(`${what} is refused with ${expected}`, () => {
    const definition = defineAgent({ name: 'Ada', onMessage: handler, limits: { failuresMax: 1 } })
    return withAgent(definition, async (agent) => {
      const { position } = await agent.ingest({ id: '1', payload: 'go' })
      await agent.event('turn:dead', ({ turn }) => turn === position)
      const evidence =
        agent.reader.get<{ evidence: string }>('SELECT evidence FROM dead_letters')?.evidence ?? '{}'
      assert.equal((JSON.parse(evidence) as { error: { code: string } }).error.code, expected)
    })
  })
}

test('changes of the state are there for the next turn and after a restart; the turn itself sees none of them', () =>
  withFolder(async (home) => {
    const seen: number[] = []
    const definition = defineAgent({
      name: 'Ada',
      state: { version: 1, schema: z.object({ count: z.number().default(0) }) },
      onMessage(_, ctx) {
        ctx.update((state) => void (state.count += 1))
        ctx.update((state) => ({ count: state.count * 10 }))
        seen.push(ctx.state.count)
      },
    })
    await useAgent(home, definition, async (agent) => {
      await agent.handle('a')
      await agent.handle('b')
      assert.deepEqual(agent.state(), { count: 110 })
    })
    await useAgent(home, definition, (agent) => agent.handle('c'))
    assert.deepEqual(seen, [0, 10, 110])
  }))

test('a reply goes to the sender and its conversation, a message to whom it is addressed', () =>
  withFolder(async (home) => {
    const delivered: unknown[] = []
    const definition = defineAgent({
      name: 'Ada',
      async onMessage(message, ctx) {
        await ctx.reply({ got: message.text })
        await ctx.send('Bob', 'hello', { conversation: 'plans' })
      },
    })
    await useAgent(
      home,
      definition,
      async (agent) => {
        await agent.ingest({ id: 'm1', payload: 'hi', from: 'Eve', conversation: 'talk', hops: 2 })
        await until(() => delivered.length === 2)
      },
      {
        async deliver({ turn, to, conversation, content, hops, inReplyTo }) {
          delivered.push({ turn, to, conversation, content, hops, inReplyTo })
          return { verdict: 'delivered' }
        },
      },
    )
    const reply = {
      turn: 1,
      to: 'Eve',
      conversation: 'talk',
      content: { got: 'hi' },
      hops: 3,
      inReplyTo: 'm1',
    }
    const message = {
      turn: 1,
      to: 'Bob',
      conversation: 'plans',
      content: 'hello',
      hops: 3,
      inReplyTo: undefined,
    }
    assert.deepEqual(delivered, [reply, message])
  }))

test('what is sent, scheduled and taken in is what it was at the time of the call', () => {
  const fired: unknown[] = []
  const definition = defineAgent({
    name: 'Ada',
    async onMessage({ payload }, ctx) {
      const list = ['a']
      await ctx.reply(list)
      await ctx.schedule(1, list)
      list.push('b')
      await ctx.reply({ payload })
    },
    onTimer: ({ payload }) => void fired.push(payload),
  })
  return withAgent(definition, async (agent) => {
    const payload = ['x']
    const accepted = agent.ingest({ id: '1', payload })
    payload.push('y')
    await accepted
    await until(() => fired.length === 1)
    assert.deepEqual([agent.mailbox(), fired], [[['a'], { payload: ['x'] }], [['a']]])
  })
})

test('a conversation is told apart by all of its characters, now and after a restart', () =>
  withFolder(async (home) => {
    const names = ['a', 'a\0b', 'a\0c', 'ä', 'a\n']
    const seen: string[] = []
    const definition = defineAgent({
      name: 'Ada',
      onMessage: ({ conversation }) => void seen.push(conversation),
    })
    await useAgent(home, definition, async (agent) => {
      const accepted = names.map((conversation) =>
        agent.ingest({ id: conversation.length + encodeURI(conversation), payload: 1, conversation }),
      )
      await Promise.all([...accepted, agent.close()])
    })
    await useAgent(home, definition, () => until(() => seen.length === names.length))
    assert.deepEqual(new Set(seen), new Set(names))
  }))

test('what a killed process had not delivered is delivered by the next one, under the same id and in order', () =>
  withFolder(async (home) => {
    const definition = defineAgent({
      name: 'Ada',
      async onMessage(message, ctx) {
        await ctx.send('Bob', message.text)
      },
    })
    const refused: string[] = []
    const delivered: { id: string; content: unknown }[] = []
    await useAgent(
      home,
      definition,
      async (agent) => {
        for (const text of ['1', '2', '3']) await agent.handle(text)
        await until(() => refused.length > 0)
      },
      {
        async deliver({ id }) {
          refused.push(id)
          return { verdict: 'retry', error: 'not there' }
        },
      },
    )
    await useAgent(home, definition, () => until(() => delivered.length === 3), {
      async deliver({ id, content }) {
        delivered.push({ id, content })
        return { verdict: 'delivered' }
      },
    })
    assert.deepEqual(
      delivered.map(({ content }) => content),
      ['1', '2', '3'],
    )
    assert.equal(delivered[0]?.id, refused[0])
  }))

test('a timer fires once, with its payload, also when nobody ran at its time; one that was cancelled does not', () =>
  withFolder(async (home) => {
    const fired: FiredTimer[] = []
    const ids: string[] = []
    const definition = defineAgent({
      name: 'Ada',
      async onMessage(_, ctx) {
        ids.push(await ctx.schedule(20, { kind: 'late' }), await ctx.schedule(new Date(ctx.now() + 30)))
        await ctx.cancel(await ctx.schedule('25ms', 'never'))
      },
      async onTimer(timer, ctx) {
        fired.push(timer)
        await ctx.reply(`timer ${fired.length}`)
      },
    })
    await useAgent(home, definition, async (agent) => {
      await agent.handle('go', 'talk')
      await agent.close()
    })
    assert.equal(fired.length, 0)
    await new Promise((resolve) => setTimeout(resolve, 40))
    await useAgent(home, definition, async (agent) => {
      await until(() => agent.mailbox().length === 2)
      assert.deepEqual(agent.mailbox(), ['timer 1', 'timer 2'])
    })
    await useAgent(home, definition, () => new Promise((resolve) => setTimeout(resolve, 20)))
    assert.deepEqual(
      fired.map(({ id, payload, conversation }) => ({ id, payload: payload as unknown, conversation })),
      [
        { id: ids[0], payload: { kind: 'late' }, conversation: 'talk' },
        { id: ids[1], payload: null, conversation: 'talk' },
      ],
    )
    assert.ok(fired.every(({ lateMs }) => lateMs > 0))
  }))

test('notes are remembered when the turn commits, recalled by their words, and forgotten', () =>
  withFolder(async (home) => {
    const found: unknown[] = []
    const definition = defineAgent({
      name: 'Ada',
      async onMessage({ text }, ctx) {
        if (text === 'keep') {
          await ctx.memory.remember('the key is under the mat')
          await ctx.memory.remember('the car is blue')
          found.push(await ctx.memory.recall('key'))
        } else if (text === 'recall') {
          found.push((await ctx.memory.recall('where is the key?')).map((note) => note.text))
        } else {
          await ctx.memory.forget((await ctx.memory.recall('key')).map(({ id }) => id))
        }
      },
    })
    await useAgent(home, definition, (agent) => agent.handle('keep'))
    await useAgent(home, definition, async (agent) => {
      await agent.handle('recall')
      await agent.handle('forget')
      await agent.handle('recall')
    })
    assert.deepEqual(found, [[], ['the key is under the mat'], []])
  }))

test('the context of a turn that is over refuses with ERR_TURN_ENDED', async () => {
  const ctx = await inTurn((_, ctx) => ctx)
  const over = code('ERR_TURN_ENDED', /await everything before the handler returns/)
  assert.throws(() => ctx.update(() => undefined), over)
  await assert.rejects(ctx.reply('late'), over)
  await assert.rejects(ctx.send('Bob', 'late'), over)
  await assert.rejects(
    ctx.step('late', () => 1),
    over,
  )
  await assert.rejects(ctx.effect('late', { run: () => 1 }), over)
  await assert.rejects(ctx.schedule(1), over)
  await assert.rejects(ctx.cancel('none'), over)
})

test('who uses the context after the end and does not listen harms nobody', () => {
  const late = gate()
  const definition = defineAgent({
    name: 'Ada',
    onMessage({ text }, ctx) {
      if (text !== 'late') return
      void late.passed.then(() => {
        void ctx.reply('late')
        void ctx.schedule(1)
        void ctx.step('late', () => 1)
      })
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('late')
    late.open()
    await until(() => agent.logged.filter((event) => event === 'turn:context:late').length === 3)
    await agent.handle('another')
    assert.deepEqual(agent.mailbox(), [])
  })
})

test('a hop too many is refused with ERR_HOPS, but the person at the terminal is always answered', () => {
  const seen: unknown[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { hopsMax: 2 },
    async onMessage(_, ctx) {
      await ctx.send('you', 'hi')
      await ctx.send('Bob', 'hi').catch((error: unknown) => seen.push(error))
    },
  })
  return withAgent(definition, async (agent) => {
    const { position } = await agent.ingest({ id: '1', payload: 'go', from: 'Bob', hops: 2 })
    await agent.event('turn:done', ({ turn }) => turn === position)
    assert.deepEqual(agent.mailbox(), ['hi'])
    assert.ok(code('ERR_HOPS')(seen[0]))
  })
})
