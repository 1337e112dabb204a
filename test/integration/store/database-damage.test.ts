import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createNodeClock } from '../../../src/platform/node/clock.ts'
import type { Reader } from '../../../src/store/store.ts'
import type { StoreRecovery } from '../../../src/store/open-store.ts'
import { copyFolder, flipByte, pictureOf } from '../../helpers/folder.ts'
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
  withKilledStore,
  withWrittenStore,
} from '../../helpers/store-folder.ts'

const values = numbers(1, 40)
const rebuilt: StoreRecovery = { database: 'rebuilt', replayedRecords: 40, tornBytes: 0, newChain: undefined }

/** What happens to the database, and which file must be kept as evidence of it. */
const damages: Record<string, { damage(folder: string): void; evidence: string | undefined }> = {
  'is deleted': { damage: (folder) => removeDatabase(folder), evidence: undefined },
  'is deleted without its WAL': {
    damage: (folder) => fs.rmSync(database(folder)),
    evidence: 'state.db-wal',
  },
  'has zero length': { damage: (folder) => fs.truncateSync(database(folder)), evidence: 'state.db-wal' },
  'is garbage': {
    damage: (folder) => fs.writeFileSync(database(folder), 'not a database at all '.repeat(500)),
    evidence: 'state.db',
  },
  'has an empty schema': {
    damage(folder) {
      removeDatabase(folder)
      fs.writeFileSync(database(folder), emptyDatabase())
    },
    evidence: 'state.db',
  },
  'has a page overwritten': {
    damage(folder) {
      const bytes = fs.readFileSync(database(folder))
      for (let page = 4096; page < bytes.length; page += 4096) bytes.fill(0xff, page, page + 64)
      removeDatabase(folder)
      fs.writeFileSync(database(folder), bytes)
    },
    evidence: 'state.db',
  },
}

for (const [what, { damage, evidence }] of Object.entries(damages)) {
  test(`a database that ${what} is rebuilt from its cut and the journal`, () =>
    withKilledStore(values, async (folder) => {
      damage(folder)
      const found = await reopen(folder)
      assert.deepEqual(found.values, values)
      assert.deepEqual(found.recovered, rebuilt)
      const kept = quarantined(folder).map((name) => path.basename(name))
      if (evidence === undefined) assert.deepEqual(kept, [])
      else assert.ok(kept.includes(evidence), kept.join())

      await useStore(folder, ({ store }) => put(store, '99999'))
      assert.deepEqual((await reopen(folder)).values, [...values, '99999'])
    }))
}

test('a database replaced by an older copy of itself catches up with the journal', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    const copy = fs.readFileSync(database(folder))
    await useStore(folder, ({ store }) => putAll(store, numbers(11, 40)))
    fs.writeFileSync(database(folder), copy)
    const { values: found, recovered } = await reopen(folder)
    assert.deepEqual(found, values)
    assert.deepEqual(recovered, { database: 'kept', replayedRecords: 30, tornBytes: 0, newChain: undefined })
  }))

test('a database replaced by its first, empty copy catches up with more than one transaction of records', () =>
  withWrittenStore([], async (folder) => {
    const copy = fs.readFileSync(database(folder))
    await useStore(folder, ({ store }) => putAll(store, numbers(1, 1_001)))
    fs.writeFileSync(database(folder), copy)
    const { values: found, recovered } = await reopen(folder)
    assert.deepEqual(found, numbers(1, 1_001))
    assert.equal(recovered.replayedRecords, 1_001)
  }))

test('a database from before the journal was lost is older than the chain that followed, and is rebuilt', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    const copy = fs.readFileSync(database(folder))
    for (const file of journalFiles(folder, '.segment')) fs.rmSync(file)
    await useStore(folder, ({ store, recovered }) => {
      assert.equal(recovered.newChain, 'journal-lost')
      return putAll(store, numbers(11, 20))
    })
    fs.writeFileSync(database(folder), copy)
    const { values: found, recovered } = await reopen(folder)
    assert.deepEqual(found, numbers(1, 20))
    assert.equal(recovered.database, 'rebuilt')
    assert.ok(quarantined(folder).some((name) => name.endsWith('state.db')))
  }))

test('a database older than its journal is refused while no copy is intact, and no byte changes', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    const copy = fs.readFileSync(database(folder))
    for (const file of journalFiles(folder, '.segment')) fs.rmSync(file)
    await useStore(folder, ({ store }) => put(store, '00011'))
    fs.writeFileSync(database(folder), copy)
    for (const file of journalFiles(folder, '.cut')) flipByte(file, 5_000)
    const before = pictureOf(folder)
    await assert.rejects(
      openTestStore(folder),
      code('ERR_STORE_GAP', /Restore state\.db and journal\/ from a copy/),
    )
    assert.deepEqual(pictureOf(folder), before)
  }))

test('a lost database with a damaged cut is refused with ERR_STORE_GAP, and no byte changes', () =>
  withWrittenStore(values, async (folder) => {
    fs.rmSync(database(folder))
    for (const file of journalFiles(folder, '.cut')) flipByte(file, 5_000)
    const before = pictureOf(folder)
    await assert.rejects(openTestStore(folder), code('ERR_STORE_GAP', /nothing was deleted/))
    assert.deepEqual(pictureOf(folder), before)
  }))

test('state.db and journal/ of two agents are refused together, and no byte changes', () =>
  withWrittenStore(['ada'], (ada) =>
    withWrittenStore(['bob'], async (bob) => {
      fs.copyFileSync(database(bob), database(ada))
      const before = pictureOf(ada)
      await assert.rejects(
        openTestStore(ada),
        code('ERR_JOURNAL_CORRUPT', /put back the pair that belongs together/),
      )
      assert.deepEqual(pictureOf(ada), before)
    }),
  ))

test('a lost database and a lost journal give what the cut holds, and say that the journal was lost', () =>
  withWrittenStore(values, async (folder) => {
    fs.rmSync(database(folder))
    for (const file of journalFiles(folder, '.segment')) fs.rmSync(file)
    const { values: found, recovered, events } = await reopen(folder)
    assert.deepEqual(found, [])
    assert.deepEqual([recovered.database, recovered.newChain], ['rebuilt', 'journal-lost'])
    assert.ok(events.includes('store:chain:started'))
  }))

test('what a SIGKILL left is not changed by opening it twice', () =>
  withKilledStore(values, async (folder) => {
    const again = `${folder}-again`
    copyFolder(folder, again)
    try {
      assert.deepEqual(await reopen(folder), await reopen(folder))
      assert.deepEqual((await reopen(again)).values, values)
    } finally {
      fs.rmSync(again, { recursive: true })
    }
  }))

test('evidence is not put over evidence when the clock stands still', () =>
  withWrittenStore(values, async (folder) => {
    const clock = { ...createNodeClock(), now: () => 0 }
    for (const content of ['one', 'another']) {
      fs.writeFileSync(database(folder), `${content} that is no database `.repeat(500))
      assert.equal((await reopen(folder, { clock })).recovered.database, 'rebuilt')
    }
    const kept = quarantined(folder).filter((name) => name.endsWith('state.db'))
    assert.equal(kept.length, 2)
  }))

test('a rebuilt database equals the one that was lost, table by table', () =>
  withWrittenStore(values, async (folder) => {
    const before = await useStore(folder, ({ store }) => contentOf(store.reader))
    fs.rmSync(database(folder))
    assert.deepEqual(await useStore(folder, ({ store }) => contentOf(store.reader)), before)
    assert.equal(recordsOf(journalFiles(folder, '.segment')[0] as string).length, values.length)
  }))

function contentOf(reader: Reader): unknown {
  const tables = reader.all<{ name: string }>(
    "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
  )
  return tables.map(({ name }) => [name, reader.all(`SELECT * FROM ${name}`)])
}

function database(folder: string): string {
  return path.join(folder, 'state.db')
}

function removeDatabase(folder: string): void {
  for (const companion of ['', '-wal', '-shm']) fs.rmSync(database(folder) + companion, { force: true })
}

/** One page, no tables. */
function emptyDatabase(): Buffer {
  const bytes = Buffer.alloc(4096)
  bytes.write('SQLite format 3\0', 0, 'latin1')
  bytes.writeUInt16BE(4096, 16)
  bytes.set([2, 2, 0, 64, 32, 32], 18)
  bytes.writeUInt32BE(1, 28)
  bytes[47] = 4
  bytes[56 + 3] = 1
  bytes[100] = 0x0d
  bytes.writeUInt16BE(4096, 105)
  return bytes
}
