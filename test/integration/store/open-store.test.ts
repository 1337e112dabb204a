import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createDatabaseFiles } from '../../../src/store/sqlite/files.ts'
import { migrations } from '../../../src/store/schema.ts'
import { pictureOf, withFolder } from '../../helpers/folder.ts'
import {
  code,
  numbers,
  openTestStore,
  put,
  reopen,
  useStore,
  valuesOf,
  withWrittenStore,
} from '../../helpers/store-folder.ts'

test('a store that is opened for the first time says that it was created', () =>
  withFolder(async (folder) => {
    const { recovered, values } = await reopen(folder)
    assert.deepEqual(values, [])
    assert.deepEqual(recovered, {
      database: 'created',
      replayedRecords: 0,
      tornBytes: 0,
      newChain: 'created',
    })
  }))

test('what was written is there after closing and opening, as often as that is done', () =>
  withFolder(async (folder) => {
    for (const value of numbers(1, 5)) await useStore(folder, ({ store }) => put(store, value))
    const { values, recovered } = await reopen(folder)
    assert.deepEqual(values, numbers(1, 5))
    assert.deepEqual(recovered, { database: 'kept', replayedRecords: 0, tornBytes: 0, newChain: undefined })
  }))

test('the position rises by one with every commit and goes on after a restart', () =>
  withWrittenStore(numbers(1, 3), (folder) =>
    useStore(folder, async ({ store }) => {
      assert.deepEqual(store.position, { chain: 1, sequence: 3 })
      await put(store, 'next')
      assert.deepEqual(store.position, { chain: 1, sequence: 4 })
    }),
  ))

test('a write that changes nothing makes no record', () =>
  withWrittenStore(['a'], (folder) =>
    useStore(folder, async ({ store }) => {
      await store.write((tx) => void tx.run('DELETE FROM state WHERE key = ?', 'none'))
      assert.equal(store.position.sequence, 1)
    }),
  ))

test('a lock file full of garbage is refused with what to do, and nothing else is touched', () =>
  withWrittenStore(['a'], async (folder) => {
    const lock = path.join(folder, 'lock.db')
    fs.writeFileSync(lock, 'garbage '.repeat(1_000))
    const before = pictureOf(folder)
    const refused = code('ERR_STORE_CORRUPT', /lock\.db is not what Perdura made: move it away/)
    await assert.rejects(openTestStore(folder), refused)
    assert.deepEqual(pictureOf(folder), before)
    fs.rmSync(lock)
    assert.deepEqual((await reopen(folder)).values, ['a'])
  }))

test('the folder is for its owner alone, and so is every file in it', () =>
  withFolder(async (root) => {
    const folder = path.join(root, 'agent')
    await useStore(folder, async ({ store }) => {
      await put(store, 'a')
      const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
      assert.ok(names.includes('state.db-wal') && names.includes('lock.db'), names.join())
      for (const name of ['', ...names]) {
        const facts = fs.statSync(path.join(folder, name))
        assert.equal(facts.mode & 0o777, facts.isDirectory() ? 0o700 : 0o600, name)
      }
    })
  }))

test('after a clean end no WAL is left to catch up with', () =>
  withWrittenStore(numbers(1, 3), async (folder) => {
    assert.equal(fs.existsSync(path.join(folder, 'state.db-wal')), false)
  }))

test('a second store in the same process is refused with ERR_HOME_IN_USE', () =>
  withWrittenStore(['a'], (folder) =>
    useStore(folder, async ({ store }) => {
      await assert.rejects(openTestStore(folder), code('ERR_HOME_IN_USE', /another process .* stop it first/))
      await put(store, 'b')
      assert.deepEqual(valuesOf(store.reader), ['a', 'b'])
    }),
  ))

test('a second process on the same folder is refused with ERR_HOME_IN_USE, and the first goes on', () =>
  withWrittenStore(['a'], (folder) =>
    useStore(folder, async ({ store }) => {
      const before = pictureOf(path.join(folder, 'journal'))
      const program = `
        import { openTestStore } from './test/helpers/store-folder.ts'
        await openTestStore(process.argv[1]).then(() => console.log('opened'), (error) => console.log(error.code))`
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let output = ''
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
      await once(child, 'close')
      assert.equal(output.trim(), 'ERR_HOME_IN_USE')
      assert.deepEqual(pictureOf(path.join(folder, 'journal')), before)
      await put(store, 'b')
    }),
  ))

test('an agent that cannot be opened on a full disk says so, and opens once there is room', () =>
  withWrittenStore(['a'], async (folder) => {
    const files = createDatabaseFiles(folder)
    const full = (): never => {
      throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
    }
    const opening = openTestStore(folder, { files: { ...files, open: full } })
    await assert.rejects(
      opening,
      code('ERR_STORE_WRITE', /no room to open the agent in .*: free some disk space/),
    )
    assert.deepEqual((await reopen(folder)).values, ['a'])
  }))

test('the lock is free again after a failed opening', () =>
  withWrittenStore(['a'], async (folder) => {
    setUserVersion(folder, migrations.length + 1)
    await assert.rejects(openTestStore(folder), code('ERR_STORE_NEWER'))
    setUserVersion(folder, migrations.length)
    assert.deepEqual((await reopen(folder)).values, ['a'])
  }))

test('a database of a newer schema is refused with ERR_STORE_NEWER, and no byte changes', () =>
  withWrittenStore(numbers(1, 3), async (folder) => {
    setUserVersion(folder, migrations.length + 1)
    const before = pictureOf(folder)
    await assert.rejects(
      openTestStore(folder),
      code('ERR_STORE_NEWER', /install that version or a later one/),
    )
    assert.deepEqual(pictureOf(folder), before)
  }))

const foreign = {
  'a trigger': 'CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM notes; END',
  'a table that the lint refuses': 'CREATE TABLE extra (a)',
  'a table that the lint would let pass': 'CREATE TABLE extra (a INTEGER PRIMARY KEY NOT NULL) STRICT',
  'an index': 'CREATE INDEX extra ON state (value)',
  'a column': 'ALTER TABLE state ADD COLUMN extra TEXT',
} as const

for (const [what, sql] of Object.entries(foreign)) {
  test(`${what} that somebody else added is refused with ERR_STORE_SCHEMA, and no byte changes`, () =>
    withWrittenStore(numbers(1, 3), async (folder) => {
      withDatabase(folder, (database) => database.exec(sql))
      const before = pictureOf(folder)
      await assert.rejects(
        openTestStore(folder),
        code('ERR_STORE_SCHEMA', /move (state\.db|the file) .*rebuild/),
      )
      assert.deepEqual(pictureOf(folder), before)

      // What the message advises helps.
      fs.renameSync(path.join(folder, 'state.db'), path.join(folder, 'away.db'))
      const { values, recovered } = await reopen(folder)
      assert.deepEqual(values, numbers(1, 3))
      assert.equal(recovered.database, 'rebuilt')
    }))
}

test('a row that something else changed is found when the journal is applied to it', () =>
  withWrittenStore(numbers(1, 3), async (folder) => {
    const copy = fs.readFileSync(path.join(folder, 'state.db'))
    await useStore(folder, ({ store }) => put(store, 'changed', '00001'))
    fs.writeFileSync(path.join(folder, 'state.db'), copy)
    withDatabase(folder, (database) => database.exec("DELETE FROM state WHERE key = '00001'"))
    await assert.rejects(
      openTestStore(folder),
      code('ERR_JOURNAL_CORRUPT', /Move state\.db .* away, and the next start rebuilds it/),
    )
    fs.rmSync(path.join(folder, 'state.db'))
    assert.deepEqual((await reopen(folder)).values, ['changed', '00002', '00003'])
  }))

function withDatabase(folder: string, use: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path.join(folder, 'state.db'))
  try {
    use(database)
  } finally {
    database.close()
  }
}

function setUserVersion(folder: string, version: number): void {
  withDatabase(folder, (database) => database.exec(`PRAGMA user_version = ${version}`))
}
