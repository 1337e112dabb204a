import '../../helpers/leaks.ts'
import { suite, test } from 'node:test'
import { networkCases, shortProfile } from './cases.ts'
import { assertKept, describeReport, throughProxies } from './network-world.ts'

// With the limits that the product has: npm run campaign -- network. They mostly wait, so several at a time.
suite(
  'through a network that fails, nothing is lost, doubled or out of order, in one session',
  { concurrency: 3 },
  () => {
    for (const { name, run } of networkCases) {
      test(name, async (t) => {
        const report = await throughProxies(shortProfile.options, (world) => run(world, shortProfile))
        assertKept(report)
        t.diagnostic(describeReport(report))
      })
    }
  },
)
