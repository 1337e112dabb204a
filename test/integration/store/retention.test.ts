import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import { listCuts, verifyCut } from '../../../src/store/cut.ts'
import { createDatabaseFiles } from '../../../src/store/sqlite/files.ts'
import { flipByte, withFolder } from '../../helpers/folder.ts'
import {
  journalFiles,
  numbers,
  put,
  quarantined,
  reopen,
  useStore,
  valuesOf,
} from '../../helpers/store-folder.ts'

const limits = { segmentBytes: 65_536, cutEverySegments: 2 }
const big = 'x'.repeat(8_000)

/** Writes `count` values of 8 kB under their own keys; eight of them fill a segment. */
function fill(folder: string, from: number, to: number): Promise<number> {
  return useStore(
    folder,
    async ({ store, events }) => {
      let most = 0
      for (const key of numbers(from, to)) {
        await put(store, `${key}${big}`, key)
        most = Math.max(most, fs.readdirSync(path.join(folder, 'journal')).length)
      }
      assert.ok(!events.includes('store:retention:failed'), events.join())
      return most
    },
    { limits },
  )
}

const filled = (from: number, to: number): string[] => numbers(from, to).map((key) => `${key}${big}`)

test('the journal keeps a bounded number of files, however many commits there are', () =>
  withFolder(async (folder) => {
    const early = await fill(folder, 1, 120)
    const late = await fill(folder, 121, 260)
    assert.ok(late <= Math.max(early, 16), `${early} files, then ${late}`)
    assert.ok(journalFiles(folder, '.segment').length <= 8, journalFiles(folder, '.segment').join())
    assert.equal(journalFiles(folder, '.cut').length, 2)
    assert.deepEqual((await reopen(folder, { limits })).values, filled(1, 260))
  }))

test('every cut is what its manifest says', () =>
  withFolder(async (folder) => {
    await fill(folder, 1, 100)
    const disk = createNodeDisk()
    const journal = path.join(folder, 'journal')
    const cuts = listCuts(disk, journal)
    assert.equal(cuts.length, 2)
    for (const cut of cuts) assert.equal(verifyCut(disk, journal, cut), true, cut.name)
  }))

for (const [what, lose] of Object.entries({
  newest: (cuts: string[]) => flipByte(cuts.at(-1) as string, 4_200),
  'newest manifest': (cuts: string[]) => fs.writeFileSync(`${cuts.at(-1)}.json`, '{"chain": 1'),
})) {
  test(`a lost database is rebuilt from the older cut when the ${what} is damaged`, () =>
    withFolder(async (folder) => {
      await fill(folder, 1, 150)
      lose(journalFiles(folder, '.cut'))
      fs.rmSync(path.join(folder, 'state.db'))
      const { values, recovered, events } = await reopen(folder, { limits })
      assert.deepEqual(values, filled(1, 150))
      assert.equal(recovered.database, 'rebuilt')
      assert.ok(events.includes('store:cut:corrupt'))
    }))
}

test('a database older than the journal reaches back is rebuilt from a cut, and kept as evidence', () =>
  withFolder(async (folder) => {
    await fill(folder, 1, 5)
    const old = fs.readFileSync(path.join(folder, 'state.db'))
    await fill(folder, 6, 130)
    flipByte(journalFiles(folder, '.cut').at(-1) as string, 4_200)
    fs.writeFileSync(path.join(folder, 'state.db'), old)
    const { values, recovered } = await reopen(folder, { limits })
    assert.deepEqual(values, filled(1, 130))
    assert.equal(recovered.database, 'rebuilt')
    assert.ok(quarantined(folder).some((name) => name.endsWith('state.db')))
  }))

test('what a process left that ended while it took a cut goes with the next cut', () =>
  withFolder(async (folder) => {
    await fill(folder, 1, 40)
    const journal = path.join(folder, 'journal')
    const orphan = path.join(journal, '000001-0000000000000003.cut')
    fs.writeFileSync(orphan, 'a copy whose manifest was never written')
    fs.writeFileSync(path.join(journal, 'cut.tmp'), 'half a copy')
    fs.writeFileSync(path.join(journal, 'cut.tmp-journal'), 'its rollback journal')
    await fill(folder, 41, 120)
    assert.equal(fs.existsSync(orphan), false)
    assert.equal(fs.existsSync(path.join(journal, 'cut.tmp')), false)
    fs.rmSync(path.join(folder, 'state.db'))
    assert.deepEqual((await reopen(folder, { limits })).values, filled(1, 120))
  }))

test('a segment stays while the header above it cannot be read', () =>
  withFolder(async (folder) => {
    await useStore(
      folder,
      async ({ store }) => {
        // 24 values fill three segments and one more cut is not due yet.
        for (const key of numbers(1, 24)) await put(store, `${key}${big}`, key)
        const segments = journalFiles(folder, '.segment')
        flipByte(segments[1] as string, 40)
        for (const key of numbers(25, 100)) await put(store, `${key}${big}`, key)
        assert.ok(fs.existsSync(segments[0] as string), 'the segment below was removed')
      },
      { limits: { ...limits, cutEverySegments: 3 } },
    )
  }))

test('a record larger than a segment gets a segment of its own size', () =>
  withFolder(async (folder) => {
    const huge = 'y'.repeat(300_000)
    await useStore(
      folder,
      async ({ store }) => {
        await put(store, 'a')
        await put(store, huge, 'b')
        await put(store, 'c')
      },
      { limits },
    )
    fs.rmSync(path.join(folder, 'state.db'))
    const { values, recovered } = await reopen(folder, { limits })
    assert.deepEqual(values, ['a', huge, 'c'])
    assert.equal(recovered.replayedRecords, 3)
    assert.ok(journalFiles(folder, '.segment').some((name) => fs.statSync(name).size > 300_000))
  }))

test('a spare segment that is too small for the next record is replaced by a larger one', () =>
  withFolder(async (folder) => {
    await useStore(
      folder,
      async ({ store }) => {
        for (const key of numbers(1, 6)) await put(store, `${key}${big}`, key)
        await preparedSegment(folder, 2)
        await put(store, 'y'.repeat(300_000), 'big')
        for (const key of numbers(7, 20)) await put(store, `${key}${big}`, key)
      },
      { limits },
    )
    fs.rmSync(path.join(folder, 'state.db'))
    assert.equal((await reopen(folder, { limits })).values.length, 21)
  }))

test('a segment that is needed before its preparation has ended is taken over', () =>
  withFolder(async (folder) => {
    // Each commit nearly fills a segment, so that the next one is needed while it is being prepared.
    const lump = 'z'.repeat(60_000)
    await useStore(
      folder,
      async ({ store }) => {
        for (const key of numbers(1, 30)) await put(store, `${key}${lump}`, key)
      },
      { limits },
    )
    fs.rmSync(path.join(folder, 'state.db'))
    assert.deepEqual(
      (await reopen(folder, { limits })).values,
      numbers(1, 30).map((key) => `${key}${lump}`),
    )
  }))

test('a failed cut stops nothing: it is reported, and the next one succeeds', () =>
  withFolder(async (folder) => {
    const files = createDatabaseFiles(folder)
    let failures = 1
    await useStore(
      folder,
      async ({ store, events }) => {
        for (const key of numbers(1, 100)) await put(store, `${key}${big}`, key)
        assert.ok(events.includes('store:retention:failed'))
        assert.ok(events.includes('store:cut:taken'))
        assert.equal(valuesOf(store.reader).length, 100)
      },
      {
        limits,
        files: {
          ...files,
          copyTo: (target) => (failures-- > 0 ? Promise.reject(new Error('no room')) : files.copyTo(target)),
        },
      },
    )
  }))

async function preparedSegment(folder: string, count: number): Promise<void> {
  while (journalFiles(folder, '.segment').length < count)
    await new Promise((resolve) => setImmediate(resolve))
}
