import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AgentFaults } from '../../src/testing/index.ts'
import { explain } from './workload/explain.ts'
import { runSeed } from './workload/run.ts'

const seeds = 300
const whileCatchingUp: Partial<AgentFaults> = {
  aims: ['segment:after:sync', 'database:before:apply'],
  deathsMax: 30,
  powerCutRate: 1,
  stopRate: 0,
}

/** What the seeds of a short run must have met, so that their being green says something. */
const mustReach = [
  // The process died around the commit: before and after each of its steps.
  'death:database:before:begin',
  'death:database:after:begin',
  'death:database:before:run',
  'death:database:after:run',
  'death:segment:before:write',
  'death:segment:before:write-part',
  'death:segment:after:write',
  'death:segment:before:sync',
  'death:segment:after:sync',
  'death:database:before:commit',
  'death:database:after:commit',
  // While it opened, and while the journal was looked after.
  'death:database:before:open',
  'death:database:before:apply',
  'death:database:before:checkpoint',
  'death:database:after:checkpoint',
  'death:database:before:copy',
  'death:spare:before:rename',
  'death:spare:after:rename',
  'death:cut:before:rename',
  'death:manifest:before:rename',
  'death:segment:after:remove',
  // What a power cut leaves of a sector, a folder, the database.
  'power:cut',
  'power:sector:old',
  'power:sector:new',
  'power:sector:torn',
  'power:folder:lost',
  'power:size:old',
  'power:image:newest',
  'power:image:checkpoint',
  'power:image:any',
  'database:lost',
  'database:corrupted',
  // Errors of the disk.
  'fault:EIO:sync',
  'fault:EIO:write',
  'fault:EIO:read',
  'fault:ENOSPC:write',
  'full:write',
  'slow:sync',
  'fault:full:statement',
  'fault:full:transaction',
  // The rest of the world.
  'clock:jump',
  'disk:full',
  'ingest:answer-lost',
  'process:stopped',
  'stop:hurried',
  'stop:death:turns',
  'stop:death:outbox',
  'stop:death:hub',
  'stop:death:state',
  'safe-mode',
] as const

test(`${seeds} seeds: whatever befalls the agent, nothing is lost and nothing happens twice`, async () => {
  const reached = new Map<string, number>()
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await runSeed(seed)
    if (result.violations.length > 0) assert.fail(explain(result))
    for (const [name, count] of result.reached) reached.set(name, (reached.get(name) ?? 0) + count)
  }
  // A process that died with its commit half done, and the next one while it makes that up, which is rare by chance.
  for (const seed of [9, 16, 30]) {
    const result = await runSeed(seed, { faults: whileCatchingUp })
    if (result.violations.length > 0) assert.fail(explain(result))
    for (const [name, count] of result.reached) reached.set(name, (reached.get(name) ?? 0) + count)
  }
  const missed = mustReach.filter((name) => !reached.has(name))
  assert.deepEqual(missed, [], `boundaries and faults that no seed reached: ${missed.join(', ')}`)
})

test('a seed replays exactly', async () => {
  for (const seed of [3, 76, 1_864]) {
    const first = await runSeed(seed)
    const second = await runSeed(seed)
    assert.equal(second.digest, first.digest)
  }
})
