import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent } from '../../../src/agent/define-agent.ts'
import type { AgentDefinition, StateMigration } from '../../../src/agent/definition.ts'
import { AgentState, trackReads, type StateChange, type StateReads } from '../../../src/agent/state.ts'
import { code } from '../../helpers/store-folder.ts'
import { withMemoryDb, type MemoryDb } from '../../helpers/memory-db.ts'

const schema = z.object({
  count: z.number().default(0),
  list: z.array(z.string()).default([]),
  nested: z.object({ deep: z.object({ value: z.number() }) }).default({ deep: { value: 1 } }),
  note: z.string().optional(),
})

function definitionOf(given: z.ZodType<object> = schema, version = 1): AgentDefinition {
  return defineAgent({ name: 'Ada', state: { version, schema: given } })
}

/** Runs `use` with a state that is stored in a database. */
function withState(use: (state: AgentState, db: MemoryDb) => void, given?: z.ZodType<object>): Promise<void> {
  return withMemoryDb((db) => {
    const state = AgentState.load(db.reader, definitionOf(given))
    db.write((tx) => state.store(tx))
    use(state, db)
  })
}

type AnyState = Record<string, unknown> & {
  count: number
  list: string[]
  nested: { deep: { value: number } }
}

function change(db: MemoryDb, state: AgentState, ...changes: ((draft: AnyState) => object | void)[]): void {
  db.write((tx) => state.apply(tx, changes as StateChange[]))
}

function stored(db: MemoryDb): Record<string, unknown> {
  const rows = db.reader.all<{ key: string; value: string }>('SELECT key, value FROM state ORDER BY key')
  return Object.fromEntries(rows.map(({ key, value }) => [key, JSON.parse(value) as unknown]))
}

const initial = { count: 0, list: [], nested: { deep: { value: 1 } } }

test('begins with what the schema makes of nothing, and stores it', () =>
  withState((state, db) => {
    assert.deepEqual(state.committed, initial)
    assert.deepEqual(stored(db), initial)
  }))

test('what is loaded is what was stored', () =>
  withState((state, db) => {
    change(
      db,
      state,
      (draft) => void (draft.count = 5),
      (draft) => void draft.list.push('a', 'b'),
    )
    assert.deepEqual(AgentState.load(db.reader, definitionOf()).committed, {
      ...initial,
      count: 5,
      list: ['a', 'b'],
    })
  }))

const updates: Record<string, [(draft: AnyState) => object | void, Record<string, unknown>]> = {
  'a changed draft': [(draft) => void (draft.count += 2), { ...initial, count: 2 }],
  'a new state': [(draft) => ({ ...draft, count: 3 }), { ...initial, count: 3 }],
  'a draft that is changed and returned': [
    (draft) => {
      draft.count = 4
      return draft
    },
    { ...initial, count: 4 },
  ],
  'a nested change': [
    (draft) => void (draft.nested.deep.value = 9),
    { ...initial, nested: { deep: { value: 9 } } },
  ],
  'a new key': [(draft) => void (draft['note'] = 'hi'), { ...initial, note: 'hi' }],
  'an array that is sorted in place': [
    (draft) => {
      draft.list.push('b', 'a')
      draft.list.sort()
    },
    { ...initial, list: ['a', 'b'] },
  ],
  'a key that the schema does not know': [(draft) => void (draft['extra'] = 1), initial],
  nothing: [() => undefined, initial],
}

for (const [what, [update, expected]] of Object.entries(updates)) {
  test(`takes ${what}`, () =>
    withState((state, db) => {
      change(db, state, update)
      assert.deepEqual(state.committed, expected)
      assert.deepEqual(stored(db), expected)
    }))
}

test('deletes the row of a key that was deleted', () =>
  withState((state, db) => {
    change(db, state, (draft) => void (draft['note'] = 'hi'))
    change(db, state, (draft) => void delete draft['note'])
    assert.deepEqual(stored(db), initial)
  }))

test('writes only the rows of keys that changed', () =>
  withState((state, db) => {
    const written: unknown[] = []
    db.write((tx) => {
      const watched = {
        ...tx,
        run: (sql: string, ...values: never[]) => (written.push(values[0]), tx.run(sql, ...values)),
      }
      state.apply(watched, [(draft) => void ((draft as AnyState).count += 1)])
      state.apply(watched, [(draft) => void ((draft as AnyState).list = [])])
    })
    assert.deepEqual(written, ['count'])
  }))

test('each change sees those before it', () =>
  withState((state, db) => {
    change(
      db,
      state,
      (draft) => void (draft.count += 1),
      (draft) => ({ ...draft, count: draft.count * 10 }),
    )
    assert.equal(state.committed['count'], 10)
  }))

test('a change that throws, or that the schema refuses, leaves memory and disk as they were', () =>
  withState((state, db) => {
    const before = state.committed
    const boom = new Error('boom')
    assert.throws(
      () =>
        change(
          db,
          state,
          (draft) => void (draft.count = 1),
          () => {
            throw boom
          },
        ),
      boom,
    )
    assert.throws(
      () => change(db, state, (draft) => void (draft['count'] = 'no' as never)),
      code('ERR_STATE_INVALID', /count/),
    )
    assert.throws(() => change(db, state, () => 7 as never), code('ERR_STATE_INVALID'))
    assert.throws(() => change(db, state, () => [] as never), code('ERR_STATE_INVALID'))
    assert.throws(() => change(db, state, async () => undefined), code('ERR_TURN_CONTENT', /synchronous/))
    assert.equal(state.committed, before)
    assert.deepEqual(stored(db), initial)
  }))

test('what a transaction undoes is undone in memory, and the next change starts from there', () =>
  withState((state, db) => {
    assert.throws(() =>
      db.write((tx) => {
        state.apply(tx, [(draft) => void ((draft as AnyState).count = 5)])
        state.apply(tx, [(draft) => void ((draft as AnyState).count += 5)])
        throw new Error('the batch failed')
      }),
    )
    change(db, state, (draft) => void (draft.count += 1))
    assert.deepEqual([state.committed['count'], stored(db)['count']], [1, 1])
  }))

test('the committed state changes when the transaction is committed, not before', () =>
  withState((state, db) => {
    db.write((tx) => {
      state.apply(tx, [(draft) => void ((draft as AnyState).count = 5)])
      assert.equal(state.committed['count'], 0)
    })
    assert.equal(state.committed['count'], 5)
  }))

test('a state is frozen through and through', () =>
  withState((state, db) => {
    change(db, state, (draft) => void draft.list.push('a'))
    const { list, nested } = state.committed as unknown as AnyState
    assert.throws(() => list.push('b'), TypeError)
    assert.throws(() => (nested.deep.value = 2), TypeError)
    assert.throws(() => ((state.committed as AnyState).count = 2), TypeError)
  }))

test('a date becomes what JSON makes of it, at once and not only after a restart', () =>
  withState(
    (state, db) => {
      change(db, state, (draft) => void (draft['at'] = new Date(0)))
      assert.equal(state.committed['at'], '1970-01-01T00:00:00.000Z')
    },
    z.object({ at: z.any().optional() }),
  ))

const looks: Record<string, [look: (document: Record<string, unknown>) => unknown, conflict: boolean]> = {
  nothing: [() => undefined, false],
  'another key': [(document) => document['list'], false],
  'the key that changed': [(document) => document['count'], true],
  'whether the key is there': [(document) => 'count' in document, true],
  'its descriptor': [(document) => Object.getOwnPropertyDescriptor(document, 'count'), true],
  'all keys': [(document) => Object.keys(document), true],
  'everything, as JSON': [(document) => JSON.stringify(document), true],
  'everything, spread': [(document) => ({ ...document }), true],
}

for (const [what, [look, conflict]] of Object.entries(looks)) {
  test(`who looked at ${what} has ${conflict ? 'a' : 'no'} conflict when one key changes`, () =>
    withState((state, db) => {
      const reads: StateReads = { keys: new Set(), all: false }
      const snapshot = state.committed
      look(trackReads(snapshot, reads))
      assert.equal(state.hasChangedSince(snapshot, reads), false)
      change(db, state, (draft) => void (draft.count += 1))
      assert.equal(state.hasChangedSince(snapshot, reads), conflict)
    }))
}

test('a key that is set to what it was is no conflict', () =>
  withState((state, db) => {
    change(db, state, (draft) => void draft.list.push('a'))
    const snapshot = state.committed
    change(db, state, (draft) => void (draft.list = ['a']))
    assert.equal(state.hasChangedSince(snapshot, { keys: new Set(['list']), all: false }), false)
  }))

test('a key that appears or goes is a conflict for who looked for it', () =>
  withState((state, db) => {
    const before = state.committed
    change(db, state, (draft) => void (draft['note'] = 'hi'))
    const reads: StateReads = { keys: new Set(['note']), all: false }
    assert.equal(state.hasChangedSince(before, reads), true)
    const there = state.committed
    change(db, state, (draft) => void delete draft['note'])
    assert.equal(state.hasChangedSince(there, reads), true)
  }))

test('a change in the batch that is being written is a conflict already', () =>
  withState((state, db) => {
    const snapshot = state.committed
    db.write((tx) => {
      state.apply(tx, [(draft) => void ((draft as AnyState).count += 1)])
      assert.equal(state.hasChangedSince(snapshot, { keys: new Set(['count']), all: false }), true)
    })
  }))

test('a stored state of a higher version is refused with ERR_STATE_NEWER', () =>
  withMemoryDb((db) => {
    const newer = AgentState.load(db.reader, definitionOf(schema, 3))
    db.write((tx) => newer.store(tx))
    assert.throws(
      () => AgentState.load(db.reader, definitionOf(schema, 2)),
      code('ERR_STATE_NEWER', /version 3.*version 2/),
    )
  }))

const steps: Record<number, StateMigration> = {
  1: (state) => ({ total: state.count, list: state.list }),
  2: (state) => void (state.currency = 'EUR'),
}
const third = z.object({ total: z.number(), list: z.array(z.string()), currency: z.string() })

function laterDefinition(
  migrate: Record<number, StateMigration>,
  given: z.ZodType<object> = third,
): AgentDefinition {
  const initialOfAny = { total: 0, list: [], currency: 'EUR' }
  return defineAgent({ name: 'Ada', state: { version: 3, schema: given, initial: initialOfAny, migrate } })
}

test('state of an older version takes every step to the newest', () =>
  withState((state, db) => {
    const again = (): never => assert.fail('a step was taken twice')
    change(db, state, (draft) => void (draft.count = 7))
    const migrated = AgentState.load(db.reader, laterDefinition(steps))
    assert.deepEqual(migrated.committed, { total: 7, list: [], currency: 'EUR' })
    db.write((tx) => migrated.store(tx))
    assert.deepEqual(stored(db), { total: 7, list: [], currency: 'EUR' })
    const taken = AgentState.load(db.reader, laterDefinition({ 1: again, 2: again }))
    assert.deepEqual(taken.committed, migrated.committed)
  }))

test('without a step the state stays as it is, and must fit', () =>
  withState((_, db) => {
    assert.deepEqual(AgentState.load(db.reader, definitionOf(schema, 2)).committed, initial)
    assert.throws(
      () => AgentState.load(db.reader, laterDefinition({})),
      code('ERR_STATE_INVALID', /give state\.migrate a step from version 1/),
    )
  }))

for (const [what, migrate, message, given = third] of [
  ['throws', { ...steps, 2: () => assert.fail('no rate') }, /1 to 3: the step from version 2 fails: no rate/],
  [
    'is asynchronous',
    { ...steps, 1: async (state) => ({ ...(await state) }) },
    /version 1 fails: it is asynchronous/,
  ],
  ['returns a list', { ...steps, 2: () => [] }, /not a plain object/],
  ['returns a map', { ...steps, 2: () => new Map() }, /not a plain object/],
  [
    'makes what does not fit',
    { ...steps, 1: () => ({ total: 'seven', list: [] }) },
    /does not fit its schema: total/,
  ],
  ['makes what JSON does not carry', { 1: () => ({ total: 7n }) }, /JSON can carry/, z.object({}).loose()],
] as [string, Record<number, StateMigration>, RegExp, z.ZodType<object>?][]) {
  test(`a step that ${what} is refused with ERR_STATE_MIGRATION, and nothing was changed`, () =>
    withState((_, db) => {
      assert.throws(
        () => AgentState.load(db.reader, laterDefinition(migrate, given)),
        code('ERR_STATE_MIGRATION', message),
      )
      assert.deepEqual(stored(db), initial)
    }))
}
