import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inboxTable } from '../../../../src/queue/inbox.ts'
import { Bound } from '../../../../src/queue/bound.ts'
import { outboxParts } from '../../../../src/queue/outbox-parts.ts'
import { appendOutgoing } from '../../../../src/queue/outbox.ts'
import { pauseTable } from '../../../../src/queue/pauses.ts'
import { StoredSession } from '../../../../src/runtime/hub/session-store.ts'
import type { Store, Tx } from '../../../../src/store/store.ts'
import { outside, SimulatedClock } from '../../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'
import { withMemoryDb, type MemoryDb } from '../../../helpers/memory-db.ts'

/** A store whose commits come when the test says, with all that was asked for by then. */
class BatchedStore {
  readonly #db: MemoryDb
  #queue: { readonly operation: (tx: Tx) => unknown; readonly resolve: (result: unknown) => void }[] = []

  constructor(db: MemoryDb) {
    this.#db = db
  }

  get reader(): Store['reader'] {
    return this.#db.reader
  }

  write<T>(operation: (tx: Tx) => T): Promise<T> {
    return new Promise<unknown>((resolve) => this.#queue.push({ operation, resolve })) as Promise<T>
  }

  commit(): void {
    const batch = this.#queue.splice(0)
    const results = this.#db.write((tx) => batch.map(({ operation }) => operation(tx)))
    for (const [index, { resolve }] of batch.entries()) resolve(results[index])
  }
}

const begun = {
  reason: 'new',
  sessionIdentifier: 'abc1234',
  generation: 1,
  streamEpoch: 'stream',
  next: 1,
  producerEpoch: 'numbering',
} as const

function sessionOf(store: BatchedStore): StoredSession {
  const clock = new SimulatedClock().for(outside)
  return new StoredSession({
    hub: 'http://hub',
    address: 'http://hub',
    store: store as unknown as Store,
    clock,
    log: createSimulatedLog(new Trace()),
    inbox: inboxTable,
    outbox: outboxParts,
    pauses: pauseTable,
    inboxBound: new Bound(
      'ERR_INBOX_FULL',
      'inbox',
      { countMax: 10, bytesMax: 1_000 },
      { count: 0, bytes: 0 },
    ),
    outboxBound: new Bound(
      'ERR_OUTBOX_FULL',
      'outbox',
      { countMax: 10, bytesMax: 1_000 },
      { count: 0, bytes: 0 },
    ),
    dueBy: () => clock.now(),
    keptOutside: () => ({ generation: 0, claim: 'claim', start: 1, takeover: false }),
    onAccepted: () => {},
    onSettled: () => {},
    onExpired: () => {},
    onOtherSession: () => {},
  })
}

const send = (store: BatchedStore, session: StoredSession, id: string): Promise<void> =>
  store.write((tx) => {
    const message = { id, turn: 0, to: 'Bo', conversation: id, content: id, hops: 0, inReplyTo: undefined }
    appendOutgoing(tx, message, 0)
    session.committing(tx)
  })

test('what is committed together with the note of ready has its number, whichever of the two comes first', () =>
  withMemoryDb(async (db) => {
    const store = new BatchedStore(db)
    const session = sessionOf(store)
    const all = [send(store, session, 'before'), session.begin(begun), send(store, session, 'after')]
    store.commit()
    await Promise.all(all)
    assert.deepEqual(
      session.pending(1, 10).map(({ id }) => id),
      ['before', 'after'],
    )
  }))

test('what is committed without a connection gets no number', () =>
  withMemoryDb(async (db) => {
    const store = new BatchedStore(db)
    const session = sessionOf(store)
    const live = session.begin(begun)
    store.commit()
    await live
    session.disconnected()
    const sent = send(store, session, 'later')
    store.commit()
    await sent
    assert.deepEqual(session.pending(1, 10), [])
  }))
