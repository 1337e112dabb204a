import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartDelayMs } from '../../../src/supervisor/backoff.ts'
import type { ChildState } from '../../../src/supervisor/child-state.ts'
import { arrange } from '../../helpers/supervised.ts'

const names = (states: readonly ChildState[]): string[] => states.map((state) => state.name)

test('a child is running once it says that it is ready', () => {
  const { supervised, states, last } = arrange()
  supervised.start()
  assert.deepEqual(names(states), ['starting'])
  last().ready()
  assert.deepEqual(supervised.state, { name: 'running', pid: 100, mode: 'normal', adopted: false })
})

test('restarts at once after the first failure', () => {
  const { supervised, clock, children, last, states } = arrange()
  supervised.start()
  last().ready()
  last().exit({ signal: 'SIGKILL' })
  clock.advance(0)
  assert.equal(children.length, 2)
  assert.deepEqual(names(states), ['starting', 'running', 'backing-off', 'starting'])
  assert.equal(supervised.history.restarts, 1)
})

test('waits longer with each failure in a row, and never longer than the cap', () => {
  const { supervised, clock, last, states } = arrange({
    fraction: 0.999,
    policyChanges: { failuresMax: 100 },
  })
  supervised.start()
  for (let failure = 0; failure < 14; failure++) {
    last().exit({ code: 1 })
    clock.advance(30_000)
  }
  const delays = states.filter((state) => state.name === 'backing-off').map((state) => state.delayMs)
  assert.deepEqual(delays.slice(0, 5), [0, 99, 199, 399, 799])
  assert.deepEqual(delays.slice(-3), [29_970, 29_970, 29_970])
})

test('a child that was ready is never kept waiting long', () => {
  const { supervised, clock, last, states } = arrange({
    fraction: 0.999,
    policyChanges: { failuresMax: 100 },
  })
  supervised.start()
  for (let failure = 0; failure < 10; failure++) {
    last().ready()
    last().exit({ signal: 'SIGKILL' })
    clock.advance(2_000)
  }
  const delays = states.filter((state) => state.name === 'backing-off').map((state) => state.delayMs)
  assert.deepEqual(delays.slice(-2), [999, 999])
})

test('jitter reaches down to nothing, also at the cap', () => {
  const random = { bytes: () => new Uint8Array(), uuid: () => '', fraction: () => 0 }
  assert.equal(restartDelayMs(50, false, random), 0)
})

test('a failure after a stable time counts as the first', () => {
  const { supervised, clock, children, last } = arrange({ policyChanges: { stableMs: 30_000 } })
  supervised.start()
  last().exit({ code: 1 })
  clock.advance(0)
  last().exit({ code: 1 })
  clock.advance(100)
  last().ready()
  clock.advance(30_000)
  const before = children.length
  last().exit({ code: 1 })
  clock.advance(0)
  assert.equal(children.length, before + 1)
})

test('a child that ends well without having been asked to is restarted', () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  last().ready()
  last().exit({ code: 0 })
  clock.advance(0)
  assert.equal(children.length, 2)
})

test('exit code 78 is not answered with a restart, until somebody starts it again', () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  last().exit({ code: 78 })
  clock.advance(3_600_000)
  assert.equal(supervised.state.name, 'failed')
  assert.equal(children.length, 1)
  supervised.start()
  assert.equal(children.length, 2)
})

test('a kill that was asked for is answered without delay and counts as no failure', () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  for (let kill = 1; kill <= 10; kill++) {
    last().ready()
    assert.ok(supervised.kill())
    last().exit({ signal: 'SIGKILL' })
    clock.advance(0)
    assert.equal(children.length, kill + 1)
  }
})

test('an end that was announced is answered without delay and counts as no failure', () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  for (let end = 1; end <= 10; end++) {
    last().ready()
    last().say({ kind: 'handover', withinMs: 1_000 })
    last().exit({ code: 0 })
    clock.advance(0)
    assert.equal(children.length, end + 1)
  }
})

test('stop asks first, then kills, and resolves when the process is gone', async () => {
  const { supervised, clock, last } = arrange({ policyChanges: { stopMs: 5_000 } })
  supervised.start()
  last().ready()
  let stopped = false
  const stopping = supervised.stop().then(() => {
    stopped = true
  })
  assert.deepEqual(last().signals, ['SIGTERM'])
  clock.advance(4_999)
  assert.deepEqual(last().signals, ['SIGTERM'])
  clock.advance(1)
  assert.deepEqual(last().signals, ['SIGTERM', 'SIGKILL'])
  await Promise.resolve()
  assert.equal(stopped, false)
  last().exit({ signal: 'SIGKILL' })
  await stopping
  assert.equal(supervised.state.name, 'stopped')
})

test('a stop while waiting to restart leaves no timer that starts it again', async () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  last().exit({ code: 1 })
  clock.advance(0)
  last().exit({ code: 1 })
  assert.equal(supervised.state.name, 'backing-off')
  await supervised.stop()
  clock.advance(60_000)
  assert.equal(children.length, 2)
  assert.equal(supervised.state.name, 'stopped')
})

test('whatever code a stopping child ends with, it stays stopped', async () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  const stopping = supervised.stop()
  last().exit({ code: 78 })
  await stopping
  clock.advance(60_000)
  assert.equal(supervised.state.name, 'stopped')
  assert.equal(children.length, 1)
})

test('two stops at once wait for the same end', async () => {
  const { supervised, last } = arrange()
  supervised.start()
  const both = Promise.all([supervised.stop(), supervised.stop()])
  assert.deepEqual(last().signals, ['SIGTERM'])
  last().exit({ code: 0 })
  await both
})

test('a program that cannot be started is tried again like one that fails', () => {
  const { supervised, clock, children, last } = arrange()
  supervised.start()
  last().exit({ error: new Error('ENOENT') })
  clock.advance(0)
  assert.equal(children.length, 2)
})
