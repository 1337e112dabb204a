import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import type { PerduraError } from '../../../src/errors.ts'
import { segmentHeaderBytes } from '../../../src/store/journal-record.ts'
import { copyFolder, flipByte, pictureOf, withFolder } from '../../helpers/folder.ts'
import {
  code,
  journalFiles,
  numbers,
  openTestStore,
  put,
  putAll,
  quarantined,
  recordsOf,
  reopen,
  useStore,
  withWrittenStore,
} from '../../helpers/store-folder.ts'

const values = numbers(1, 40)

/** A store with 40 values whose database holds only the first ten. */
function withDatabaseBehind(use: (folder: string) => Promise<void>): Promise<void> {
  return withWrittenStore(numbers(1, 10), async (folder) => {
    const copy = fs.readFileSync(path.join(folder, 'state.db'))
    await useStore(folder, ({ store }) => putAll(store, numbers(11, 40)))
    fs.writeFileSync(path.join(folder, 'state.db'), copy)
    await use(folder)
  })
}

/** What can happen to a journal whose changes are all in the database: nothing is lost, and it is said. */
const harmless: Record<string, { damage(folder: string): void; newChain: string; evidence: boolean }> = {
  'its journal deleted': {
    damage: (folder) => fs.rmSync(path.join(folder, 'journal'), { recursive: true }),
    newChain: 'journal-lost',
    evidence: false,
  },
  'its segment truncated to nothing': {
    damage: (folder) => fs.truncateSync(segment(folder)),
    newChain: 'journal-lost',
    evidence: false,
  },
  'its segment truncated in the middle of a record': {
    damage: (folder) => fs.truncateSync(segment(folder), (recordsOf(segment(folder))[19]?.start ?? 0) + 10),
    newChain: 'journal-lost',
    evidence: true,
  },
  'the header of its segment damaged': {
    damage: (folder) => flipByte(segment(folder), 40),
    newChain: 'journal-lost',
    evidence: false,
  },
  'its last record damaged': {
    damage: (folder) => flipByte(segment(folder), (recordsOf(segment(folder)).at(-1)?.start ?? 0) + 70),
    newChain: 'journal-lost',
    evidence: true,
  },
  'a record in the middle damaged': {
    damage: (folder) => flipByte(segment(folder), (recordsOf(segment(folder))[20]?.start ?? 0) + 70),
    newChain: 'journal-damaged',
    evidence: true,
  },
}

for (const [what, { damage, newChain, evidence }] of Object.entries(harmless)) {
  test(`a database that has everything, with ${what}, loses nothing and starts a new chain`, () =>
    withWrittenStore(values, async (folder) => {
      damage(folder)
      const damaged = evidence ? fs.readFileSync(segment(folder)) : undefined
      const found = await reopen(folder)
      assert.deepEqual(found.values, values)
      assert.equal(found.recovered.newChain, newChain)
      assert.ok(found.events.includes('store:chain:started'))
      const kept = quarantined(folder).filter((name) => name.endsWith('.segment'))
      assert.equal(kept.length, evidence ? 1 : 0)
      if (damaged !== undefined) {
        assert.deepEqual(fs.readFileSync(path.join(folder, 'quarantine', kept[0] as string)), damaged)
      }

      await useStore(folder, ({ store }) => put(store, 'next'))
      fs.rmSync(path.join(folder, 'state.db'))
      const again = await reopen(folder)
      assert.deepEqual(again.values, [...values, 'next'])
      assert.equal(again.recovered.newChain, undefined)
    }))
}

test('a damaged last record that the database does not have is a torn one: what is before it is kept', () =>
  withDatabaseBehind(async (folder) => {
    flipByte(segment(folder), (recordsOf(segment(folder)).at(-1)?.start ?? 0) + 70)
    const { values: found, recovered } = await reopen(folder)
    assert.deepEqual(found, numbers(1, 39))
    assert.ok(recovered.tornBytes > 0)
    assert.equal(recovered.newChain, undefined)
    assert.equal((await reopen(folder)).recovered.tornBytes, 0)
  }))

test('bytes behind the last record are torn ones: they are zeroed, and the next record goes there', () =>
  withWrittenStore(values, async (folder) => {
    const end = recordsOf(segment(folder)).at(-1)?.end ?? 0
    flipByte(segment(folder), end + 3)
    flipByte(segment(folder), end + 5_000)
    assert.deepEqual((await reopen(folder)).values, values)
    assert.ok(
      fs
        .readFileSync(segment(folder))
        .subarray(end)
        .every((byte) => byte === 0),
    )
  }))

test('a damaged record that the database does not have is refused while others follow, and no byte changes', () =>
  withDatabaseBehind(async (folder) => {
    flipByte(segment(folder), (recordsOf(segment(folder))[20]?.start ?? 0) + 70)
    const before = pictureOf(folder)
    await assert.rejects(openTestStore(folder), (error) => {
      code(
        'ERR_JOURNAL_CORRUPT',
        /intact up to change|state up to change 20 is intact.*Restore journal\//,
      )(error)
      const { details } = error as PerduraError
      assert.deepEqual([details['segment'], details['lastValid']], [path.basename(segment(folder)), 20])
      return true
    })
    assert.deepEqual(pictureOf(folder), before)
  }))

test('a damaged header of the only segment is refused while the database lacks its records, and no byte changes', () =>
  withWrittenStore([], async (folder) => {
    const first = fs.readFileSync(path.join(folder, 'state.db'))
    await useStore(folder, ({ store }) => putAll(store, values))
    fs.writeFileSync(path.join(folder, 'state.db'), first)
    flipByte(segment(folder), 40)
    const before = pictureOf(folder)
    await assert.rejects(openTestStore(folder), code('ERR_JOURNAL_CORRUPT', /Restore journal\//))
    assert.deepEqual(pictureOf(folder), before)

    flipByte(segment(folder), 40)
    assert.deepEqual((await reopen(folder)).values, values)
  }))

test('records of another history than the database is refused, and no byte changes', () =>
  withFolder(async (root) => {
    const [one, other] = [path.join(root, 'one'), path.join(root, 'other')]
    await useStore(one, ({ store }) => putAll(store, numbers(1, 5)))
    copyFolder(one, other)
    await useStore(one, ({ store }) => putAll(store, numbers(6, 9)))
    await useStore(other, ({ store }) => putAll(store, numbers(16, 19)))
    fs.copyFileSync(path.join(one, 'state.db'), path.join(other, 'state.db'))
    const before = pictureOf(other)
    await assert.rejects(openTestStore(other), code('ERR_JOURNAL_CORRUPT', /different histories/))
    assert.deepEqual(pictureOf(other), before)
  }))

test('whatever byte of the journal is flipped, opening gives all values, or all but the last, or refuses', () =>
  withDatabaseBehind(async (folder) => {
    const records = recordsOf(segment(folder))
    const end = records.at(-1)?.end ?? 0
    const lastStart = records.at(-1)?.start ?? 0
    const copy = `${folder}-flipped`
    const outcomes = new Set<string>()
    try {
      for (let index = 0; index < 60; index++) {
        const offset =
          index < 10 ? index * 9 : Math.floor(segmentHeaderBytes + ((end - segmentHeaderBytes) * index) / 60)
        copyFolder(folder, copy)
        flipByte(segment(copy), offset)
        const found = await reopen(copy).then(
          (reopened) => reopened.values,
          (error: unknown) => (error as PerduraError).code,
        )
        if (typeof found === 'string') assert.equal(found, 'ERR_JOURNAL_CORRUPT', `byte ${offset}`)
        else assert.deepEqual(found, offset >= lastStart ? values.slice(0, -1) : values, `byte ${offset}`)
        outcomes.add(typeof found === 'string' ? 'refused' : String(found.length))
      }
    } finally {
      fs.rmSync(copy, { recursive: true, force: true })
    }
    assert.ok(outcomes.has('refused') && outcomes.has('40'), [...outcomes].join())
  }))

function segment(folder: string): string {
  return journalFiles(folder, '.segment')[0] as string
}
