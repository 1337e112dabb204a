import '../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runAbuse } from './daemon/abuse.ts'

// The short profile; more of it is `npm run chaos -- --world daemon`.

const options = {
  timeout: 240_000,
  skip: process.platform === 'linux' ? false : 'there is no /proc',
}

test(
  'a daemon, its agents and the commands for them are killed at any moment, and what was asked for comes to be',
  options,
  async (t) => {
    const report = await runAbuse({ kills: 14, seed: 11, patienceMs: 60_000 })
    const { findings, lost, duplicated, reordered, messages, kills, commands } = report
    assert.deepEqual(findings, [])
    assert.deepEqual({ lost, duplicated, reordered }, { lost: 0, duplicated: 0, reordered: 0 })
    assert.ok(messages > 0)
    t.diagnostic(`${kills} kills during ${commands} commands, ${messages} messages`)
  },
)
