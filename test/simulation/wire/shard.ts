import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainWire } from './explain.ts'
import { runWireSeed } from './run.ts'

/** What the seeds of a short run must have met, so that their being green says something. */
const mustReach = [
  'ready:new',
  'ready:resumed',
  'ready:hub_rewound',
  'ready:agent_rewound',
  'death:hub',
  'death:agent',
  'restore:hub',
  'restore:agent',
  'clone',
  'handover',
  'move',
  'left:started',
  'left:refused',
  'session:ended',
  'cut:half-open',
  'partition',
  'retransmit',
  'frame:held',
  'frame:overtaken',
  'failed:timeout',
  'unacknowledged',
  'disk:full',
  'operator:done',
  'operator:killed',
  'operator:revoked',
  'thief:first',
  'theft:noticed',
  'sleep',
  'sleep:stopped',
  'network:changed',
  'outage',
  'flap',
  'refused',
  'drain:busy',
  'drain:idle',
  'hub:stopped',
  'suspended',
  'attempts:exhausted',
  'revocation',
  'handshake:refused',
  'pause',
  'purge',
  'retry',
  'expired',
] as const

/** Runs a part of the seeds; each part is a file of its own, so that they share the processors. */
export function testShard(first: number, count: number): void {
  test(`${count} seeds from ${first}: between hub and agents nothing is lost, doubled or reordered`, async () => {
    const reached = new Map<string, number>()
    for (let seed = first; seed < first + count; seed++) {
      const result = await runWireSeed(seed)
      if (result.violations.length > 0) assert.fail(explainWire(result))
      for (const [name, times] of result.reached) reached.set(name, (reached.get(name) ?? 0) + times)
    }
    const missed = mustReach.filter((name) => !reached.has(name))
    assert.deepEqual(missed, [], `mishaps that no seed met: ${missed.join(', ')}`)
  })
}
