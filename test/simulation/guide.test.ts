/** The example of docs/guides/testing-your-agent.md, as it stands there, with the sources in place of the package. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

// #region example
import { z } from 'zod'
import { defineAgent } from '../../src/index.ts'
import { simulateAgent } from '../../src/testing/index.ts'

interface Bank {
  charge(key: string, cents: number): Promise<{ cents: number }>
}

const createShop = (bank: Bank) =>
  defineAgent({
    name: 'Shop',
    state: { version: 1, schema: z.object({ cents: z.number().default(0) }) },

    async onMessage(message, ctx) {
      const cents = await ctx.step('price', () => message.text.length * 100)
      const receipt = await ctx.effect('charge', {
        idempotent: true,
        run: ({ key }) => bank.charge(key, cents),
      })
      ctx.update((state) => {
        state.cents += receipt.cents
      })
      await ctx.reply(`Paid ${receipt.cents}`)
    },
  })

test('charges every order once, whatever happens', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const charges = new Map<string, number>()
    const outcome = await simulateAgent({
      seed,
      agent: (outside) =>
        createShop({
          charge: (key, cents) =>
            outside.request(`charge ${key}`, () => {
              charges.set(key, cents) // the bank does it once per key
              return { cents }
            }),
        }),
      inputs: [
        { id: 'order-1', from: 'ann', payload: 'tea' },
        { id: 'order-2', from: 'ann', payload: 'coffee', afterMs: 500 },
        { id: 'order-3', from: 'bob', payload: 'water' },
      ],
    })
    assert.equal(charges.size, 3, `seed ${seed}`)
    assert.deepEqual(outcome.state, { cents: 1_400 }, `seed ${seed}`)
    assert.equal(outcome.messages.length, 3, `seed ${seed}`)
  }
})
// #endregion

test('the guide shows this example', () => {
  const source = readFileSync(import.meta.filename, 'utf8')
  const example = source
    .slice(
      source.indexOf('// #region example\n') + '// #region example\n'.length,
      source.indexOf('// #endregion'),
    )
    .replace('../../src/index.ts', 'perdura')
    .replace('../../src/testing/index.ts', 'perdura/testing')
    .trim()
  const guide = readFileSync(new URL('../../docs/guides/testing-your-agent.md', import.meta.url), 'utf8')
  assert.ok(guide.includes(example), 'docs/guides/testing-your-agent.md differs from the example here')
})
