import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { ReceiverCredit } from '../../../src/protocol/credit.ts'
import type { Credit } from '../../../src/protocol/frames.ts'
import type { IncomingPage } from '../../../src/session/position.ts'
import { Receiver } from '../../../src/session/receiver.ts'
import { outside, SimulatedClock } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'

type Verdict = 'ok' | Error

/** A receiver whose store says what the test tells it to, when it is told to. */
function setUp(options: { window?: Credit; offset?: number } = {}) {
  const clock = new SimulatedClock()
  const pages: IncomingPage[] = []
  const waiting: ((verdict: Verdict) => void)[] = []
  const acks: number[] = []
  const grants: Credit[] = []
  const gaps: object[] = []
  const failures: string[] = []
  const receiver = new Receiver({
    clock: clock.for(outside),
    log: createSimulatedLog(new Trace()),
    credit: new ReceiverCredit(options.window ?? { messages: 4, bytes: 4_000 }),
    epoch: 'e',
    offset: options.offset ?? 0,
    accept: (page) => {
      pages.push(page)
      return new Promise((resolve, reject) => {
        waiting.push((verdict) => (verdict === 'ok' ? resolve() : reject(verdict)))
      })
    },
    acknowledge: (offset) => void acks.push(offset),
    grant: (credit) => void grants.push(credit),
    gap: (gap) => void gaps.push(gap),
    failed: (problem) => void failures.push(problem),
  })
  return {
    clock,
    receiver,
    pages,
    acks,
    grants,
    gaps,
    failures,
    message: (offset: number, bytes = 10, epoch = 'e') =>
      receiver.message(
        {
          type: 'message',
          epoch,
          offset,
          mark: `mark ${offset}`,
          message_id: `m${offset}`,
          sender_id: 1,
          sender_name: 'Bo',
          content: offset,
          message_type: 'text',
          timestamp: '',
        },
        bytes,
      ),
    gap: (from: number, to: number, epoch = 'e') =>
      receiver.gap({ type: 'gap', epoch, from, to, last_id: `mark ${to}`, reason: 'expired' }),
    /** Answers the page that is being written. */
    async answer(verdict: Verdict = 'ok') {
      waiting.shift()?.(verdict)
      await clock.runFor(0)
    },
  }
}

const offsetsOf = (page: IncomingPage | undefined) => page?.messages.map(({ offset }) => offset)
const full = new PerduraError('ERR_INBOX_FULL', 'full')

test('acknowledges a page once it is on disk, and never before', async () => {
  const { message, pages, acks, answer, clock } = setUp()
  message(1)
  await clock.runFor(10_000)
  assert.deepEqual(acks, [])
  await answer()
  assert.deepEqual(acks, [1])
  assert.deepEqual(pages[0], {
    epoch: 'e',
    after: 0,
    messages: [
      {
        offset: 1,
        id: 'm1',
        senderName: 'Bo',
        conversation: undefined,
        content: 1,
        metadata: undefined,
        type: 'text',
      },
    ],
    through: { offset: 1, id: 'mark 1' },
  })
})

test('what comes while a page is written makes the next one', async () => {
  const { message, pages, acks, answer } = setUp()
  for (const offset of [1, 2, 3]) message(offset)
  assert.equal(pages.length, 1)
  await answer()
  assert.deepEqual([offsetsOf(pages[0]), offsetsOf(pages[1])], [[1], [2, 3]])
  assert.equal(pages[1]?.after, 1)
  await answer()
  assert.deepEqual(acks, [1, 3])
})

test('a hole, a repeat and another epoch end the connection, and are not taken in', async () => {
  for (const [offset, epoch] of [
    [2, 'e'],
    [0, 'e'],
    [1, 'other'],
  ] as const) {
    const { message, pages, failures } = setUp()
    message(offset, 10, epoch)
    assert.equal(failures.length, 1)
    assert.equal(pages.length, 0)
  }
  const { message, gap, failures } = setUp({ offset: 5 })
  message(6)
  gap(8, 9)
  assert.deepEqual(failures, ['offset 8 came after 6'])
})

test('a gap moves the position over what cannot come any more', async () => {
  const { message, gap, gaps, pages, acks, answer } = setUp()
  gap(1, 3)
  message(4)
  assert.deepEqual(gaps, [{ from: 1, to: 3, reason: 'expired' }])
  await answer()
  await answer()
  assert.deepEqual(pages[0]?.through, { offset: 3, id: 'mark 3' })
  assert.deepEqual(offsetsOf(pages[0]), [])
  assert.deepEqual([pages[1]?.after, offsetsOf(pages[1])], [3, [4]])
  assert.deepEqual(acks, [3, 4])
})

test('a gap that ends before it begins is none', () => {
  const { gap, failures, gaps } = setUp({ offset: 5 })
  gap(6, 5)
  assert.deepEqual([failures, gaps], [['a gap from 6 to 5'], []])
})

test('a page for which there is no room is tried one by one, and the rest waits', async () => {
  const { message, pages, acks, answer, clock } = setUp()
  for (const offset of [1, 2, 3]) message(offset)
  await answer()
  await answer(full)
  assert.deepEqual(offsetsOf(pages[2]), [2])
  await answer()
  // Whole pages are tried again.
  assert.deepEqual([offsetsOf(pages[3]), acks], [[3], [1, 2]])
  await answer(full)
  await clock.runFor(499)
  assert.equal(pages.length, 4)
  await clock.runFor(1)
  assert.deepEqual(offsetsOf(pages[4]), [3])
  await answer()
  assert.deepEqual(acks, [1, 2, 3])
})

test('what could not be written is written later, with what came meanwhile', async () => {
  const { message, pages, acks, answer, clock } = setUp()
  message(1)
  await answer(new PerduraError('ERR_STORE_WRITE', 'disk'))
  message(2)
  assert.equal(pages.length, 1)
  await clock.runFor(500)
  assert.deepEqual(offsetsOf(pages[1]), [1, 2])
  await answer()
  assert.deepEqual(acks, [2])
})

test('a message that cannot be kept at all is passed over, and those around it are taken in', async () => {
  const { message, gaps, grants, failures, pages, acks, answer } = setUp()
  for (const offset of [1, 2, 3]) message(offset)
  await answer()
  const unreadable = new PerduraError('ERR_PAYLOAD_INVALID', 'no')
  await answer(unreadable)
  await answer(unreadable)
  assert.deepEqual(gaps, [{ from: 2, to: 2, reason: 'unreadable: no' }])
  assert.deepEqual([offsetsOf(pages[3]), pages[3]?.through], [[], { offset: 2, id: 'mark 2' }])
  await answer()
  await answer()
  assert.deepEqual([offsetsOf(pages[4]), acks, failures], [[3], [1, 2, 3], []])
  // The credit that it came on is given back.
  assert.equal(grants.at(-1)?.messages, 6)
})

test('a message that fails for no known reason is tried for a while before it is passed over', async () => {
  const { message, gaps, pages, acks, answer, clock } = setUp()
  message(1)
  for (const delayMs of [500, 1_000, 2_000, 4_000]) {
    await answer(new RangeError('too deep'))
    assert.deepEqual(gaps, [])
    const count = pages.length
    await clock.runFor(delayMs - 1)
    assert.equal(pages.length, count)
    await clock.runFor(1)
    assert.equal(pages.length, count + 1)
  }
  await answer(new RangeError('too deep'))
  assert.deepEqual(gaps, [{ from: 1, to: 1, reason: 'unreadable: too deep' }])
  await answer()
  assert.deepEqual(acks, [1])
})

test('what does not fit the position, or fails without a message in it, is for the next connection', async () => {
  const misplaced = setUp()
  misplaced.message(1)
  await misplaced.answer(new PerduraError('ERR_HUB_PROTOCOL', 'elsewhere'))
  assert.deepEqual([misplaced.failures, misplaced.gaps, misplaced.acks], [['elsewhere'], [], []])
  const { gap, failures, answer } = setUp()
  gap(1, 3)
  await answer(new PerduraError('ERR_PAYLOAD_INVALID', 'no'))
  assert.equal(failures.length, 1)
})

test('grants more in steps of half a window, counted from the beginning', async () => {
  const { message, gap, grants, answer } = setUp({ window: { messages: 4, bytes: 1_000 } })
  message(1)
  await answer()
  assert.deepEqual(grants, [])
  message(2)
  await answer()
  assert.deepEqual(grants, [{ messages: 6, bytes: 1_020 }])
  gap(3, 10)
  await answer()
  assert.equal(grants.length, 1)
  message(11, 600)
  await answer()
  assert.deepEqual(grants[1], { messages: 7, bytes: 1_620 })
})

test('after stop nothing is acknowledged, and what is being written is waited for', async () => {
  const { message, receiver, acks, pages, answer, clock } = setUp()
  message(1)
  message(2)
  let stopped = false
  void receiver.stop().then(() => (stopped = true))
  await clock.runFor(10)
  assert.equal(stopped, false)
  await answer()
  assert.equal(stopped, true)
  message(3)
  await clock.runFor(1_000)
  assert.deepEqual([acks, pages.length], [[], 1])
})

test('after stop nothing is tried again', async () => {
  const { message, receiver, pages, answer, clock } = setUp()
  message(1)
  await answer(full)
  await receiver.stop()
  await clock.runUntilQuiet()
  assert.equal(pages.length, 1)
  const other = setUp()
  other.message(1)
  const stopped = other.receiver.stop()
  await other.answer(new Error('closed'))
  await stopped
  await other.clock.runUntilQuiet()
  assert.equal(other.pages.length, 1)
})
