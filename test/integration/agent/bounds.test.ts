import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent, type AgentLimits, type IngestInput } from '../../../src/index.ts'
import { withFolder } from '../../helpers/folder.ts'
import { gate, until, useAgent, withAgent } from '../../helpers/real-agent.ts'
import { code } from '../../helpers/store-folder.ts'

const silent = defineAgent({ name: 'Ada' })

const refused: Record<string, [expected: string, input: unknown]> = {
  'an id that is no text': ['ERR_IDEMPOTENCY_KEY_INVALID', { id: 7, payload: 1 }],
  'an empty id': ['ERR_IDEMPOTENCY_KEY_INVALID', { id: '', payload: 1 }],
  'an id of 256 characters': ['ERR_IDEMPOTENCY_KEY_INVALID', { id: 'x'.repeat(256), payload: 1 }],
  'an id with a line break': ['ERR_IDEMPOTENCY_KEY_INVALID', { id: 'a\nb', payload: 1 }],
  'an id with an umlaut': ['ERR_IDEMPOTENCY_KEY_INVALID', { id: 'ä', payload: 1 }],
  'no payload': ['ERR_PAYLOAD_INVALID', { id: '1' }],
  'a payload that is a function': ['ERR_PAYLOAD_INVALID', { id: '1', payload: () => 1 }],
  'a payload with a BigInt': ['ERR_PAYLOAD_INVALID', { id: '1', payload: { a: 1n } }],
  'a sender with a space at its end': ['ERR_PAYLOAD_INVALID', { id: '1', payload: 1, from: 'two words ' }],
  'a conversation with half a character': [
    'ERR_PAYLOAD_INVALID',
    { id: '1', payload: 1, conversation: 'a\ud800' },
  ],
  'an empty conversation': ['ERR_PAYLOAD_INVALID', { id: '1', payload: 1, conversation: '' }],
  'a conversation of 257 characters': [
    'ERR_PAYLOAD_INVALID',
    { id: '1', payload: 1, conversation: 'x'.repeat(257) },
  ],
  'a negative number of hops': ['ERR_PAYLOAD_INVALID', { id: '1', payload: 1, hops: -1 }],
  'an inReplyTo that is an object': ['ERR_PAYLOAD_INVALID', { id: '1', payload: 1, inReplyTo: {} }],
  'a payload over 1 MiB': ['ERR_PAYLOAD_TOO_LARGE', { id: '1', payload: 'x'.repeat(1_048_575) }],
  'a payload over 1 MiB in UTF-8': ['ERR_PAYLOAD_TOO_LARGE', { id: '1', payload: 'ä'.repeat(524_288) }],
}

test('what cannot be taken in is refused with its code, and nothing of it stays', () =>
  withAgent(silent, async (agent) => {
    for (const [what, [expected, input]] of Object.entries(refused)) {
      await assert.rejects(agent.ingest(input as IngestInput), code(expected), what)
    }
    assert.equal(agent.reader.get<{ n: number }>('SELECT count(*) AS n FROM inbox_seen')?.n, 0)
    await agent.handle('x'.repeat(1_048_574))
  }))

test('the same id and content again is a duplicate, the same id with other content is refused', () =>
  withFolder(async (home) => {
    let runs = 0
    const definition = defineAgent({ name: 'Ada', onMessage: () => void (runs += 1) })
    const input = { id: 'invoice-1', payload: { amount: 1 }, from: 'shop' }
    await useAgent(home, definition, async (agent) => {
      const [first, second] = await Promise.all([agent.ingest(input), agent.ingest(input)])
      assert.deepEqual(
        [first, second].map(({ duplicate }) => duplicate),
        [false, true],
      )
      assert.equal(first.position, second.position)
      await agent.event('turn:done')
    })
    await useAgent(home, definition, async (agent) => {
      assert.deepEqual(await agent.ingest(input), { position: 1, duplicate: true })
      const other = agent.ingest({ ...input, payload: { amount: 2 } })
      await assert.rejects(other, code('ERR_IDEMPOTENCY_KEY_REUSED', /give a new message a new id/))
      // Another sender may use the same id.
      assert.equal((await agent.ingest({ ...input, from: 'bank' })).duplicate, false)
      await agent.event('turn:done')
    })
    assert.equal(runs, 2)
  }))

test('a full inbox refuses what is new with ERR_INBOX_FULL, still recognises a repeat, and has room again later', () => {
  const held = gate()
  const definition = defineAgent({ name: 'Ada', limits: { failuresMax: 1 }, onMessage: () => held.passed })
  return withAgent(
    definition,
    async (agent) => {
      for (const id of ['1', '2', '3']) await agent.ingest({ id, payload: 'go' })
      await assert.rejects(
        agent.ingest({ id: '4', payload: 'go' }),
        code('ERR_INBOX_FULL', /try again later/),
      )
      assert.deepEqual(await agent.ingest({ id: '2', payload: 'go' }), { position: 2, duplicate: true })
      held.open()
      await agent.event('turn:done', ({ turn }) => turn === 3)
      assert.equal((await agent.ingest({ id: '4', payload: 'go' })).duplicate, false)
      await agent.event('turn:done', ({ turn }) => turn === 4)
    },
    { limits: { inboxMax: 3 } },
  )
})

test('the bound of the inbox does not drift: after failures, dead letters and retries it holds as many as before', () => {
  let broken = true
  const held = gate()
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 2, retryDelayMs: 1 },
    onMessage({ text }) {
      if (text === 'hold') return held.passed
      if (text === 'bad' && broken) throw new Error('cannot')
      return undefined
    },
  })
  return withAgent(
    definition,
    async (agent) => {
      for (let round = 0; round < 3; round++) {
        broken = true
        const { position } = await agent.ingest({ id: `bad ${round}`, payload: 'bad' })
        await agent.event('turn:dead', ({ turn }) => turn === position)
        await agent.handle('good')
        broken = false
        await agent.retryTurn(position)
        await agent.event('turn:done', ({ turn }) => turn === position)
      }
      for (const id of ['a', 'b', 'c']) await agent.ingest({ id, payload: 'hold' })
      await assert.rejects(
        agent.ingest({ id: 'd', payload: 'hold' }),
        code('ERR_INBOX_FULL', /holds 3 entries of 18 bytes/),
      )
      held.open()
      await agent.event('turn:done', ({ turn }) => turn === 9)
    },
    { limits: { inboxMax: 3 } },
  )
})

test('a full outbox holds up the turn that sends, without blame, and what the person is sent does not count', () => {
  const failed: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    async onMessage({ text }, ctx) {
      await ctx.send(text === 'to you' ? 'you' : 'Bob', 'hello')
    },
  })
  const deliver = () => Promise.resolve({ verdict: 'retry', error: 'not there' } as const)
  return withAgent(
    definition,
    async (agent) => {
      agent.on('turn:attempt:failed', ({ error }) => failed.push(error))
      await agent.handle('one')
      await agent.handle('two')
      const { position } = await agent.ingest({ id: 'three', payload: 'three' })
      await agent.event('turn:attempt:failed')
      assert.match(failed[0] ?? '', /the outbox of Ada holds 2 entries/)
      const entry = agent.reader.get('SELECT status, failures FROM inbox WHERE position = ?', position)
      assert.deepEqual({ ...(entry as object) }, { status: 'pending', failures: 0 })
      await agent.ingest({ id: 'to you', payload: 'to you', conversation: 'another' })
      await agent.event('turn:done')
    },
    { limits: { outboxMax: 2 }, deliver },
  )
})

test('a full outbox has room again once something was delivered or refused', () => {
  let verdict: 'retry' | 'delivered' | 'refused' = 'retry'
  const definition = defineAgent({
    name: 'Ada',
    limits: { retryDelayMs: 100, retryDelayMaxMs: 100, failuresMax: 100 },
    onMessage: (_, ctx) => ctx.send('Bob', 'hello'),
  })
  return withAgent(
    definition,
    async (agent) => {
      await agent.handle('one')
      const { position } = await agent.ingest({ id: 'two', payload: 'two' })
      await agent.event('turn:attempt:failed', ({ turn }) => turn === position)
      verdict = 'refused'
      await agent.event('turn:done', ({ turn }) => turn === position)
      verdict = 'delivered'
      await agent.handle('three')
    },
    {
      limits: { outboxMax: 1 },
      deliver: () => Promise.resolve(verdict === 'delivered' ? { verdict } : { verdict, error: 'because' }),
    },
  )
})

test('the oldest unread messages to the person expire at the bound of the mailbox, visibly', () => {
  const definition = defineAgent({ name: 'Ada', onMessage: ({ text }, ctx) => ctx.reply(text) })
  return withAgent(
    definition,
    async (agent) => {
      for (const text of ['1', '2', '3', '4']) await agent.handle(text)
      const rows = agent.reader.all<{ status: string }>('SELECT status FROM outbox ORDER BY sequence')
      assert.deepEqual(
        rows.map(({ status }) => status),
        ['expired', 'expired', 'pending', 'pending'],
      )
      assert.equal(agent.logged.filter((event) => event === 'outbox:message:expired').length, 2)
      await agent.acknowledgeTerminal({ through: 3 })
      await agent.handle('5')
      const unread = agent.reader.all("SELECT 1 FROM outbox WHERE status = 'pending'")
      assert.equal(unread.length, 2)
    },
    { limits: { mailboxMax: 2 } satisfies Partial<AgentLimits> },
  )
})

test('more timers than there may be fail the turn that sets them', () => {
  const failed: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { failuresMax: 1 },
    async onMessage({ payload }, ctx) {
      for (let n = 0; n < Number(payload); n++) await ctx.schedule('24h', n)
    },
  })
  return withAgent(definition, async (agent) => {
    agent.on('turn:attempt:failed', ({ error }) => failed.push(error))
    await agent.handle(10_000)
    await agent.ingest({ id: 'more', payload: 1 })
    await agent.event('turn:dead')
    assert.match(failed[0] ?? '', /10000 timers are set already/)
  })
})

test('timers wait where they are while the inbox is full, and fire once it has room', () => {
  const held = gate()
  const fired: number[] = []
  let dueAt = 0
  const definition = defineAgent({
    name: 'Ada',
    async onMessage({ text }, ctx) {
      if (text === 'hold') return held.passed
      dueAt = ctx.now() + 150
      for (const n of [1, 2, 3]) await ctx.schedule(new Date(dueAt + n), n)
    },
    onTimer: ({ payload }) => void fired.push(payload as number),
  })
  return withAgent(
    definition,
    async (agent) => {
      await agent.handle('set', 'timers')
      for (const id of ['1', '2']) await agent.ingest({ id, payload: 'hold', conversation: id })
      await until(() => Date.now() > dueAt + 20)
      assert.equal(agent.reader.get<{ n: number }>('SELECT count(*) AS n FROM timers')?.n, 3)
      held.open()
      await until(() => fired.length === 3)
      assert.deepEqual(fired, [1, 2, 3])
    },
    { limits: { inboxMax: 2 } },
  )
})

for (const [limits, message] of [
  [{ inboxMax: 0 }, /limits\.inboxMax: must be a whole number from 1/],
  [{ outboxMax: NaN }, /limits\.outboxMax:/],
  [{ mailboxMax: '5' }, /limits\.mailboxMax:/],
  [{ inboxSize: 5 }, /limits\.inboxSize: there is no such limit; there are inboxMax/],
] as const) {
  test(`limits of ${JSON.stringify(limits)} are refused, naming the limit, and the agent's lock is free`, () =>
    withFolder(async (home) => {
      await assert.rejects(
        useAgent(home, silent, () => undefined, { limits: limits as never }),
        code('ERR_USAGE', message),
      )
      await useAgent(home, silent, () => undefined)
    }))
}
