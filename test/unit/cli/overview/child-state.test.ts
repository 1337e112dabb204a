import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lastTrouble, stateOf, type ChildFacts } from '../../../../src/cli/overview/child-state.ts'
import { daemonChild } from '../../../../src/cli/overview/daemon-child.ts'
import type { JsonObject } from '../../../../src/json.ts'
import type { EndRecord } from '../../../../src/supervisor/exits.ts'
import { noPast } from '../../../../src/supervisor/history.ts'

const now = 1_800_000_000_000
const alive = { pid: 7, startedAt: now - 60_000, safeMode: false }
const nothing: ChildFacts = {
  alive: undefined,
  leftBehind: false,
  keeper: 'nobody',
  record: undefined,
  shown: undefined,
  suspended: false,
}
const wanted = { wanted: 'running', outcome: null, past: noPast } as const
const end: EndRecord = {
  at: now - 5_000,
  reason: 'crashed',
  code: 70,
  signal: null,
  pid: 6,
  livedMs: 1_000,
  mode: 'normal',
  said: null,
}

function kept(facts: Partial<ChildFacts>, shown: JsonObject): ChildFacts {
  return { ...nothing, keeper: 'daemon', record: wanted, ...facts, shown: daemonChild(shown) }
}

function beating(state: string): JsonObject {
  const reasons = [{ check: 'memory', state, text: 'it holds too much' }]
  return { state: 'running', beat: { health: { state, reasons: state === 'healthy' ? [] : reasons } } }
}

test('without a daemon the files and the process table say how an agent stands', () => {
  assert.equal(stateOf(nothing), 'stopped')
  assert.equal(stateOf({ ...nothing, leftBehind: true }), 'killed')
  assert.equal(stateOf({ ...nothing, alive }), 'running')
  assert.equal(stateOf({ ...nothing, alive: { ...alive, safeMode: true } }), 'safe-mode')
  assert.equal(stateOf({ ...nothing, alive, suspended: true }), 'suspended')
  assert.equal(stateOf({ ...nothing, keeper: 'up' }), 'restarting')
})

test('an agent that is wanted, has no process and nobody to start it is down', () => {
  assert.equal(stateOf({ ...nothing, record: wanted }), 'down')
  assert.equal(stateOf({ ...nothing, record: { ...wanted, wanted: 'stopped' } }), 'stopped')
  assert.equal(stateOf({ ...nothing, record: { ...wanted, outcome: 'failed' } }), 'failed')
  // Its daemon is gone, and it goes on.
  assert.equal(stateOf({ ...nothing, record: wanted, alive }), 'running')
})

test('what the daemon has is said in the words of who uses it', () => {
  for (const [state, word] of [
    ['queued', 'starting'],
    ['starting', 'starting'],
    ['backing-off', 'backing-off'],
    ['failed', 'failed'],
    ['finished', 'finished'],
    ['killing', 'hung'],
    ['restarting', 'restarting'],
    ['stopping', 'stopping'],
  ])
    assert.equal(stateOf(kept({}, { state: state ?? '' })), word)
  const past = { ...noPast, crashLooping: true }
  assert.equal(stateOf(kept({ record: { ...wanted, past } }, { state: 'backing-off' })), 'crash-looping')
  assert.equal(stateOf(kept({ alive }, { state: 'killing' })), 'hung')
})

test('a running agent is as it finds itself', () => {
  assert.equal(stateOf(kept({ alive }, beating('healthy'))), 'running')
  assert.equal(stateOf(kept({ alive }, beating('degraded'))), 'degraded')
  assert.equal(stateOf(kept({ alive }, beating('unhealthy'))), 'unhealthy')
  assert.equal(stateOf(kept({ alive: { ...alive, safeMode: true } }, beating('degraded'))), 'safe-mode')
})

test('an agent that an up keeps is not what the daemon remembers of it', () => {
  assert.equal(stateOf({ ...kept({ alive }, { state: 'stopped' }), keeper: 'up' }), 'running')
  assert.equal(stateOf({ ...kept({}, { state: 'failed' }), keeper: 'up' }), 'restarting')
})

test('the last trouble is what is wrong now, else the last end of a day that nobody asked for', () => {
  const past = { ...noPast, ends: [end, { ...end, at: now - 1_000, reason: 'restart' as const }] }
  const facts = kept({ alive, record: { ...wanted, past } }, beating('degraded'))
  assert.deepEqual(lastTrouble(facts, now), { text: 'it holds too much', at: undefined })
  assert.deepEqual(lastTrouble(kept({ alive, record: { ...wanted, past } }, beating('healthy')), now), {
    text: 'the process ended with exit code 70',
    at: now - 5_000,
  })
  const failure = { code: 'ERR_DEFINITION', message: 'no default export' }
  assert.deepEqual(lastTrouble(kept({ record: { ...wanted, past } }, { state: 'failed', failure }), now), {
    text: 'ERR_DEFINITION: no default export',
    at: now - 5_000,
  })
  // Also where the daemon that was told so is gone.
  const told = { ...noPast, ends: [{ ...end, said: 'ERR_DEFINITION: no default export' }] }
  assert.deepEqual(lastTrouble({ ...nothing, record: { ...wanted, past: told } }, now), {
    text: 'ERR_DEFINITION: no default export',
    at: now - 5_000,
  })
  const old = { ...noPast, ends: [{ ...end, at: now - 2 * 86_400_000 }] }
  assert.equal(lastTrouble({ ...nothing, record: { ...wanted, past: old } }, now), undefined)
})

test('what a daemon of another version says is read as far as it goes', () => {
  assert.equal(daemonChild({}).state, 'stopped')
  const odd = daemonChild({
    state: 7,
    beat: { health: 'fine', turnsDone: 'many' },
    failure: [],
    policy: null,
  })
  assert.deepEqual(
    [odd.state, odd.beat?.health, odd.beat?.turnsDone, odd.failure],
    ['stopped', undefined, 0, undefined],
  )
})
