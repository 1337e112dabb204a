import assert from 'node:assert/strict'
import { test } from 'node:test'
import { arrange, type Arrangement, type Wishes } from '../../helpers/supervised.ts'

const mib = 1_048_576

function running(wishes: Wishes = {}): Arrangement {
  const arranged = arrange({ beats: true, ...wishes })
  arranged.supervised.start()
  arranged.last().ready()
  return arranged
}

test('what is not heard of for hangMs is looked at, killed and started again', async () => {
  const { clock, last, supervised, evidence, reasons, children } = running()
  const hung = last()
  clock.advance(14_000)
  assert.equal(supervised.state.name, 'running')
  clock.advance(1_000)
  assert.equal(supervised.state.name, 'killing')
  assert.deepEqual(hung.signals, [])
  hung.looks.resolve('it is in a loop')
  await Promise.resolve()
  assert.deepEqual(evidence, ['it is in a loop'])
  clock.advance(100)
  assert.deepEqual(hung.signals, ['SIGKILL'])
  hung.exit({ signal: 'SIGKILL' })
  clock.advance(0)
  assert.deepEqual(reasons, ['hung'])
  assert.equal(children.length, 2)
})

test('a look at a hung process that does not end is not waited for', () => {
  const { clock, last } = running()
  clock.advance(15_000 + 2_099)
  assert.deepEqual(last().signals, [])
  clock.advance(1)
  assert.deepEqual(last().signals, ['SIGKILL'])
})

test('one that is heard again before it is killed is let live', async () => {
  const { clock, last, supervised } = running()
  clock.advance(16_000)
  assert.equal(supervised.state.name, 'killing')
  last().beat()
  last().looks.resolve('it was suspended')
  await Promise.resolve()
  clock.advance(10_000)
  assert.equal(supervised.state.name, 'running')
  assert.deepEqual(last().signals, [])
})

test('one that is heard again before it is killed is restarted where somebody wanted that meanwhile', async () => {
  const { clock, last, supervised, reasons, children } = running()
  const silent = last()
  clock.advance(16_000)
  assert.equal(supervised.state.name, 'killing')
  supervised.restart()
  silent.beat()
  assert.equal(supervised.state.name, 'restarting')
  assert.deepEqual(silent.signals, ['SIGTERM'])
  silent.looks.resolve('it was suspended')
  await Promise.resolve()
  silent.beat()
  clock.advance(14_000)
  assert.deepEqual(silent.signals, ['SIGTERM'])
  silent.exit({ code: 0 })
  clock.advance(0)
  assert.deepEqual(reasons, ['restart'])
  assert.equal(children.length, 2)
})

test('one that is killed while somebody wants it restarted is restarted, whatever its policy says', () => {
  const { clock, last, supervised, reasons, children } = running({ policyChanges: { restart: 'never' } })
  clock.advance(16_000)
  supervised.restart()
  clock.advance(2_000)
  assert.deepEqual(last().signals, ['SIGKILL'])
  last().exit({ signal: 'SIGKILL' })
  clock.advance(0)
  assert.deepEqual(reasons, ['restart'])
  assert.equal(children.length, 2)
})

test('one that beats is not killed', () => {
  const { beatFor, supervised, children } = running()
  beatFor(3_600_000)
  assert.equal(supervised.state.name, 'running')
  assert.equal(children.length, 1)
})

test('one that has said that it will be busy is given that time, and no more', () => {
  const { clock, last, supervised } = running()
  clock.advance(10_000)
  last().say({ kind: 'busy', forMs: 60_000 })
  clock.advance(74_000)
  assert.equal(supervised.state.name, 'running')
  clock.advance(1_000)
  assert.equal(supervised.state.name, 'killing')
})

test('one that is heard again is busy no more, and nobody is believed to be busy for ever', () => {
  const heard = running()
  heard.last().say({ kind: 'busy', forMs: 60_000 })
  heard.clock.advance(5_000)
  heard.last().beat()
  heard.clock.advance(15_000)
  assert.equal(heard.supervised.state.name, 'killing')

  const endless = running()
  endless.last().say({ kind: 'busy', forMs: Infinity })
  endless.clock.advance(615_000)
  assert.equal(endless.supervised.state.name, 'killing')
})

test('a supervisor that was suspended blames nobody', () => {
  const { clock, beatFor, supervised } = running()
  beatFor(5_000)
  clock.suspend(3_600_000)
  clock.advance(1_000)
  beatFor(60_000)
  assert.equal(supervised.state.name, 'running')
})

test('what has never beaten and need not is not watched', () => {
  const { clock, supervised } = running({ beats: false })
  clock.advance(3_600_000)
  assert.equal(supervised.state.name, 'running')
})

test('what need not beat and has is watched', () => {
  const { clock, supervised, beatFor } = running({ beats: false })
  beatFor(1_000)
  clock.advance(15_000)
  assert.equal(supervised.state.name, 'killing')
})

test('what is not ready in time is killed, and has longer the next time', () => {
  const { clock, last, supervised, reasons } = arrange({ fraction: 0 })
  supervised.start()
  for (const deadlineMs of [60_000, 120_000, 240_000, 480_000, 480_000]) {
    const slow = last()
    clock.advance(deadlineMs - 1_000)
    assert.equal(supervised.state.name, 'starting')
    clock.advance(1_000 + 2_100)
    assert.deepEqual(slow.signals, ['SIGKILL'])
    slow.exit({ signal: 'SIGKILL' })
    clock.advance(0)
  }
  assert.deepEqual(new Set(reasons), new Set(['start-timeout']))
})

test('one that says that nothing advances is asked to end, and killed when it does not', () => {
  const { clock, last, reasons } = running()
  const stalled = last()
  stalled.beat({ stalled: true })
  assert.deepEqual(stalled.signals, ['SIGTERM'])
  clock.advance(15_000)
  assert.deepEqual(stalled.signals, ['SIGTERM', 'SIGKILL'])
  stalled.exit({ signal: 'SIGKILL' })
  assert.deepEqual(reasons, ['stalled'])
})

test('memory above the limit counts from the third beat in a row, and as no failure', () => {
  const { clock, last, reasons, supervised } = running({ policyChanges: { memoryMaxBytes: 100 * mib } })
  const large = { rssBytes: 101 * mib }
  for (const beat of [large, large, { rssBytes: 99 * mib }, large, large]) last().beat(beat)
  assert.deepEqual(last().signals, [])
  last().beat(large)
  assert.deepEqual(last().signals, ['SIGTERM'])
  last().exit({ code: 0 })
  assert.deepEqual(reasons, ['memory'])
  assert.equal(supervised.history.failuresInARow, 0)
  clock.advance(0)
  assert.equal(supervised.history.restarts, 1)
})

test('what leaks at once is slowed down', () => {
  const { clock, last, states, supervised } = running({
    fraction: 0.999,
    policyChanges: { memoryMaxBytes: mib },
  })
  for (let leak = 0; leak < 5; leak += 1) {
    last().ready()
    for (let beat = 0; beat < 3; beat += 1) last().beat({ rssBytes: 2 * mib })
    last().exit({ code: 0 })
    clock.advance(1_000)
  }
  const delays = states.filter((state) => state.name === 'backing-off').map((state) => state.delayMs)
  assert.deepEqual(delays, [0, 99, 199, 399, 799])
  assert.equal(supervised.history.safeMode.isOn, false)
})
