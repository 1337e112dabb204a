import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { SqliteStorage } from '../../../src/hub/storage/sqlite-storage.ts'
import type { HubTx } from '../../../src/hub/storage.ts'
import { createSeededRandom, outside, SimulatedClock, SimulatedProcess } from '../../../src/testing/index.ts'

function open(
  database = new DatabaseSync(':memory:'),
  options: { queueMax?: number; batchMax?: number; checkPlace?: () => void } = {},
) {
  const clock = new SimulatedClock()
  const process = new SimulatedProcess()
  const storage = new SqliteStorage({ database, clock: clock.for(outside), process, ...options })
  const put = (key: string) => async (tx: HubTx) => {
    await tx.run('INSERT INTO meta (key, value) VALUES (?, ?)', key, key)
    return key
  }
  const keys = () =>
    storage.read(async (reader) =>
      (await reader.all<{ key: string }>('SELECT key FROM meta ORDER BY key')).map(({ key }) => key),
    )
  const settle = <T>(promise: Promise<T>): Promise<T> => clock.settle(promise)
  return { clock, process, database, storage, put, keys, settle }
}

const statuses = (results: readonly PromiseSettledResult<unknown>[]) => results.map(({ status }) => status)

test('operations that come together are run in order, and one that fails rejects only itself', async () => {
  const { storage, put, keys, settle } = open()
  const order: string[] = []
  const note = (key: string) => async (tx: HubTx) => {
    order.push(key)
    return put(key)(tx)
  }
  const results = await settle(
    Promise.allSettled([
      storage.write(note('a')),
      storage.write(async (tx) => {
        await note('lost')(tx)
        throw new Error('of its own')
      }),
      storage.write(note('a')),
      storage.write(note('b')),
    ]),
  )
  assert.deepEqual(statuses(results), ['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  assert.deepEqual(order, ['a', 'lost', 'a', 'b'])
  assert.deepEqual(await settle(keys()), ['a', 'b'])
})

test('a read sees only what is committed', async () => {
  const { storage, put, keys, settle } = open()
  let seen: Promise<string[]> | undefined
  await settle(
    storage.write(async (tx) => {
      await put('a')(tx)
      seen = keys()
      await put('b')(tx)
    }),
  )
  assert.deepEqual(await settle(seen!), ['a', 'b'])
})

test('many reads at a time each see one moment', async () => {
  const { storage, put, settle } = open()
  const look = () =>
    storage.read(async (reader) => {
      const count = async () =>
        (await reader.get<{ count: number }>('SELECT count(*) AS count FROM meta'))?.count
      return [await count(), await count(), await count()]
    })
  const looks = Array.from({ length: 30 }, (_, n) => [look(), storage.write(put(`k${n}`))] as const)
  for (const [seen] of looks) {
    const [first, ...more] = await settle(seen)
    for (const count of more) assert.equal(count, first)
  }
  await settle(Promise.all(looks.map(([, written]) => written)))
})

test('results come after the commit, in batches of no more than the bound', async () => {
  const { storage, put, settle, database } = open(undefined, { batchMax: 2 })
  const inTransaction: boolean[] = []
  await settle(
    Promise.all(
      ['a', 'b', 'c', 'd', 'e'].map(async (key) => {
        await storage.write(put(key))
        inTransaction.push(database.isTransaction)
      }),
    ),
  )
  assert.deepEqual(inTransaction, [false, false, false, false, false])
})

test('more than may wait is refused as busy', async () => {
  const { storage, put, keys, settle } = open(undefined, { queueMax: 2 })
  const results = Promise.allSettled([
    storage.write(put('a')),
    storage.write(put('b')),
    storage.write(put('c')),
  ])
  const [, , third] = await settle(results)
  assert.ok(third?.status === 'rejected' && third.reason.code === 'ERR_HUB_STORAGE')
  assert.deepEqual(await settle(keys()), ['a', 'b'])
  assert.equal(await settle(storage.write(put('d'))), 'd')
})

test('what is closed takes nothing more, and has written what it took', async () => {
  const database = new DatabaseSync(':memory:')
  const { storage, put, settle } = open(database)
  const written = storage.write(put('a'))
  const closed = storage.close()
  await assert.rejects(storage.write(put('b')), { code: 'ERR_HUB_STORAGE' })
  assert.equal(await settle(written), 'a')
  await settle(closed)
  assert.equal(database.isOpen, false)
})

test('a disk that is full refuses what does not fit, and is usable again later', async () => {
  const database = new DatabaseSync(':memory:')
  const { storage, settle, keys } = open(database)
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count'])
  database.exec(`PRAGMA max_page_count = ${pages + 4}`)
  const put = (key: string, size: number) => (tx: HubTx) =>
    tx.run('INSERT INTO meta (key, value) VALUES (?, ?)', key, 'x'.repeat(size))
  const results = await settle(
    Promise.allSettled([
      storage.write((tx) => put('small', 10)(tx)),
      storage.write((tx) => put('big', 100_000)(tx)),
    ]),
  )
  const big = results[1]
  assert.ok(big.status === 'rejected' && big.reason.code === 'ERR_HUB_STORAGE' && big.reason.retryable)
  // Whether the full disk undid everybody's part or one's only, what was refused is not there.
  const kept = results[0].status === 'fulfilled' ? ['small'] : []
  assert.deepEqual(await settle(keys()), kept)
  database.exec('PRAGMA max_page_count = 100000')
  await settle(storage.write((tx) => put('later', 10)(tx)))
  assert.deepEqual(await settle(keys()), ['later', ...kept])
})

test('a commit that fails ends the process, since nobody knows what is on disk', async () => {
  const database = new DatabaseSync(':memory:')
  const { process, storage, put, clock } = open(database)
  const exec = database.exec.bind(database)
  database.exec = (sql) => {
    if (sql === 'COMMIT') throw new Error('disk I/O error')
    exec(sql)
  }
  let settled = false
  const settle = (): void => void (settled = true)
  storage.write(put('a')).then(settle, settle)
  await clock.runFor(10)
  assert.equal(process.alive, false)
  assert.match(process.reason?.message ?? '', /disk I\/O error/)
  assert.equal(settled, false)
})

/** What SQLite throws where the disk is full. */
const full = () => Object.assign(new Error('database or disk is full'), { errcode: 13 })

/** A database whose next statements of this text fail as told. */
function failing(text: string, fail: (database: DatabaseSync, exec: (sql: string) => void) => void) {
  const database = new DatabaseSync(':memory:')
  const exec = database.exec.bind(database)
  const faults = { left: 0 }
  database.exec = (sql) => {
    if (sql !== text || faults.left === 0) return exec(sql)
    faults.left -= 1
    fail(database, exec)
  }
  return { database, faults }
}

test('a disk that is full at the commit refuses the batch, of which nothing was written', async () => {
  const { database, faults } = failing('COMMIT', (_, exec) => {
    exec('ROLLBACK')
    throw full()
  })
  const { process, storage, put, keys, settle } = open(database)
  faults.left = 1
  const results = await settle(Promise.allSettled([storage.write(put('a')), storage.write(put('b'))]))
  for (const result of results) {
    assert.ok(result.status === 'rejected' && result.reason.code === 'ERR_HUB_STORAGE')
  }
  assert.equal(process.alive, true)
  await settle(storage.write(put('c')))
  assert.deepEqual(await settle(keys()), ['c'])
})

test('a disk that is full at the commit, and a transaction that is still there, end the process', async () => {
  const { database, faults } = failing('COMMIT', () => {
    throw full()
  })
  const { process, storage, put, clock } = open(database)
  faults.left = 1
  void storage.write(put('a')).catch(() => {})
  await clock.runFor(10)
  assert.equal(process.alive, false)
})

test('an undoing that fails is no matter where the transaction is gone, and the end where it is not', async () => {
  for (const isGone of [true, false]) {
    const { database, faults } = failing('ROLLBACK', (_, exec) => {
      if (isGone) exec('ROLLBACK')
      throw full()
    })
    const { process, storage, put, keys, clock, settle } = open(database)
    const prepare = database.prepare.bind(database)
    database.prepare = (sql) => {
      if (sql === 'SAVEPOINT operation' && faults.left === 1) throw full()
      return prepare(sql)
    }
    faults.left = 1
    const written = storage.write(put('a'))
    const code = written.then(
      () => '',
      (error: unknown) => (error as { code: string }).code,
    )
    await clock.runFor(10)
    assert.equal(process.alive, isGone)
    if (!isGone) continue
    assert.equal(await settle(code), 'ERR_HUB_STORAGE')
    await settle(storage.write(put('b')))
    assert.deepEqual(await settle(keys()), ['b'])
  }
})

test('reads are served in order, and no more than may wait are taken', async () => {
  const { storage, put, settle } = open(undefined, { queueMax: 3 })
  const order: number[] = []
  let waiting: Promise<PromiseSettledResult<unknown>[]> | undefined
  await settle(
    storage.write(async (tx) => {
      waiting = Promise.allSettled([1, 2, 3, 4].map((n) => storage.read(async () => void order.push(n))))
      await put('a')(tx)
    }),
  )
  const results = await settle(waiting!)
  assert.deepEqual(statuses(results), ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
  assert.ok(results[3]?.status === 'rejected' && results[3].reason.code === 'ERR_HUB_STORAGE')
  assert.deepEqual(order, [1, 2, 3])
})

test('reads that follow each other without end do not keep a write from the database', async () => {
  const { storage, put, settle } = open()
  let written = false
  const reading = (async () => {
    // More than the event loop would ever see between two of its turns.
    for (let reads = 0; !written; reads++) {
      assert.ok(reads < 1_000, 'the write is starved')
      await storage.read(async (reader) => reader.get('SELECT 1'))
    }
  })()
  await settle(storage.write(put('a')).then(() => (written = true)))
  await settle(reading)
})

test('reads are refused while it closes, and from then on', async () => {
  const database = new DatabaseSync(':memory:')
  const { storage, put, keys, settle } = open(database)
  const written = storage.write(put('a'))
  const closed = storage.close()
  await assert.rejects(keys(), { code: 'ERR_HUB_STORAGE' })
  await settle(written)
  await settle(closed)
  assert.equal(database.isOpen, false)
  await assert.rejects(keys(), { code: 'ERR_HUB_STORAGE' })
  assert.equal(storage.close(), storage.close())
})

test('reads that wait when it is closed are still answered', async () => {
  const { storage, put, keys, settle } = open()
  let waiting: Promise<string[][]> | undefined
  let closed: Promise<void> | undefined
  await settle(
    storage.write(async (tx) => {
      waiting = Promise.all([keys(), keys()])
      closed = storage.close()
      await put('a')(tx)
    }),
  )
  assert.deepEqual(await settle(waiting!), [['a'], ['a']])
  await settle(closed!)
})

test('prepared statements are kept, but not without bound', async () => {
  const database = new DatabaseSync(':memory:')
  const { storage, settle } = open(database)
  const prepare = database.prepare.bind(database)
  let prepared = 0
  database.prepare = (sql) => {
    prepared += 1
    return prepare(sql)
  }
  const ask = (n: number) => settle(storage.read(async (reader) => reader.get(`SELECT ${n} AS n`)))
  for (let n = 0; n < 300; n++) {
    await ask(0)
    await ask(n)
  }
  assert.equal(prepared, 300)
  await ask(299)
  assert.equal(prepared, 300)
  await ask(1)
  assert.equal(prepared, 301)
})

test('the schema of a newer version is refused', () => {
  const database = new DatabaseSync(':memory:')
  database.exec('PRAGMA user_version = 999')
  assert.throws(() => open(database), { code: 'ERR_STORE_NEWER' })
})

test('a database is migrated once, and read as it is from then on', async () => {
  const database = new DatabaseSync(':memory:')
  const first = open(database)
  await first.settle(first.storage.write(first.put('a')))
  const second = open(database)
  assert.deepEqual(await second.settle(second.keys()), ['a'])
})

test('random operations leave what the fulfilled ones wrote', async () => {
  const random = createSeededRandom('storage')
  const { storage, put, keys, settle } = open(undefined, { batchMax: 7 })
  const expected: string[] = []
  for (let round = 0; round < 20; round++) {
    const operations = Array.from({ length: random.int(1, 20) }, (_, n) => {
      const key = `${round}-${n}`
      const fails = random.chance(0.3)
      return storage
        .write(async (tx) => {
          await put(key)(tx)
          if (fails) throw new Error('fails')
        })
        .then(
          () => expected.push(key),
          () => undefined,
        )
    })
    await settle(Promise.all(operations))
  }
  assert.deepEqual(await settle(keys()), expected.toSorted())
})

test('a batch whose file is not in its place is refused whole, and nothing of it is kept', async () => {
  let gone: Error | undefined
  const checkPlace = (): void => {
    if (gone !== undefined) throw gone
  }
  const { storage, put, keys, settle } = open(new DatabaseSync(':memory:'), { checkPlace })
  await settle(storage.write(put('a')))
  gone = new Error('it is gone')
  await assert.rejects(settle(storage.write(put('b'))), { code: 'ERR_HUB_STORAGE', message: /it is gone/ })
  gone = undefined
  await settle(storage.write(put('c')))
  assert.deepEqual(await settle(keys()), ['a', 'c'])
})
