import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultRetention, Housekeeping, type RetentionLimits } from '../../../src/agent/housekeeping.ts'
import { inboxTable } from '../../../src/queue/inbox.ts'
import { appendOutgoing, settleOutgoing } from '../../../src/queue/outbox.ts'
import type { Store } from '../../../src/store/store.ts'
import { withMemoryDb, type MemoryDb } from '../../helpers/memory-db.ts'
import { logInto } from '../../helpers/store-folder.ts'

const day = 86_400_000
const now = 100 * day

/** Sweeps once, as at the given time. */
async function sweep(db: MemoryDb, limits: Partial<RetentionLimits>, at = now): Promise<void> {
  const logged: string[] = []
  const timers: (() => void)[] = []
  const housekeeping = new Housekeeping({
    store: {
      reader: db.reader,
      write: async (operation) => db.write(operation),
      position: { chain: 1, sequence: 0 },
      close: () => Promise.resolve(),
    } satisfies Store,
    clock: {
      now: () => at,
      monotonicMs: () => 0,
      setTimer(_, fire) {
        timers.push(fire)
        return { cancel: () => undefined }
      },
      defer: (run) => run(),
    },
    log: logInto(logged),
    limits: { ...defaultRetention, ...limits },
  })
  housekeeping.start()
  timers.shift()?.()
  // Sweeping is over when it has set the timer of the next time.
  while (timers.length === 0) await new Promise((resolve) => setImmediate(resolve))
  housekeeping.close()
  assert.deepEqual(logged, [])
}

/** An entry that came in and was finished at these times; its id is its position. */
function add(db: MemoryDb, status: 'done' | 'dead' | 'parked', at = now): number {
  return db.write((tx) => {
    const entry = {
      kind: 'message',
      source: 'from:you',
      sender: 'you',
      conversation: 'you',
      payload: 1,
      hops: 0,
    } as const
    const next = (tx.get<{ n: number }>('SELECT count(*) + 1 AS n FROM inbox_seen') as { n: number }).n
    const { position } = inboxTable.accept(tx, { ...entry, id: `id ${next}`, inReplyTo: undefined }, at)
    tx.run('UPDATE inbox SET status = ?, finished_at = ? WHERE position = ?', status, at, position)
    tx.run("INSERT INTO steps VALUES (?, 'a', 1, '1', 0, 0)", position)
    tx.run("INSERT INTO effects VALUES (?, 'a', 1, 'k', 'verify', 'done', 1, '1', NULL, 0, 0, 0)", position)
    if (status === 'dead') tx.run("INSERT INTO dead_letters VALUES (?, 'failed', '{}', ?)", position, at)
    return position
  })
}

const positions = (db: MemoryDb, table: string, column = 'position'): number[] =>
  db.reader.all<{ n: number }>(`SELECT ${column} AS n FROM ${table} ORDER BY n`).map(({ n }) => n)

test('keeps the newest finished turns, and removes the others with all that belongs to them', () =>
  withMemoryDb(async (db) => {
    for (let n = 0; n < 500; n++) add(db, 'done', now + n)
    await sweep(db, { turnsMax: 10 })
    const kept = Array.from({ length: 10 }, (_, n) => 491 + n)
    assert.deepEqual(positions(db, 'inbox'), kept)
    assert.deepEqual(positions(db, 'steps', 'turn'), kept)
    assert.deepEqual(positions(db, 'effects', 'turn'), kept)
    assert.equal(positions(db, 'inbox_seen').length, 500)
  }))

test('removes finished turns of a certain age, however few there are', () =>
  withMemoryDb(async (db) => {
    add(db, 'done', now - 31 * day)
    const young = add(db, 'done', now - 29 * day)
    await sweep(db, {})
    assert.deepEqual(positions(db, 'inbox'), [young])
  }))

test('keeps the newest dead letters whatever their age, and never removes what waits', () =>
  withMemoryDb(async (db) => {
    add(db, 'dead', now - 90 * day)
    const parked = add(db, 'parked', now - 95 * day)
    const [second, third] = [add(db, 'dead', now - 80 * day), add(db, 'dead', now - 70 * day)]
    await sweep(db, { deadLettersMax: 2 })
    assert.deepEqual(positions(db, 'inbox'), [parked, second, third])
    assert.deepEqual(positions(db, 'dead_letters'), [second, third])
  }))

test('forgets identifiers of a certain age or beyond their number, but not those of what is still open', () =>
  withMemoryDb(async (db) => {
    const open = Array.from({ length: 250 }, () => add(db, 'parked', now - 60 * day))
    for (let n = 0; n < 300; n++) add(db, 'done', now - 40 * day)
    const young = [add(db, 'done'), add(db, 'done'), add(db, 'done')]
    await sweep(db, {})
    assert.deepEqual(positions(db, 'inbox_seen'), [...open, ...young])
    await sweep(db, { seenMax: 2 })
    assert.deepEqual(positions(db, 'inbox_seen'), [...open, ...young.slice(1)])
  }))

test('removes settled messages beyond their number or age, never pending ones', () =>
  withMemoryDb(async (db) => {
    for (let n = 1; n <= 6; n++) {
      db.write((tx) => {
        const message = {
          id: `m${n}`,
          turn: 1,
          to: 'Bob',
          conversation: 'c',
          content: n,
          hops: 1,
          inReplyTo: undefined,
        }
        const sequence = appendOutgoing(tx, message, now)
        if (n !== 1) settleOutgoing(tx, sequence, { status: 'delivered' }, n === 2 ? now - 40 * day : now)
      })
    }
    await sweep(db, {})
    assert.deepEqual(positions(db, 'outbox', 'sequence'), [1, 3, 4, 5, 6])
    await sweep(db, { turnsMax: 2 })
    assert.deepEqual(positions(db, 'outbox', 'sequence'), [1, 5, 6])
  }))
