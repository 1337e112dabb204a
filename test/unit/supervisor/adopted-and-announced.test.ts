import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrange, type Arrangement } from '../../helpers/supervised.ts'

const orphan = { pid: 300, identity: 'boot:300' }

function adopted(mode: 'normal' | 'safe'): Arrangement {
  const arranged = arrange({ hasSafeMode: true })
  const { orphans, supervised } = arranged
  orphans.set(orphan.pid, orphan)
  assert.ok(supervised.adopt(orphan, { mode, ready: true, asked: undefined, startedAt: 1_000_000 }))
  return arranged
}

test('one that was found runs as it says itself, and is not ended for a safe mode that is only in its record', () => {
  const { supervised, clock, last, beatFor } = adopted('safe')
  clock.advance(3_000)
  beatFor(60_000, { mode: 'normal' })
  assert.deepEqual(last().signals, [])
  assert.deepEqual(supervised.state, { name: 'running', pid: 300, mode: 'normal', adopted: true })
})

test('one that was found in safe mode and says so is given its mind back once that is over', () => {
  const { supervised, last } = adopted('normal')
  last().beat({ mode: 'safe' })
  assert.deepEqual(supervised.state, { name: 'running', pid: 300, mode: 'safe', adopted: true })
})

test('what has announced its end and goes on ends like any other', () => {
  const { supervised, last, beatFor, reasons } = arrange({ policyChanges: { stopMs: 5_000 } })
  supervised.start()
  last().ready()
  last().say({ kind: 'handover', withinMs: 10_000 })
  beatFor(14_000)
  assert.equal(supervised.process?.asked, 'handover')
  beatFor(2_000)
  assert.equal(supervised.process?.asked, undefined)
  last().exit({ code: 1 })
  assert.deepEqual(reasons, ['crashed'])
})

test('an end that was announced for later is awaited until then, also by the next supervisor, and not for ever', () => {
  const first = arrange()
  first.supervised.start()
  first.last().ready()
  first.last().say({ kind: 'handover', withinMs: 1_800_000 })
  first.beatFor(1_790_000)
  assert.equal(first.supervised.process?.asked, 'handover')

  const { orphans, supervised, last, beatFor } = arrange()
  orphans.set(orphan.pid, orphan)
  supervised.adopt(orphan, { mode: 'normal', ready: true, asked: 'handover', startedAt: 1_000_000 })
  beatFor(1_000)
  last().say({ kind: 'handover', withinMs: 10_000_000 })
  beatFor(3_590_000)
  assert.equal(supervised.process?.asked, 'handover')
  beatFor(60_000)
  assert.equal(supervised.process?.asked, undefined)
})

test('one that was to be killed for not answering, by a supervisor that died just before, is judged anew', () => {
  const { orphans, supervised, last, beatFor, reasons } = arrange({ policyChanges: { stopMs: 5_000 } })
  orphans.set(orphan.pid, orphan)
  supervised.adopt(orphan, { mode: 'normal', ready: true, asked: 'hung', startedAt: 1_000_000 })
  beatFor(10_000)
  assert.deepEqual(last().signals, [])
  last().exit({ code: 1 })
  assert.deepEqual(reasons, ['crashed'])
})

test('one that was killed for not answering ends for that, also under the next supervisor', () => {
  const { orphans, supervised, last, reasons } = arrange()
  orphans.set(orphan.pid, orphan)
  supervised.adopt(orphan, { mode: 'normal', ready: true, asked: 'hung', startedAt: 1_000_000 })
  last().exit({})
  assert.deepEqual(reasons, ['hung'])
})

test('a kill that was asked for is awaited, however long the process has run', () => {
  const { supervised, last, clock, beatFor, reasons } = arrange({ policyChanges: { stopMs: 5_000 } })
  supervised.start()
  last().ready()
  beatFor(60_000)
  supervised.kill()
  // A look before its supervisor is told of the end.
  clock.advance(1_000)
  last().exit({ signal: 'SIGKILL' })
  assert.deepEqual(reasons, ['kill-asked'])
})

test('a restart that comes after an announced end leaves it one', () => {
  const { supervised, last, reasons } = arrange()
  supervised.start()
  last().ready()
  last().say({ kind: 'handover', withinMs: 10_000 })
  // It has ended, and its supervisor has not been told yet.
  last().vanish()
  supervised.restart()
  last().exit({ code: 0 })
  assert.deepEqual(reasons, ['handover'])
})

test('a restart of what has just ended by itself does not make that end an expected one', () => {
  const { supervised, last, reasons } = arrange()
  supervised.start()
  last().ready()
  last().vanish()
  supervised.restart()
  last().exit({ code: 1 })
  assert.deepEqual(reasons, ['crashed'])
})

test('the time that a supervisor slept makes nothing stable', () => {
  const { supervised, clock, last, beatFor } = arrange({ policyChanges: { stableMs: 30_000 } })
  supervised.start()
  last().exit({ code: 1 })
  clock.advance(0)
  last().ready()
  beatFor(5_000)
  clock.suspend(600_000)
  beatFor(20_000)
  assert.equal(supervised.history.failuresInARow, 1)
  beatFor(5_000)
  assert.equal(supervised.history.failuresInARow, 0)
})

test('what was said of an end is kept with it, without secrets and bounded', async () => {
  const { supervised, clock, last, children } = arrange({ policyChanges: { hangMs: 5_000 }, beats: true })
  supervised.start()
  last().say({ kind: 'failed', text: `ERR_DEFINITION: password: hunter2hunter2 ${'x'.repeat(5_000)}` })
  last().exit({ code: 1 })
  clock.advance(0)
  last().ready()
  clock.advance(6_000)
  last().looks.resolve('it was busy, in spin (a.ts:1:1)')
  await last().looks.promise
  await Promise.resolve()
  clock.advance(200)
  assert.deepEqual(last().signals, ['SIGKILL'])
  last().exit({ signal: 'SIGKILL' })
  clock.advance(1_000)
  last().exit({ error: new Error('spawn EAGAIN') })
  clock.advance(1_000)
  last().exit({ code: 1 })
  const said = supervised.history.ends.map((end) => end.said)
  assert.equal(children.length, 4)
  assert.match(said[0] ?? '', /^ERR_DEFINITION: password: \[redacted\] x+$/)
  assert.equal(said[0]?.length, 1_000)
  assert.deepEqual(said.slice(1), ['it was busy, in spin (a.ts:1:1)', 'spawn EAGAIN', null])
})

test('what was seen of one that went on after all is forgotten', async () => {
  const { supervised, clock, last } = arrange({ policyChanges: { hangMs: 5_000 }, beats: true })
  supervised.start()
  last().ready()
  clock.advance(6_000)
  last().looks.resolve('it was stopped')
  await last().looks.promise
  await Promise.resolve()
  last().beat()
  last().exit({ code: 1 })
  assert.deepEqual(
    supervised.history.ends.map((end) => end.said),
    [null],
  )
})
