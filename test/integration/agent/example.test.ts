import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent } from '../../../src/index.ts'
import { until, withAgent } from '../../helpers/real-agent.ts'

/** The bank, as far away as banks are. */
const charges = new Map<string, { readonly amount: number }>()

async function fetchQuote(text: string): Promise<number> {
  return text.length
}

async function charge(
  amount: number,
  options: { readonly idempotencyKey: string; readonly signal: AbortSignal },
): Promise<{ readonly amount: number }> {
  options.signal.throwIfAborted()
  const receipt = { amount }
  charges.set(options.idempotencyKey, receipt)
  return receipt
}

async function findCharge(key: string): Promise<{ readonly amount: number } | undefined> {
  return charges.get(key)
}

const reminderDelay = '20ms'

const ada = defineAgent({
  name: 'Ada',
  state: { version: 1, schema: z.object({ paid: z.number().default(0) }) },

  async onMessage(message, ctx) {
    const quote = await ctx.step('quote', () => fetchQuote(message.text))
    const receipt = await ctx.effect('charge', {
      run: ({ key, signal }) => charge(quote, { idempotencyKey: key, signal }),
      verify: ({ key }) => findCharge(key),
    })
    ctx.update((state) => {
      state.paid += receipt.amount
    })
    await ctx.reply(`Paid ${receipt.amount}`)
    await ctx.schedule(reminderDelay, { to: message.from })
  },

  async onTimer(timer, ctx) {
    await ctx.send(timer.payload.to, 'Still fine?')
  },
})

test('the example of the programming interface does what it says', () =>
  withAgent(ada, async (agent) => {
    await agent.handle('four')
    await agent.handle('sixsix')
    await until(() => agent.mailbox().length === 4)
    assert.deepEqual(new Set(agent.mailbox()), new Set(['Paid 4', 'Paid 6', 'Still fine?']))
    assert.deepEqual(agent.state(), { paid: 10 })
    assert.deepEqual([...charges.values()], [{ amount: 4 }, { amount: 6 }])
  }))
