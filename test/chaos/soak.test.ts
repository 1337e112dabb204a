import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faults } from './soak/faults.ts'
import { runSoak } from './soak/soak.ts'

// The short profile; the hour is `npm run campaign -- soak`, and there the figures are looked at.

const options = {
  timeout: 240_000,
  skip: process.platform === 'linux' ? false : 'there is no /proc',
}

test(
  'agents under a daemon go through every fault, and nothing is lost, doubled, restarted for nothing or left',
  options,
  async (t) => {
    const report = await runSoak({
      durationMs: 180_000,
      faultsMax: faults.length,
      agents: 4,
      faultEveryMs: 500,
      paceMs: 300,
      sampleEveryMs: 1_000,
      settleMs: 1_000,
      patienceMs: 60_000,
      settings: { supervision: { hang_after: '3s', memory_max: '256MiB' } },
    })
    const { findings, lost, duplicated, reordered, messages, struck, members, availability } = report
    assert.deepEqual(findings, [])
    assert.deepEqual({ lost, duplicated, reordered }, { lost: 0, duplicated: 0, reordered: 0 })
    assert.ok(messages > 100, String(messages))
    assert.equal(struck.length, faults.length)
    // Who is left alone has one process from the beginning to the end.
    for (const { name, role, lives } of members)
      if (role === 'idle' || role === 'steady') assert.equal(lives, 1, name)
    const shares = JSON.stringify([...availability])
    assert.ok(
      [...availability.values()].every((share) => share > 0.5 && share <= 1),
      shares,
    )
    assert.ok((availability.get('Idle') ?? 0) > (availability.get('Worker1') ?? 1), shares)
    t.diagnostic(
      `${messages} messages; ${struck.map(({ fault, healedMs }) => `${fault} ${Math.round(healedMs)} ms`).join(', ')}`,
    )
  },
)
