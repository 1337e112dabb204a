import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Child, ChildExit, ChildSink, Spawner } from '../../../src/platform/child.ts'
import type { Clock, Timer } from '../../../src/platform/clock.ts'
import { restartDelayMs } from '../../../src/supervisor/backoff.ts'
import { SupervisedChild, type ChildState } from '../../../src/supervisor/child.ts'

/** A clock that stands still until it is told to go on. */
class ManualClock implements Clock {
  #nowMs = 0
  #timers: { readonly dueMs: number; readonly fire: () => void; cancelled: boolean }[] = []

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, fire, cancelled: false }
    this.#timers.push(timer)
    return {
      cancel: () => {
        timer.cancelled = true
      },
    }
  }

  defer(run: () => void): void {
    this.setTimer(0, run)
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      this.#timers = this.#timers.filter((timer) => !timer.cancelled)
      const next = this.#timers.toSorted((a, b) => a.dueMs - b.dueMs)[0]
      if (next === undefined || next.dueMs > endMs) break
      this.#nowMs = next.dueMs
      next.cancelled = true
      next.fire()
    }
    this.#nowMs = endMs
  }
}

class FakeChild implements Child {
  readonly pid: number
  readonly signals: string[] = []
  readonly sent: unknown[] = []
  readonly #sink: ChildSink
  #gone = false

  constructor(pid: number, sink: ChildSink) {
    this.pid = pid
    this.#sink = sink
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): boolean {
    if (this.#gone) return false
    this.signals.push(name)
    return true
  }

  send(message: unknown): void {
    this.sent.push(message)
  }

  ready(): void {
    this.#sink.onMessage({ type: 'ready' })
  }

  exit(exit: Partial<ChildExit>): void {
    this.#gone = true
    this.#sink.onExit({ code: null, signal: null, ...exit })
  }
}

interface Arrangement {
  readonly supervised: SupervisedChild
  readonly clock: ManualClock
  readonly children: FakeChild[]
  readonly states: ChildState[]
  last(): FakeChild
}

function arrange(
  options: { fraction?: number; stableMs?: number; stopDeadlineMs?: number } = {},
): Arrangement {
  const clock = new ManualClock()
  const children: FakeChild[] = []
  const states: ChildState[] = []
  const spawner: Spawner = {
    spawn(_command, sink) {
      const child = new FakeChild(100 + children.length, sink)
      children.push(child)
      return child
    },
  }
  const supervised = new SupervisedChild({
    command: () => ({ file: 'node', arguments: [] }),
    spawner,
    clock,
    random: { bytes: () => new Uint8Array(), uuid: () => '', fraction: () => options.fraction ?? 0.5 },
    isReady: (message) => (message as { type?: string }).type === 'ready',
    sink: {
      onState: (state) => states.push(state),
      onMessage: () => undefined,
      onLine: () => undefined,
      onExit: () => undefined,
    },
    ...(options.stableMs === undefined ? {} : { stableMs: options.stableMs }),
    ...(options.stopDeadlineMs === undefined ? {} : { stopDeadlineMs: options.stopDeadlineMs }),
  })
  return {
    supervised,
    clock,
    children,
    states,
    last: () => children.at(-1) ?? assert.fail('no child was started'),
  }
}

const names = (states: readonly ChildState[]): string[] => states.map((state) => state.name)

test('a child is running once it says that it is ready', () => {
  const { supervised, states, last } = arrange()
  supervised.start()
  assert.deepEqual(names(states), ['starting'])
  last().ready()
  assert.deepEqual(supervised.state, { name: 'running', pid: 100 })
})

test('restarts at once after the first failure', () => {
  const { supervised, clock, children, last, states } = arrange()
  supervised.start()
  last().ready()
  last().exit({ signal: 'SIGKILL' })
  clock.advance(0)
  assert.equal(children.length, 2)
  assert.deepEqual(names(states), ['starting', 'running', 'backing-off', 'starting'])
  assert.equal(supervised.restarts, 1)
})

test('waits longer with each failure in a row, and never longer than the cap', () => {
  const { supervised, clock, last, states } = arrange({ fraction: 0.999 })
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
  const { supervised, clock, last, states } = arrange({ fraction: 0.999 })
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
  const { supervised, clock, children, last } = arrange({ stableMs: 30_000 })
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
    supervised.expectEnd()
    last().exit({ code: 0 })
    clock.advance(0)
    assert.equal(children.length, end + 1)
  }
})

test('stop asks first, then kills, and resolves when the process is gone', async () => {
  const { supervised, clock, last } = arrange({ stopDeadlineMs: 5_000 })
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
