import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import { migrations } from '../../../src/store/schema.ts'
import { createDatabaseFiles } from '../../../src/store/sqlite/files.ts'
import type { DatabaseFiles } from '../../../src/store/database.ts'
import type { Reader } from '../../../src/store/store.ts'
import { copyFolder, withFolder } from '../../helpers/folder.ts'
import {
  code,
  journalFiles,
  numbers,
  openTestStore,
  put,
  putAll,
  reopen,
  useStore,
  valuesOf,
  withKilledStore,
  withWrittenStore,
} from '../../helpers/store-folder.ts'

const newer = {
  migrations: [
    ...migrations,
    `CREATE TABLE lengths (key TEXT PRIMARY KEY NOT NULL, length INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     INSERT INTO lengths SELECT key, length(value) FROM state;`,
  ],
}

/** Segments that take no time to make. */
const small = { limits: { segmentBytes: 65_536 } }

const lengthsOf = (reader: Reader): string[] =>
  reader.all<{ key: string }>('SELECT key FROM lengths WHERE length = 5 ORDER BY key').map(({ key }) => key)

test('a new schema is applied at opening, in a new chain with a cut of its own', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    await useStore(
      folder,
      async ({ store, recovered }) => {
        assert.equal(recovered.newChain, 'migrated')
        assert.deepEqual(store.position, { chain: 2, sequence: 10 })
        assert.deepEqual([valuesOf(store.reader), lengthsOf(store.reader)], [numbers(1, 10), numbers(1, 10)])
        await put(store, '00011')
      },
      newer,
    )
    fs.rmSync(path.join(folder, 'state.db'))
    const { values, recovered } = await reopen(folder, newer)
    assert.deepEqual(values, numbers(1, 11))
    assert.deepEqual(recovered, {
      database: 'rebuilt',
      replayedRecords: 1,
      tornBytes: 0,
      newChain: undefined,
    })
  }))

test('after a migration the older code refuses the database', () =>
  withWrittenStore(['a'], async (folder) => {
    await reopen(folder, newer)
    await assert.rejects(openTestStore(folder), code('ERR_STORE_NEWER'))
  }))

test('what the database lacks is applied before the schema changes', () =>
  withWrittenStore(numbers(1, 5), async (folder) => {
    const copy = fs.readFileSync(path.join(folder, 'state.db'))
    await useStore(folder, ({ store }) => putAll(store, numbers(6, 12)))
    fs.writeFileSync(path.join(folder, 'state.db'), copy)
    await useStore(
      folder,
      ({ store, recovered }) => {
        assert.equal(recovered.replayedRecords, 7)
        assert.deepEqual(lengthsOf(store.reader), numbers(1, 12))
      },
      newer,
    )
  }))

test('a migration that fails leaves the database with its old schema and its chain', () =>
  withWrittenStore(numbers(1, 3), async (folder) => {
    const broken = {
      migrations: [...migrations, 'CREATE TABLE half (a INTEGER PRIMARY KEY NOT NULL) STRICT; NONSENSE'],
    }
    await assert.rejects(openTestStore(folder, broken), /NONSENSE/)
    const { values, recovered } = await reopen(folder)
    assert.deepEqual([values, recovered.newChain], [numbers(1, 3), undefined])
  }))

test('a database from before the migration is rebuilt from the cut that followed it', () =>
  withWrittenStore(numbers(1, 3), async (folder) => {
    const copy = fs.readFileSync(path.join(folder, 'state.db'))
    await useStore(folder, ({ store }) => put(store, '00004'), newer)
    fs.writeFileSync(path.join(folder, 'state.db'), copy)
    const { values, recovered } = await reopen(folder, newer)
    assert.deepEqual([values, recovered.database], [numbers(1, 4), 'rebuilt'])
  }))

test('the chain before the last is kept, and what is older goes', () =>
  withWrittenStore(['a'], async (folder) => {
    const grown: string[] = [...migrations]
    for (let version = 2; version <= 5; version++) {
      grown.push(`CREATE TABLE extra_${version} (id INTEGER PRIMARY KEY NOT NULL) STRICT`)
      await useStore(folder, ({ store }) => put(store, `v${version}`), { migrations: grown })
    }
    const chains = new Set(
      [...journalFiles(folder, '.segment'), ...journalFiles(folder, '.cut')].map((name) =>
        path.basename(name).slice(0, 6),
      ),
    )
    assert.deepEqual([...chains].toSorted(), ['000004', '000005'])
  }))

for (const [what, first] of [
  ['the first opening', true],
  ['a migration', false],
] as const) {
  test(`a process that ends at any step of ${what} is repaired by the next`, () =>
    (first
      ? withFolder
      : (use: (folder: string) => Promise<void>) => withKilledStore(numbers(1, 5), use, small))(
      async (folder) => {
        const killed = `${folder}-killed`
        const fresh = `${folder}-fresh`
        let steps = 0
        try {
          for (; ; steps++) {
            copyFolder(folder, fresh)
            const dying = createDyingPorts(fresh, steps, () => copyFolder(fresh, killed))
            const opened = await openTestStore(fresh, { ...newer, ...small, ...dying.ports }).catch(
              (error: unknown) => {
                if (!dying.isDead()) throw error
              },
            )
            if (opened !== undefined) {
              await opened.close()
              if (!dying.isDead()) break
            }
            const expected = first ? [] : numbers(1, 5)
            await useStore(
              killed,
              async ({ store }) => {
                assert.deepEqual(
                  [valuesOf(store.reader), lengthsOf(store.reader)],
                  [expected, expected],
                  `step ${steps}`,
                )
                await put(store, '00006')
              },
              { ...newer, ...small },
            )
            fs.rmSync(path.join(killed, 'state.db'))
            const { values } = await reopen(killed, { ...newer, ...small })
            assert.deepEqual(values, [...expected, '00006'], `step ${steps}`)
          }
        } finally {
          for (const one of [killed, fresh]) fs.rmSync(one, { recursive: true, force: true })
        }
        assert.ok(steps > 15, `only ${steps} steps`)
      },
    ))
}

/** Ports that fail for good before their call number `steps`; `onDeath` is called at that moment. */
function createDyingPorts(
  folder: string,
  steps: number,
  onDeath: () => void,
): { ports: { disk: Disk; files: DatabaseFiles }; isDead: () => boolean } {
  let left = steps
  let dead = false
  const dying = <Port extends object>(port: Port, harmless: readonly string[]): Port =>
    Object.fromEntries(
      Object.entries(port).map(([name, call]: [string, (...parameters: unknown[]) => unknown]) => [
        name,
        (...parameters: unknown[]) => {
          if (!harmless.includes(name) && left-- === 0) {
            dead = true
            onDeath()
          }
          if (dead && !harmless.includes(name)) throw new Error('the process is dead')
          const result = call(...parameters)
          return name === 'open' && typeof parameters[0] === 'string' ? dyingFile(result as object) : result
        },
      ]),
    ) as Port
  const dyingFile = (file: object): object => {
    const { write, sync } = dying(
      {
        write: (offset: number, bytes: Uint8Array) => (file as ReturnType<Disk['open']>).write(offset, bytes),
        sync: () => (file as ReturnType<Disk['open']>).sync(),
      },
      [],
    )
    return Object.assign(Object.create(file) as object, {
      write,
      sync,
      read: (offset: number, length: number) => (file as ReturnType<Disk['open']>).read(offset, length),
      close: () => (file as ReturnType<Disk['open']>).close(),
    })
  }
  return {
    ports: {
      disk: dying(createNodeDisk(), ['exists', 'list', 'readFile', 'freeBytes', 'makeFolder']),
      files: dying(createDatabaseFiles(folder), ['exists', 'sizeBytes', 'lock', 'openCopy']),
    },
    isDead: () => dead,
  }
}
