import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expireDue } from '../../../src/queue/outbox-expiry.ts'
import { nextWaiting } from '../../../src/queue/outbox-line.ts'
import { beginNumbering, giveNumbers, nextSeq, pendingFrom } from '../../../src/queue/outbox-numbers.ts'
import { appendOutgoing } from '../../../src/queue/outbox.ts'
import { migrations } from '../../../src/store/schema.ts'
import type { Store } from '../../../src/store/store.ts'
import { withFolder } from '../../helpers/folder.ts'
import { useStore } from '../../helpers/store-folder.ts'

/** As it was when numbers were given at commit. */
const old = { migrations: migrations.slice(0, 2) }
const hub = 'http://hub'

/** What an agent left behind: settled messages, numbered pending ones, and one to the person at the terminal. */
async function leave(store: Store, generation: number | undefined): Promise<void> {
  await store.write((tx) => {
    if (generation !== undefined) {
      tx.run(
        `INSERT INTO session (hub, generation, rx_offset, producer_epoch, state, reason, since)
         VALUES (?, ?, 0, 'epoch', 'waiting', '', 0)`,
        hub,
        generation,
      )
    }
    const rows = [
      ['a', 'Bo', 'delivered', 1],
      ['b', 'Bo', 'pending', 2],
      ['c', 'you', 'pending', null],
      ['d', 'Cy', 'pending', 3],
      ['e', 'Bo', 'delivered', 0],
    ] as const
    for (const [index, [id, to, status, seq]] of rows.entries()) {
      tx.run(
        `INSERT INTO outbox (sequence, id, turn, recipient, conversation, content, size_bytes, hops, status, attempts,
           created_at, seq, accepted_by) VALUES (?, ?, 0, ?, 'talk', '"x"', 3, 0, ?, 0, 1000, ?, ?)`,
        index + 1,
        id,
        to,
        status,
        seq,
        status === 'delivered' ? hub : null,
      )
    }
    tx.run("INSERT INTO counters (name, value) VALUES ('outbox.sequence', 5), ('outbox.seq', 3)")
  })
}

const numbered = ({ reader }: Store) =>
  pendingFrom(reader, 1, { countMax: 10, bytesMax: 1_000 }).map(({ seq, id, again }) => [seq, id, again])

const give = (store: Store) =>
  store.write((tx) => giveNumbers(tx, { hub, now: 0, next: nextWaiting, windowMax: 10 }))

const urgent = {
  id: 'f',
  turn: 0,
  to: 'Bo',
  conversation: 'other',
  content: 'x',
  hops: 0,
  inReplyTo: undefined,
}

test('what had a number at a hub keeps it, and goes before whatever comes after', () =>
  withFolder(async (folder) => {
    await useStore(folder, ({ store }) => leave(store, 3), old)
    await useStore(folder, async ({ store, recovered }) => {
      assert.equal(recovered.newChain, 'migrated')
      assert.deepEqual(numbered(store), [
        [2, 'b', 0],
        [3, 'd', 0],
      ])
      await store.write((tx) => appendOutgoing(tx, { ...urgent, priority: 'high' }, 2_000))
      await give(store)
      assert.deepEqual(numbered(store).at(-1), [4, 'f', 0])
      // Nothing that may have gone out expires here.
      const due = await store.write((tx) => expireDue(tx, { now: Number.MAX_SAFE_INTEGER, countMax: 10 }))
      assert.deepEqual(due, [])
      // The hub was put back: what it had accepted before the migration is sent once more, all in the old order.
      await store.write((tx) => beginNumbering(tx, hub))
      await give(store)
      assert.deepEqual(numbered(store), [
        [1, 'a', 1],
        [2, 'b', 1],
        [3, 'd', 1],
        [4, 'e', 1],
        [5, 'f', 1],
      ])
    })
  }))

test('where there has never been a hub, what waits has no number, and goes by priority', () =>
  withFolder(async (folder) => {
    await useStore(folder, ({ store }) => leave(store, undefined), old)
    await useStore(folder, async ({ store }) => {
      assert.deepEqual(numbered(store), [])
      await store.write((tx) => appendOutgoing(tx, { ...urgent, priority: 'high' }, 2_000))
      await store.write((tx) => {
        tx.run(
          "INSERT INTO session (hub, generation, rx_offset, state, reason, since) VALUES (?, 1, 0, '', '', 0)",
          hub,
        )
        beginNumbering(tx, undefined)
      })
      await give(store)
      assert.deepEqual(
        numbered(store).map(([, id]) => id),
        ['f', 'b', 'd'],
      )
      assert.equal(nextSeq(store.reader), 4)
    })
  }))

test('what waited before messages expired has the age that it has had since', () =>
  withFolder(async (folder) => {
    await useStore(folder, ({ store }) => leave(store, undefined), old)
    await useStore(folder, async ({ store }) => {
      const age = 30 * 86_400_000
      const due = (now: number) => store.write((tx) => expireDue(tx, { now, countMax: 10 }))
      assert.deepEqual(await due(999 + age), [])
      assert.deepEqual(
        (await due(1_000 + age)).map(({ to }) => to),
        ['Bo', 'Cy'],
      )
    })
  }))
