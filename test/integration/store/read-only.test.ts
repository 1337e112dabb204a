import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import { openReadOnly } from '../../../src/store/read-only.ts'
import { withChild } from '../../helpers/child.ts'
import { pictureOf, withFolder } from '../../helpers/folder.ts'
import {
  code,
  journalFiles,
  numbers,
  putAll,
  reopen,
  useStore,
  valuesOf,
  withKilledStore,
  withWrittenStore,
} from '../../helpers/store-folder.ts'

/** What the folder holds. The SHM is left out: it holds no content, only who reads and writes at the moment. */
function contentOf(folder: string): Record<string, string> {
  const { 'state.db-shm': _, ...rest } = pictureOf(folder)
  return rest
}

const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

function look<T>(
  folder: string,
  see: (opened: ReturnType<typeof openReadOnly>) => T,
  disk: Disk = createNodeDisk(),
): T {
  const opened = openReadOnly(folder, disk)
  try {
    return see(opened)
  } finally {
    opened.close()
  }
}

test('a look at a closed store sees everything and changes no byte', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    const before = contentOf(folder)
    look(folder, ({ reader, lag }) => {
      assert.deepEqual(valuesOf(reader), numbers(1, 10))
      assert.equal(lag, 0)
    })
    const after = contentOf(folder)
    // SQLite may put an empty WAL beside a database in order to read it.
    if (after['state.db-wal'] === empty) delete after['state.db-wal']
    assert.deepEqual(after, before)
    assert.deepEqual((await reopen(folder)).values, numbers(1, 10))
  }))

test('a look after a SIGKILL sees everything and changes no byte, however often', () =>
  withKilledStore(numbers(1, 10), async (folder) => {
    const before = contentOf(folder)
    assert.ok(before['state.db-wal'] !== undefined)
    for (let time = 0; time < 3; time++) {
      look(folder, ({ reader, lag }) => {
        assert.deepEqual(valuesOf(reader), numbers(1, 10))
        assert.equal(lag, 0)
      })
    }
    assert.deepEqual(contentOf(folder), before)
    assert.deepEqual((await reopen(folder)).values, numbers(1, 10))
  }))

test('a look at a running store sees what is committed, and changes no byte of it', () =>
  withFolder((folder) =>
    withChild('store-writer.ts', [folder, '1', '20'], async (child) => {
      await child.line((line) => line === '00020')
      const before = contentOf(folder)
      look(folder, ({ reader, lag }) => {
        assert.equal(valuesOf(reader).length, 20)
        assert.equal(lag, 0)
      })
      assert.deepEqual(contentOf(folder), before)
    }),
  ))

test('looks beside a writer never fail, and what they see only grows', () =>
  withFolder((folder) =>
    withChild('store-writer.ts', [folder, '1', '400'], async (child) => {
      await child.line((line) => line === '00001')
      let seen = 0
      while (!child.lines.includes('00400')) {
        const count = look(folder, ({ reader }) => valuesOf(reader).length)
        assert.ok(count >= seen, `${seen}, then ${count}`)
        seen = count
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.ok(seen > 1)
    }),
  ))

test('a look says how many changes the journal has that the database does not have yet', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    const copy = fs.readFileSync(path.join(folder, 'state.db'))
    await useStore(folder, ({ store }) => putAll(store, numbers(11, 17)))
    fs.writeFileSync(path.join(folder, 'state.db'), copy)
    look(folder, ({ reader, lag }) => {
      assert.deepEqual(valuesOf(reader), numbers(1, 10))
      assert.equal(lag, 7)
    })
    assert.equal((await reopen(folder)).recovered.replayedRecords, 7)
  }))

test('a look cannot write', () =>
  withWrittenStore(['a'], async (folder) => {
    look(folder, ({ reader }) => {
      assert.throws(() => reader.all("INSERT INTO state VALUES ('b', 'b')"), /readonly/)
    })
  }))

test('a look where there is no agent is refused with ERR_NO_SUCH_AGENT and leaves nothing behind', () =>
  withFolder((folder) => {
    assert.throws(() => openReadOnly(folder, createNodeDisk()), code('ERR_NO_SUCH_AGENT'))
    assert.deepEqual(fs.readdirSync(folder), [])
  }))

test('a segment that is retired between listing and reading is no failure of a look', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    const disk = createNodeDisk()
    const gone = path.join(folder, 'journal', '000001-00000000.segment')
    let listings = 0
    const racing: Disk = {
      ...disk,
      list: (target) => (listings++ === 0 ? [path.basename(gone), ...disk.list(target)] : disk.list(target)),
    }
    look(folder, ({ lag }) => assert.equal(lag, 0), racing)
    assert.equal(listings, 2)
    assert.equal(journalFiles(folder, '.segment').length, 1)
  }))

test('a look at an agent that has never been started is refused with ERR_NO_SUCH_AGENT', () =>
  withFolder((folder) => {
    fs.writeFileSync(path.join(folder, 'state.db'), '')
    assert.throws(
      () => openReadOnly(folder, createNodeDisk()),
      code('ERR_NO_SUCH_AGENT', /never been started/),
    )
  }))

test('a look at a damaged database is refused with ERR_STORE_CORRUPT and changes nothing', () =>
  withWrittenStore(['a'], async (folder) => {
    fs.writeFileSync(path.join(folder, 'state.db'), 'not a database at all '.repeat(500))
    const before = pictureOf(folder)
    assert.throws(
      () => openReadOnly(folder, createNodeDisk()),
      code('ERR_STORE_CORRUPT', /start the agent, which rebuilds/),
    )
    assert.deepEqual(pictureOf(folder), before)
    assert.deepEqual((await reopen(folder)).values, ['a'])
  }))
