import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainWire } from './wire/explain.ts'
import { runWireSeed } from './wire/run.ts'

const seeds = 12

for (const outage of ['dead', 'cut'] as const) {
  test(`${seeds} seeds in which one of two addresses of the hub is ${outage} for long`, async () => {
    const reached = new Map<string, number>()
    for (let seed = 1; seed <= seeds; seed++) {
      // Hubs that take each other's tokens have clocks that agree.
      const mishaps = { hubNodes: 2, addresses: 2, outage, hubRestores: 0, skewMsMax: 0 }
      const result = await runWireSeed(seed, { mishaps })
      if (result.violations.length > 0) assert.fail(explainWire(result))
      for (const [name, times] of result.reached) reached.set(name, (reached.get(name) ?? 0) + times)
    }
    for (const name of [`outage:${outage}`, 'hub:address:changed', 'hub:address:returning']) {
      assert.ok(reached.has(name), `no seed met ${name}`)
    }
  })
}
