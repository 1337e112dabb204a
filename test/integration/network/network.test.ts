import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { networkCases, shortProfile } from './cases.ts'
import { throughProxies } from './network-world.ts'

// With the limits that the product has: npm run campaign -- network. They mostly wait, so several at a time.
suite(
  'through a network that fails, nothing is lost, doubled or out of order, in one session',
  {
    concurrency: 3,
  },
  () => {
    for (const { name, run } of networkCases) {
      test(name, async (t) => {
        const { messages, resumedMs } = await throughProxies(shortProfile.options, (world) =>
          run(world, shortProfile),
        )
        assert.ok(messages > 0)
        const times = resumedMs.map((ms) => Math.round(ms)).toSorted((a, b) => a - b)
        t.diagnostic(`${messages} messages; time to resume, ms: ${times.join(', ')}`)
      })
    }
  },
)
