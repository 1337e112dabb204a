import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent, EffectRefused, type EffectOptions } from '../../../src/index.ts'
import { fastPlatform, gate, until, withAgent, type TestAgent } from '../../helpers/real-agent.ts'
import { code } from '../../helpers/store-folder.ts'

interface LedgerRow {
  readonly name: string
  readonly occurrence: number
  readonly key: string
  readonly status: string
  readonly runs: number
}

function ledger(agent: TestAgent): LedgerRow[] {
  return agent.reader.all<LedgerRow>(
    'SELECT name, occurrence, key, status, runs FROM effects ORDER BY occurrence',
  )
}

/** An agent whose turns perform one effect and reply with what it gave. */
function performing(
  effect: EffectOptions<unknown>,
  limits: { turnTimeoutMs?: number; failuresMax?: number } = {},
) {
  return defineAgent({
    name: 'Ada',
    limits: { retryDelayMs: 1, ...limits },
    async onMessage(_, ctx) {
      await ctx.reply(((await ctx.effect('pay', effect)) ?? null) as string)
    },
  })
}

test('an effect has a key of its own that stays the same for every attempt', () => {
  const keys: string[] = []
  let failures = 2
  const definition = defineAgent({
    name: 'Ada',
    limits: { retryDelayMs: 1 },
    async onMessage(_, ctx) {
      for (let n = 0; n < 2; n++) {
        await ctx.effect('pay', { idempotent: true, run: ({ key }) => void keys.push(key) })
      }
      if (failures-- > 0) throw new Error('again')
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('go')
    assert.equal(keys.length, 2)
    assert.notEqual(keys[0], keys[1])
    assert.deepEqual(
      ledger(agent).map(({ key, occurrence, status, runs }) => [key, occurrence, status, runs]),
      [
        [keys[0], 1, 'done', 1],
        [keys[1], 2, 'done', 1],
      ],
    )
    await agent.handle('go')
    assert.equal(new Set(keys).size, 4)
  })
})

test('an idempotent effect that fails is asked for again, under the same key', () => {
  const keys: string[] = []
  const effect: EffectOptions<string> = {
    idempotent: true,
    run({ key }) {
      keys.push(key)
      if (keys.length < 3) throw new Error('no answer')
      return 'paid'
    },
  }
  return withAgent(performing(effect), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([new Set(keys).size, keys.length, agent.mailbox()], [1, 3, ['paid']])
  })
})

test('an effect that fails is verified: what happened is not done again', () => {
  let done = 0
  const effect: EffectOptions<string> = {
    run() {
      done += 1
      throw new Error('the answer was lost')
    },
    verify: () => (done > 0 ? 'paid' : undefined),
  }
  return withAgent(performing(effect), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([done, agent.mailbox(), ledger(agent)[0]?.status], [1, ['paid'], 'done'])
  })
})

test('an effect that certainly did not happen is run again', () => {
  let runs = 0
  const effect: EffectOptions<string> = {
    run() {
      runs += 1
      if (runs === 1) throw new Error('refused at the door')
      return 'paid'
    },
    verify: () => undefined,
  }
  return withAgent(performing(effect), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([runs, agent.mailbox()], [2, ['paid']])
  })
})

test('while an effect cannot be verified it is not run again', () => {
  let runs = 0
  let checks = 0
  const effect: EffectOptions<string> = {
    run() {
      runs += 1
      throw new Error('the answer was lost')
    },
    verify() {
      checks += 1
      if (checks < 4) throw new Error('cannot tell now')
      return 'paid'
    },
  }
  return withAgent(performing(effect), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([runs, checks, agent.mailbox()], [1, 4, ['paid']])
  })
})

test('an effect that can neither be checked nor repeated parks its turn when its outcome is unknown', () => {
  let runs = 0
  const effect: EffectOptions<string> = {
    run() {
      runs += 1
      throw new Error('the answer was lost')
    },
  }
  return withAgent(performing(effect), async (agent) => {
    await agent.ingest({ id: '1', payload: 'go' })
    const { turn } = await agent.event('turn:parked')
    await assert.rejects(
      agent.resolveEffect(turn, 'other', { outcome: 'not-done' }),
      code('ERR_NO_SUCH_TURN', /it waits for "pay"/),
    )
    await assert.rejects(agent.resolveEffect(99, 'pay', { outcome: 'not-done' }), code('ERR_NO_SUCH_TURN'))
    await agent.resolveEffect(turn, 'pay', { outcome: 'done', result: 'paid after all' })
    await agent.event('turn:done')
    assert.deepEqual([runs, agent.mailbox()], [1, ['paid after all']])
    await assert.rejects(
      agent.resolveEffect(turn, 'pay', { outcome: 'not-done' }),
      code('ERR_NO_SUCH_TURN', /none of its effects waits/),
    )
  })
})

test('a handler cannot go on past an effect whose outcome is unknown, even if it catches the error', () => {
  const definition = defineAgent({
    name: 'Ada',
    async onMessage(_, ctx) {
      const failing = {
        run() {
          throw new Error('the answer was lost')
        },
      }
      await ctx.effect('pay', failing).catch(() => undefined)
      await ctx.reply('all went well').catch(() => undefined)
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.ingest({ id: '1', payload: 'go' })
    await agent.event('turn:parked')
    assert.deepEqual(agent.mailbox(), [])
  })
})

test('EffectRefused is final: it is not run again, and the handler decides what that means', () => {
  let runs = 0
  let failures = 1
  const definition = defineAgent({
    name: 'Ada',
    limits: { retryDelayMs: 1 },
    async onMessage(_, ctx) {
      const refused = await ctx
        .effect('pay', {
          run() {
            runs += 1
            throw new EffectRefused('card declined')
          },
        })
        .catch((error: unknown) => error)
      assert.ok(refused instanceof EffectRefused)
      if (failures-- > 0) throw new Error('once more')
      await ctx.reply(refused.message)
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('go')
    assert.deepEqual([runs, agent.mailbox(), ledger(agent)[0]?.status], [1, ['card declined'], 'failed'])
  })
})

test('an effect whose result cannot be kept is done all the same, and not done again', () => {
  let runs = 0
  const effect: EffectOptions<unknown> = {
    run() {
      runs += 1
      return () => 'no data'
    },
  }
  return withAgent(performing(effect), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([runs, agent.mailbox(), ledger(agent)[0]?.status], [1, [null], 'done'])
  })
})

test('an effect that nobody awaited is done before its turn ends', () => {
  const definition = defineAgent({
    name: 'Ada',
    onMessage(_, ctx) {
      void ctx.effect('pay', { run: () => new Promise((go) => setTimeout(go, 20, 'paid')) })
    },
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('go')
    assert.equal(ledger(agent)[0]?.status, 'done')
  })
})

test('an effect that ends after its turn was timed out frees the parked turn by itself, and is not done again', () => {
  const answer = gate()
  let runs = 0
  const effect: EffectOptions<string> = {
    async run() {
      runs += 1
      await answer.passed
      return 'late, but paid'
    },
  }
  return withAgent(
    performing(effect, { turnTimeoutMs: 1_000 }),
    async (agent) => {
      await agent.ingest({ id: '1', payload: 'go' })
      await agent.event('turn:parked')
      assert.equal(ledger(agent)[0]?.status, 'unknown')
      answer.open()
      await agent.event('turn:done')
      assert.deepEqual([runs, agent.mailbox()], [1, ['late, but paid']])
    },
    { platform: fastPlatform(20) },
  )
})

test('an effect that ends within the grace after a time-out is recorded, and the next attempt goes on from it', () => {
  let runs = 0
  const effect: EffectOptions<string> = {
    async run() {
      runs += 1
      await new Promise((go) => setTimeout(go, 150))
      return 'paid'
    },
  }
  return withAgent(performing(effect, { turnTimeoutMs: 100 }), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([runs, agent.mailbox()], [1, ['paid']])
  })
})

test('a check that answers after its turn was timed out does not touch what the next attempt has settled', () => {
  const slow = gate()
  let runs = 0
  let checks = 0
  const effect: EffectOptions<string> = {
    run() {
      runs += 1
      if (runs === 1) throw new Error('the answer was lost')
      return `paid by run ${runs}`
    },
    async verify() {
      checks += 1
      if (checks === 1) throw new Error('cannot tell now')
      if (checks === 2) await slow.passed
      return undefined
    },
  }
  return withAgent(performing(effect, { turnTimeoutMs: 100 }), async (agent) => {
    await agent.handle('go')
    assert.deepEqual([checks, runs, agent.mailbox()], [3, 2, ['paid by run 2']])
    slow.open()
    // Whatever the late check led to is behind what is written after it.
    await new Promise((resolve) => setImmediate(resolve))
    await agent.handle('another').catch(() => undefined)
    assert.deepEqual([ledger(agent)[0]?.status, runs], ['done', 3])
  })
})

test('a turn whose effect keeps failing without an answer is parked, never buried', () => {
  const effect: EffectOptions<string> = {
    idempotent: true,
    run() {
      throw new Error('no answer')
    },
  }
  return withAgent(performing(effect, { failuresMax: 2 }), async (agent) => {
    await agent.ingest({ id: '1', payload: 'go' })
    await agent.event('turn:parked')
    await until(() => ledger(agent)[0]?.status === 'unknown')
    assert.equal(agent.reader.get('SELECT 1 FROM dead_letters'), undefined)
  })
})
