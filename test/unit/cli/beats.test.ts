import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Beats, type BeatFacts } from '../../../src/cli/beats.ts'
import type { ProcessMessage } from '../../../src/cli/process-messages.ts'

const facts: BeatFacts = {
  health: { state: 'healthy', reasons: [], notReady: [] },
  turnsDone: 7,
  stalled: false,
  loopDelayMs: 3,
  session: 'online',
  inbox: 2,
  outbox: 3,
  safeMode: false,
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(1)
}

test('each beat says how the process goes, and what it uses', async () => {
  const sent: ProcessMessage[] = []
  const tell = (message: ProcessMessage): Promise<void> => {
    sent.push(message)
    return Promise.resolve()
  }
  const beats = new Beats({ connected: true, tell }, () => facts, 1)
  try {
    await until(() => sent.length >= 2)
  } finally {
    beats.stop()
  }
  const [first, second] = sent
  assert.ok(first?.type === 'beat' && second?.type === 'beat')
  const { rssBytes, heapUsedBytes, cpuMs, ...rest } = first
  assert.deepEqual(rest, { type: 'beat', ...facts })
  assert.ok(rssBytes > heapUsedBytes && heapUsedBytes > 1_000_000)
  assert.ok(cpuMs > 0 && second.cpuMs >= cpuMs)
})

test('for a parent that does not read, one beat is under way and no more', async () => {
  let asked = 0
  const read: (() => void)[] = []
  const beats = new Beats(
    { connected: true, tell: () => new Promise((resolve) => read.push(resolve)) },
    () => {
      asked += 1
      return facts
    },
    1,
  )
  try {
    await until(() => read.length === 1)
    await delay(30)
    assert.deepEqual([read.length, asked], [1, 1])
    read[0]?.()
    await until(() => read.length === 2)
  } finally {
    beats.stop()
  }
})

test('nothing is asked for where nobody listens', async () => {
  let asked = 0
  const beats = new Beats(
    { connected: false, tell: () => Promise.resolve() },
    () => {
      asked += 1
      return facts
    },
    1,
  )
  await delay(20)
  beats.stop()
  assert.equal(asked, 0)
})
