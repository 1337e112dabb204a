import assert from 'node:assert/strict'
import { test } from 'node:test'
import { effectTable } from '../../../src/agent/effect-ledger.ts'
import { stepTable } from '../../../src/agent/steps.ts'
import { timerTable } from '../../../src/agent/timers.ts'
import { bury } from '../../../src/queue/dead-letters.ts'
import { inboxTable } from '../../../src/queue/inbox.ts'
import { appendOutgoing, settleOutgoing } from '../../../src/queue/outbox.ts'
import {
  nextTimers,
  stateDocument,
  storedStatus,
  terminalMessages,
  totals,
} from '../../../src/runtime/queries.ts'
import { listQueue } from '../../../src/runtime/queue-queries.ts'
import { findTurn, listTurns, showTurn } from '../../../src/runtime/turn-queries.ts'
import { withMemoryDb, type MemoryDb } from '../../helpers/memory-db.ts'

function accept(db: MemoryDb, id: string, conversation = 'you', now = 1_000): number {
  return db.write((tx) =>
    inboxTable.accept(
      tx,
      {
        kind: 'message',
        source: 'you',
        id,
        sender: 'you',
        conversation,
        payload: `text of ${id}`,
        hops: 0,
        inReplyTo: undefined,
      },
      now,
    ),
  ).position
}

function send(db: MemoryDb, turn: number, to: string, content: string): number {
  return db.write((tx) =>
    appendOutgoing(
      tx,
      { id: `m-${turn}-${to}`, turn, to, conversation: 'you', content, hops: 1, inReplyTo: undefined },
      2_000,
    ),
  )
}

test('an agent that has done nothing has a status of zeros', () =>
  withMemoryDb((db) => {
    const status = storedStatus(db.reader)
    assert.equal(status.name, 'Ada')
    assert.deepEqual(status.inbox, {
      pending: 0,
      running: 0,
      parked: 0,
      done: 0,
      dead: 0,
      oldestOpenAt: null,
      nextAttemptAt: null,
    })
    assert.deepEqual(status.timers, { count: 0, nextDueAt: null })
    assert.deepEqual(listQueue(db.reader, { limit: 50 }), {
      paused: { inbox: null, outbox: null },
      inbox: [],
      outbox: [],
      deadLetters: [],
      deadMessages: [],
    })
    assert.deepEqual(stateDocument(db.reader), {})
  }))

test('the status counts each queue by what became of its entries', () =>
  withMemoryDb((db) => {
    for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries()) accept(db, id, id, 1_000 + index)
    db.write((tx) => {
      inboxTable.finish(tx, 1, 1_500)
      inboxTable.begin(tx, 2, { alone: false, now: 1_500 })
      inboxTable.park(tx, 3, { code: 'ERR_TURN_PARKED', message: 'waits' })
      const evidence = { error: 'boom', attempts: 5, failures: 5, crashes: 0, steps: [], effects: [] }
      bury(tx, 4, 'failed', evidence, 1_600)
    })
    send(db, 1, 'you', 'reply')
    send(db, 1, 'Bob', 'hello')
    db.write((tx) => settleOutgoing(tx, 2, { status: 'refused', error: 'no Bob' }, 2_100))

    const { inbox, outbox } = storedStatus(db.reader)
    assert.deepEqual(inbox, {
      pending: 1,
      running: 1,
      parked: 1,
      done: 1,
      dead: 1,
      oldestOpenAt: 1_001,
      nextAttemptAt: 0,
    })
    assert.deepEqual(outbox, {
      pending: 1,
      delivered: 0,
      refused: 1,
      expired: 0,
      oldestPendingAt: 2_000,
      forYou: 1,
    })
    assert.deepEqual(totals(db.reader), {
      received: 5,
      done: 1,
      open: 3,
      parked: 1,
      dead: 1,
      unread: 1,
      outgoing: 0,
    })
    const queue = listQueue(db.reader, { limit: 50 })
    assert.deepEqual(
      queue.inbox.map(({ turn, status }) => [turn, status]),
      [
        [2, 'running'],
        [3, 'parked'],
        [5, 'pending'],
      ],
    )
    assert.equal(queue.inbox[1]?.error, 'ERR_TURN_PARKED: waits')
    assert.deepEqual(
      queue.deadLetters.map(({ turn, error }) => [turn, error]),
      [[4, 'boom']],
    )
    assert.deepEqual(
      queue.outbox.map(({ to, text }) => [to, text]),
      [['you', 'reply']],
    )
  }))

test('turns are listed newest first, filtered and bounded', () =>
  withMemoryDb((db) => {
    for (const id of ['a', 'b', 'c']) accept(db, id, id === 'b' ? 'other' : 'you')
    db.write((tx) => inboxTable.finish(tx, 3, 1))
    assert.deepEqual(
      listTurns(db.reader).map(({ turn }) => turn),
      [3, 2, 1],
    )
    assert.deepEqual(
      listTurns(db.reader, { limit: 1 }).map(({ turn }) => turn),
      [3],
    )
    assert.deepEqual(
      listTurns(db.reader, { statuses: ['pending'] }).map(({ turn }) => turn),
      [2, 1],
    )
    assert.deepEqual(
      listTurns(db.reader, { conversation: 'other' }).map(({ turn }) => turn),
      [2],
    )
    assert.equal(findTurn(db.reader, 9), undefined)
  }))

test('a turn is shown with its steps, its effects, what it sent and why it was set aside', () =>
  withMemoryDb((db) => {
    const turn = accept(db, 'a')
    send(db, turn, 'Bob', 'hello')
    db.write((tx) => {
      stepTable.record(tx, { turn, name: 'quote', occurrence: 1 }, '{"amount":10}', { now: 5, durationMs: 3 })
      const effect = { turn, name: 'charge', occurrence: 1 }
      effectTable.start(tx, effect, { key: 'key-1', policy: 'unkeyed' }, 6)
      effectTable.settle(tx, effect, { status: 'unknown', error: 'the process died' }, 7)
      const evidence = { error: 'boom', attempts: 1, failures: 1, crashes: 0, steps: ['quote'], effects: [] }
      bury(tx, turn, 'failed', evidence, 8)
    })
    const view = showTurn(db.reader, turn)
    assert.ok(view !== undefined)
    assert.equal(view.text, 'text of a')
    assert.deepEqual(
      view.steps.map(({ name, result }) => [name, result]),
      [['quote', { amount: 10 }]],
    )
    assert.deepEqual(
      view.effects.map(({ name, key, status, error }) => [name, key, status, error]),
      [['charge', 'key-1', 'unknown', 'the process died']],
    )
    assert.deepEqual(
      view.sent.map(({ to, text }) => [to, text]),
      [['Bob', 'hello']],
    )
    assert.equal(view.deadLetter?.reason, 'failed')
    assert.equal(showTurn(db.reader, 99), undefined)
  }))

test('the terminal is shown what it has not been shown', () =>
  withMemoryDb((db) => {
    accept(db, 'a')
    for (const text of ['one', 'two', 'three']) send(db, 1, 'you', text)
    send(db, 1, 'Bob', 'not for you')
    db.write((tx) => settleOutgoing(tx, 1, { status: 'delivered' }, 1))
    assert.deepEqual(
      terminalMessages(db.reader, 0).map(({ text }) => text),
      ['two', 'three'],
    )
    assert.deepEqual(
      terminalMessages(db.reader, 2).map(({ text }) => text),
      ['three'],
    )
  }))

test('timers come in the order in which they are due', () =>
  withMemoryDb((db) => {
    db.write((tx) => {
      for (const [id, dueAt] of [
        ['late', 30],
        ['soon', 10],
      ] as const) {
        timerTable.add(
          tx,
          { id, conversation: 'c', sender: 'you', payload: null, hops: 0, dueAt, turn: 1 },
          0,
        )
      }
    })
    assert.deepEqual(
      nextTimers(db.reader, 5).map(({ id }) => id),
      ['soon', 'late'],
    )
  }))
