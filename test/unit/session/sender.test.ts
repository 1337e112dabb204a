import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Credit, PublishAckFrame } from '../../../src/protocol/frames.ts'
import type { Outbound, SettledVerdict } from '../../../src/session/position.ts'
import { Sender } from '../../../src/session/sender.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'

/** A sender over an outbox of the test's. */
function setUp(count: number, options: { credit?: Credit; bytes?: number; holdsSettling?: boolean } = {}) {
  const clock = new SimulatedClock()
  const outbox: Outbound[] = Array.from({ length: count }, (_, index) => outbound(index + 1))
  const published: number[] = []
  const settled: SettledVerdict[][] = []
  const waiting: ((error?: Error) => void)[] = []
  const problems: string[] = []
  const sender = new Sender({
    clock: clock.for(outside),
    log: createSimulatedLog(new Trace()),
    credit: options.credit ?? { messages: 100, bytes: 100_000 },
    pending: (seq, max) => outbox.filter((message) => message.seq >= seq).slice(0, max),
    settle: (verdicts) => {
      settled.push([...verdicts])
      const seqs = new Set(verdicts.map(({ seq }) => seq))
      const write = (): void => {
        for (const message of outbox.filter(({ seq }) => seqs.has(seq)))
          outbox.splice(outbox.indexOf(message), 1)
      }
      if (options.holdsSettling !== true) return (write(), Promise.resolve())
      return new Promise((resolve, reject) => {
        waiting.push((error) => (error === undefined ? (write(), resolve()) : reject(error)))
      })
    },
    publish: ({ seq }) => (published.push(seq), options.bytes ?? 10),
    misnumbered: (problem) => void problems.push(`misnumbered: ${problem}`),
    failed: (problem) => void problems.push(`failed: ${problem}`),
  })
  const verdict = (seq: number, result: PublishAckFrame['result'], fields: Partial<PublishAckFrame> = {}) =>
    sender.verdict({ type: 'publish_ack', seq, result, duplicate: false, ...fields })
  /** Verdicts are being written, which the test is to answer. */
  const writing = (): Promise<void> => clock.run(() => waiting.length > 0)
  const answer = async (error?: Error): Promise<void> => {
    await writing()
    waiting.shift()?.(error)
    await clock.runFor(100)
  }
  return { writing, clock, sender, outbox, published, settled, problems, verdict, answer }
}

function outbound(seq: number): Outbound {
  return {
    seq,
    id: `m${seq}`,
    recipient: 'Bo',
    conversation: 'Bo',
    content: seq,
    hops: 1,
    inReplyTo: undefined,
    again: false,
  }
}

const upTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

test('publishes what is pending, many at a time, and each once', () => {
  const { sender, published } = setUp(90)
  sender.look()
  sender.look()
  assert.deepEqual(published, upTo(1, 90))
})

test('publishes what is committed later', () => {
  const { sender, outbox, published } = setUp(1)
  sender.look()
  outbox.push(outbound(2))
  sender.look()
  assert.deepEqual(published, [1, 2])
})

test('stays within its credit, which never falls', () => {
  const { sender, published } = setUp(10, { credit: { messages: 3, bytes: 1_000 } })
  sender.look()
  assert.deepEqual(published, [1, 2, 3])
  sender.grant({ messages: 1, bytes: 1 })
  assert.equal(published.length, 3)
  sender.grant({ messages: 5, bytes: 1_000 })
  assert.deepEqual(published, upTo(1, 5))
})

test('a frame goes while both counters are above zero, however large it is', () => {
  const { sender, published } = setUp(5, { credit: { messages: 10, bytes: 15 }, bytes: 10 })
  sender.look()
  assert.deepEqual(published, [1, 2])
  sender.grant({ messages: 10, bytes: 21 })
  assert.deepEqual(published, [1, 2, 3])
})

test('notes verdicts in the order in which they come, what comes meanwhile together', async () => {
  const { sender, settled, verdict, writing, answer } = setUp(4, { holdsSettling: true })
  sender.look()
  verdict(1, 'ok')
  await writing()
  verdict(2, 'refused', { code: 'ERR_RECIPIENT', error: 'nobody' })
  verdict(3, 'refused')
  assert.equal(settled.length, 1)
  await answer()
  await writing()
  assert.deepEqual(settled, [
    [{ seq: 1, id: 'm1', result: 'ok' }],
    [
      { seq: 2, id: 'm2', result: 'refused', error: 'ERR_RECIPIENT: nobody' },
      {
        seq: 3,
        id: 'm3',
        result: 'refused',
        error: 'ERR_HUB_PROTOCOL: the hub refused it, and did not say why',
      },
    ],
  ])
})

test('a verdict about what is not under way is none', async () => {
  const { sender, settled, verdict, clock } = setUp(2)
  sender.look()
  verdict(7, 'ok')
  verdict(1, 'ok')
  verdict(1, 'refused')
  await clock.runUntilQuiet()
  assert.deepEqual(settled.flat(), [{ seq: 1, id: 'm1', result: 'ok' }])
})

test('after a retry goes on from there, once all behind it is answered and the time is over', async () => {
  const { sender, published, verdict, clock } = setUp(4)
  sender.look()
  verdict(1, 'ok')
  verdict(2, 'retry', { retry_after_ms: 300 })
  verdict(3, 'expected', { expected_seq: 2 })
  await clock.runFor(1_000)
  assert.equal(published.length, 4, 'one is still unanswered')
  verdict(4, 'expected', { expected_seq: 2 })
  await clock.runFor(299)
  sender.look()
  assert.equal(published.length, 4)
  await clock.runFor(1)
  assert.deepEqual(published, [1, 2, 3, 4, 2, 3, 4])
})

test('a retry without a time waits half a second, and of several the longest counts', async () => {
  const { sender, published, verdict, clock } = setUp(1)
  sender.look()
  verdict(1, 'retry')
  await clock.runFor(499)
  assert.equal(published.length, 1)
  await clock.runFor(1)
  assert.equal(published.length, 2)
  const several = setUp(2)
  several.sender.look()
  several.verdict(1, 'retry', { retry_after_ms: 2_000 })
  several.verdict(2, 'retry', { retry_after_ms: 10 })
  await several.clock.runFor(1_999)
  assert.equal(several.published.length, 2)
  await several.clock.runFor(1)
  assert.deepEqual(several.published, [1, 2, 1, 2])
})

test('a hub may ask for an hour, and not for ever', async () => {
  const { clock, sender, published, verdict } = setUp(1)
  sender.look()
  verdict(1, 'retry', { retry_after_ms: Number.MAX_SAFE_INTEGER })
  await clock.runFor(3_599_000)
  assert.deepEqual(published, [1])
  await clock.runFor(2_000)
  assert.deepEqual(published, [1, 1])
})

test('goes back to what the hub expects, even where that was answered before', async () => {
  const { sender, published, verdict, clock } = setUp(3)
  sender.look()
  verdict(3, 'expected')
  verdict(2, 'expected', { expected_seq: 1 })
  verdict(1, 'expected', { expected_seq: 1 })
  await clock.runUntilQuiet()
  assert.deepEqual(published, [1, 2, 3, 1, 2, 3])
})

test('a number that the outbox does not have needs another numbering', async () => {
  const { sender, outbox, problems, verdict, published, clock } = setUp(5)
  outbox.splice(0, 3)
  sender.look()
  verdict(4, 'expected', { expected_seq: 2 })
  verdict(5, 'expected', { expected_seq: 2 })
  assert.deepEqual(problems, ['misnumbered: the hub expects 2, and the outbox begins at 4'])
  await clock.runUntilQuiet()
  assert.deepEqual(published, [4, 5])
})

test('going back to where nothing is pending waits for what comes', async () => {
  const { sender, outbox, problems, verdict, published, clock } = setUp(1)
  sender.look()
  outbox.splice(0)
  verdict(1, 'expected', { expected_seq: 2 })
  await clock.runUntilQuiet()
  outbox.push(outbound(2))
  sender.look()
  assert.deepEqual([published, problems], [[1, 2], []])
})

test('verdicts that cannot be written end the connection, and are asked for again', async () => {
  const { sender, settled, problems, verdict, answer, outbox } = setUp(2, { holdsSettling: true })
  sender.look()
  verdict(1, 'ok')
  await answer(new Error('disk'))
  assert.deepEqual(problems, ['failed: the verdicts could not be written'])
  assert.equal(outbox.length, 2)
  verdict(2, 'ok')
  await answer()
  assert.equal(settled.length, 2)
})

test('after stop, what is being noted is waited for, and the rest is dropped', async () => {
  const { sender, settled, verdict, writing, answer, clock } = setUp(3, { holdsSettling: true })
  sender.look()
  verdict(1, 'ok')
  await writing()
  verdict(2, 'ok')
  let stopped = false
  void sender.stop().then(() => (stopped = true))
  verdict(3, 'ok')
  await clock.runFor(100)
  assert.equal(stopped, false)
  await answer()
  assert.equal(stopped, true)
  assert.deepEqual(
    settled.flat().map(({ seq }) => seq),
    [1],
  )
})

test('after stop nothing is published any more', async () => {
  const { sender, published, verdict, clock } = setUp(2, { credit: { messages: 1, bytes: 100 } })
  sender.look()
  verdict(1, 'retry')
  await sender.stop()
  sender.grant({ messages: 10, bytes: 100 })
  sender.look()
  await clock.runUntilQuiet()
  assert.deepEqual(published, [1])
})
