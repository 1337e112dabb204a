import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainSupervision } from './explain.ts'
import { mishapKinds } from './mishaps.ts'
import { runSupervisionSeed } from './run.ts'

/** What the seeds of a short run must have met, so that their being green says something. */
const mustReach = [
  ...mishapKinds,
  ...['crash-at-start', 'crash-later', 'crash-at-work', 'not-started', 'endless-start', 'hang'].map(defect),
  ...['leak', 'stall', 'deaf', 'quits', 'refuses', 'broken'].map(defect),
  ...['queued', 'starting', 'running', 'backing-off', 'restarting', 'killing', 'stopping'].map(state),
  ...['stopped', 'failed', 'finished', 'left'].map(state),
  ...['exited', 'crashed', 'killed', 'not-started', 'lost', 'refused', 'hung', 'start-timeout'].map(reason),
  ...['stalled', 'memory', 'kill-asked', 'restart', 'handover', 'safe-mode-over', 'stop'].map(reason),
  ...['start', 'stop', 'restart'].map((wish) => `asked:${wish}`),
  'safe mode',
  'safe mode over',
  'adopted',
  'found by search',
  'handover:goes on',
  'pid:reused',
  'disk:full',
  'daemon:died within',
  'daemon:refused',
]

/** Runs a part of the seeds; each part is a file of its own, so that they share the processors. */
export function testShard(first: number, count: number): void {
  test(`${count} seeds from ${first}: what is wanted runs once, what is well is left alone, and nothing is forgotten`, async () => {
    const reached = new Set<string>()
    for (let seed = first; seed < first + count; seed++) {
      const result = await runSupervisionSeed(seed)
      if (result.violations.length > 0) assert.fail(explainSupervision(result))
      for (const name of result.reached.keys()) reached.add(name)
    }
    const missed = mustReach.filter((name) => !reached.has(name))
    assert.deepEqual(missed, [], `what no seed met: ${missed.join(', ')}`)
  })
}

function defect(name: string): string {
  return `defect:${name}`
}

function state(name: string): string {
  return `state:${name}`
}

function reason(name: string): string {
  return `reason:${name}`
}
