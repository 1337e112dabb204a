import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain } from '../../../src/runtime/why.ts'
import type { Explanation, KeepingFacts, ProcessFacts, WhyFacts } from '../../../src/runtime/why-facts.ts'

const now = 1_000_000_000
const kept: KeepingFacts = {
  keeper: 'daemon',
  daemon: 'running',
  isWanted: true,
  isOrphan: false,
  outcome: null,
  failure: undefined,
  nextTryMs: undefined,
  lastEnd: undefined,
  lastFailure: undefined,
  failuresInARow: 0,
  failuresInWindow: 0,
  safeModeAfter: 10,
  safeMode: undefined,
  evidence: undefined,
  crash: undefined,
  isSuspended: false,
  health: [],
  unsaved: undefined,
}

function explained(keeping: Partial<KeepingFacts>, process: ProcessFacts): Explanation[] {
  const facts: WhyFacts = {
    agent: 'Ada',
    now,
    process,
    lag: 0,
    freeBytes: 1e9,
    recipients: new Map(),
    stored: {
      open: [],
      openCount: 0,
      effects: new Map(),
      dead: [],
      deadCount: 0,
      outgoing: [],
      deadMessages: [],
      paused: { inbox: null, outbox: null },
      unread: [],
      timers: [],
      doneCount: 0,
    },
    keeping: { ...kept, ...keeping },
  }
  return explain(facts)
}

const gone: ProcessFacts = { state: 'stopped' }
const runs: ProcessFacts = { state: 'running', pid: 7, answers: true }
const crashed = { at: now - 5_000, reason: 'crashed', text: 'the process ended with exit code 70' }

test('an agent that would fail again says what its process said, and is to be started once that is mended', () => {
  const [first] = explained(
    {
      outcome: 'failed',
      failure: { code: 'ERR_DEFINITION', message: 'no default export' },
      lastEnd: crashed,
    },
    gone,
  )
  assert.deepEqual([first?.reason, first?.command], ['failed', 'perdura start Ada'])
  assert.match(first?.text ?? '', /would change nothing\. It said: ERR_DEFINITION: no default export/)
})

test('an agent that somebody has stopped stays so, and one that has finished too', () => {
  const stop = { at: now - 60_000, reason: 'stop', text: 'the process ended' }
  const [stopped] = explained({ isWanted: false, lastEnd: stop, keeper: 'nobody' }, gone)
  assert.match(stopped?.text ?? '', /somebody has stopped it 1m ago, and it stays so/)
  assert.equal(explained({ outcome: 'finished' }, gone)[0]?.reason, 'finished')
})

test('an agent that is to run without a daemon says what starts it', () => {
  const [first] = explained(
    { keeper: 'nobody', daemon: 'none', lastEnd: crashed },
    { state: 'killed', pid: 7 },
  )
  assert.deepEqual([first?.reason, first?.command], ['no-daemon', 'perdura daemon start'])
  assert.match(first?.text ?? '', /exit code 70 5\.0s ago\. Nothing that it took in is lost/)
})

test('between two tries it says when the next one is, and how many have failed', () => {
  const facts = {
    nextTryMs: 12_000,
    lastEnd: crashed,
    lastFailure: crashed,
    failuresInARow: 4,
    failuresInWindow: 4,
  }
  const found = explained(facts, { state: 'killed', supervised: true })
  assert.equal(found[0]?.reason, 'backing-off')
  assert.match(
    found[0]?.text ?? '',
    /started again in 12\.0s: .* exit code 70 5\.0s ago, after 4 failures in a row/,
  )
  assert.match(found.find(({ reason }) => reason === 'crash-looping')?.text ?? '', /4 times lately: at 10 /)
})

test('safe mode says since when, until when, because of what, and what ends it', () => {
  const crash = { at: now - 70_000, message: 'Cannot read properties of undefined', file: '/x.json' }
  const safeMode = { since: now - 60_000, until: now + 60_000 }
  const found = explained({ safeMode, lastFailure: crashed, crash }, { ...runs, safeMode: true })
  const first = found.find(({ reason }) => reason === 'safe-mode')
  assert.equal(first?.command, 'perdura restart Ada')
  assert.match(
    first?.text ?? '',
    /for 1m, because it kept failing \(Cannot read properties of undefined\): its mind is off.* tried again in 1m, or at once when its file changes/,
  )
})

test('a process that hung says where it was, one that crashed where the report is', () => {
  const hung = { at: now - 5_000, reason: 'hung', text: 'the process was killed, since it hung' }
  const evidence = { at: now - 6_000, text: 'the process was running, in spin (a.ts:1:2)' }
  const [first] = explained({ lastFailure: hung, evidence }, runs)
  assert.deepEqual([first?.reason, first?.command], ['hung', 'perdura logs daemon -n 20'])
  assert.match(
    first?.text ?? '',
    /since it hung \(5\.0s ago\); it was started again\. Just before, the process was running, in spin/,
  )
  const crash = { at: now - 5_100, message: 'a bug', file: '/crashes/1.json' }
  assert.match(
    explained({ lastFailure: crashed, crash }, runs)[0]?.text ?? '',
    /70 \(5\.0s ago\).*: a bug\. The report is \/crashes\/1\.json/,
  )
  const said = explained({ lastFailure: { ...crashed, said: 'ERR_DEFINITION: no default export' } }, runs)
  assert.match(said[0]?.text ?? '', /again\. It said: ERR_DEFINITION: no default export$/)
  // What is of another process explains nothing.
  const old = { ...crash, at: now - 3_000_000 }
  assert.doesNotMatch(explained({ lastFailure: crashed, crash: old }, runs)[0]?.text ?? '', /a bug/)
})

test('what happened long ago to an agent that runs is history', () => {
  const lastFailure = { ...crashed, at: now - 7_200_000 }
  assert.deepEqual(
    explained({ lastFailure, failuresInWindow: 1 }, runs).map(({ reason }) => reason),
    ['idle'],
  )
})

test('stalls and the memory limit are told from crashes', () => {
  for (const reason of ['stalled', 'memory'] as const)
    assert.equal(explained({ lastFailure: { ...crashed, reason } }, runs)[0]?.reason, reason)
})

test('what is wrong now with what runs is said: suspended, without a daemon, unwell, not remembered', () => {
  const found = explained(
    {
      keeper: 'nobody',
      daemon: 'none',
      isOrphan: true,
      isSuspended: true,
      health: [{ state: 'unhealthy', text: 'the disk has 3 MiB left' }],
      unsaved: 'ENOSPC',
    },
    { ...runs, answers: false },
  )
  const byReason = new Map(found.map((one) => [one.reason, one]))
  assert.equal(byReason.get('suspended')?.command, 'kill -CONT 7')
  assert.match(byReason.get('no-daemon')?.text ?? '', /it goes on/)
  assert.equal(byReason.get('unhealthy')?.text, 'unhealthy: the disk has 3 MiB left')
  assert.match(byReason.get('unsaved')?.text ?? '', /ENOSPC/)
  assert.equal(explained({ daemon: 'silent' }, runs)[0]?.reason, 'daemon-silent')
})

test('an agent that an up keeps is explained by its own record', () => {
  const found = explained({ keeper: 'up', isWanted: false }, { state: 'killed', supervised: true })
  assert.equal(found[0]?.reason, 'killed')
})
