import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNodeClock } from '../../../src/platform/node/clock.ts'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import { createDatabaseFiles } from '../../../src/store/sqlite/files.ts'
import type { Tx } from '../../../src/store/store.ts'
import { withFolder } from '../../helpers/folder.ts'
import {
  code,
  numbers,
  openTestStore,
  put,
  putRow,
  reopen,
  useStore,
  valuesOf,
} from '../../helpers/store-folder.ts'

test('operations that arrive together become one record, in their order', () =>
  withFolder((folder) =>
    useStore(folder, async ({ store }) => {
      const order: string[] = []
      await Promise.all(
        numbers(1, 50).map((value) =>
          store.write((tx) => {
            order.push(value)
            putRow(tx, value, value)
          }),
        ),
      )
      assert.deepEqual(order, numbers(1, 50))
      assert.equal(store.position.sequence, 1)
    }),
  ))

test('an operation resolves with its result, in the order of the operations, and the reader sees it then', () =>
  withFolder((folder) =>
    useStore(folder, async ({ store }) => {
      const resolved: number[] = []
      await Promise.all(
        [1, 2, 3].map(async (number) => {
          const result = await store.write((tx) => {
            putRow(tx, String(number), 'x')
            return number * 10
          })
          assert.equal(valuesOf(store.reader).length, 3)
          resolved.push(result)
        }),
      )
      assert.deepEqual(resolved, [10, 20, 30])
    }),
  ))

test('an operation that throws rejects only itself, and nothing of it stays', () =>
  withFolder(async (folder) => {
    await useStore(folder, async ({ store }) => {
      const undone: string[] = []
      const committed: string[] = []
      const note = (tx: Tx, name: string): void => {
        tx.onUndo(() => undone.push(`${name} first`))
        tx.onUndo(() => undone.push(`${name} last`))
        tx.onCommit(() => committed.push(name))
      }
      const results = await Promise.allSettled([
        store.write((tx) => {
          note(tx, 'a')
          putRow(tx, 'a', 'a')
        }),
        store.write((tx) => {
          note(tx, 'b')
          putRow(tx, 'b', 'b')
          throw new Error('mine alone')
        }),
        store.write((tx) => {
          note(tx, 'c')
          putRow(tx, 'c', 'c')
        }),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      )
      assert.deepEqual(undone, ['b last', 'b first'])
      assert.deepEqual(committed, ['a', 'c'])
    })
    assert.deepEqual((await reopen(folder)).values, ['a', 'c'])
  }))

test('an error that takes the whole transaction with it undoes everybody, and the store goes on', () =>
  withFolder(async (folder) => {
    await useStore(folder, async ({ store }) => {
      await put(store, 'there')
      const undone: string[] = []
      const write = (name: string, sql?: string): Promise<unknown> =>
        store.write((tx) => {
          tx.onUndo(() => undone.push(name))
          putRow(tx, name, name)
          if (sql !== undefined) tx.run(sql)
        })
      const results = await Promise.allSettled([
        write('a'),
        write('b', "INSERT OR ROLLBACK INTO state VALUES ('there', 'again')"),
        write('c'),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['rejected', 'rejected', 'fulfilled'],
      )
      for (const result of results.slice(0, 2)) {
        assert.ok(result.status === 'rejected')
        code('ERR_STORE_WRITE', /nothing was written/)(result.reason)
      }
      assert.deepEqual(undone.toSorted(), ['a', 'b'])
    })
    assert.deepEqual((await reopen(folder)).values, ['c', 'there'])
  }))

test('a full database refuses what does not fit and goes on with what does', () =>
  withFolder(async (folder) => {
    await useStore(folder, async ({ store }) => {
      await put(store, 'before')
      const pages = store.reader.get<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0
      await store.write((tx) => void tx.get(`PRAGMA max_page_count = ${pages + 2}`))
      let undone = 0
      const full = store.write((tx) => {
        tx.onUndo(() => (undone += 1))
        putRow(tx, 'big', 'x'.repeat(100_000))
      })
      await assert.rejects(full, /full/)
      assert.equal(undone, 1)
      await put(store, 'small')
    })
    assert.deepEqual((await reopen(folder)).values, ['before', 'small'])
  }))

test('a journal without room refuses the batch as a whole, and later ones are written again', () =>
  withFolder(async (folder) => {
    const disk = createNodeDisk()
    let full = false
    const filling: Disk = {
      ...disk,
      prepareZeros: (path, sizeBytes) =>
        full ? Promise.reject(new Error('ENOSPC')) : disk.prepareZeros(path, sizeBytes),
      prepareZerosNow(path, sizeBytes) {
        if (full) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
        disk.prepareZerosNow(path, sizeBytes)
      },
    }
    const lump = 'x'.repeat(40_000)
    await useStore(
      folder,
      async ({ store }) => {
        await put(store, lump, 'a')
        full = true
        await assert.rejects(
          put(store, `${lump}${lump}`, 'b'),
          code('ERR_STORE_WRITE', /free some disk space/),
        )
        await assert.rejects(put(store, lump, 'c'), code('ERR_STORE_WRITE', /free some disk space/))
        await put(store, 'small', 'd')
        full = false
        await put(store, lump, 'e')
        await put(store, lump, 'f')
      },
      { disk: filling, limits: { segmentBytes: 65_536 } },
    )
    assert.deepEqual((await reopen(folder)).values, [lump, 'small', lump, lump])
  }))

test('what a disk has too little room for is refused before anything is written, and later written again', () =>
  withFolder(async (folder) => {
    const disk = createNodeDisk()
    let free = Infinity
    await useStore(
      folder,
      async ({ store }) => {
        await put(store, 'a')
        free = 1_000_000
        const refused = code('ERR_STORE_WRITE', /no room for changes in .*: free some disk space/)
        // The disk is not asked at every commit.
        const until = async (): Promise<void> => {
          for (let n = 0; n < 100; n++) await put(store, String(n), 'z')
        }
        await assert.rejects(until(), refused)
        await assert.rejects(put(store, 'b'), refused)
        // Looking needs no room, nor does an operation that changes nothing.
        assert.ok((await store.write((tx) => tx.all('SELECT value FROM state').length)) > 0)
        free = Infinity
        await put(store, 'c')
      },
      { disk: { ...disk, freeBytes: () => free } },
    )
    assert.deepEqual((await reopen(folder)).values.slice(0, 2), ['a', 'c'])
  }))

test('a segment that its preparation has renamed, but not reported yet, is used', () =>
  withFolder(async (folder) => {
    const disk = createNodeDisk()
    let report: (() => void) | undefined
    const slow: Disk = {
      ...disk,
      prepareZeros(path, sizeBytes) {
        if (disk.exists(path)) return disk.prepareZeros(path, sizeBytes)
        disk.prepareZerosNow(path, sizeBytes)
        return new Promise((resolve) => (report = resolve))
      },
    }
    await useStore(
      folder,
      async ({ store }) => {
        for (const value of numbers(1, 3)) {
          await put(store, `${value}${'x'.repeat(40_000)}`, value)
          if (value === '00002') report?.()
        }
        report?.()
      },
      { disk: slow, limits: { segmentBytes: 65_536 } },
    )
    assert.equal((await reopen(folder)).values.length, 3)
  }))

test('an asynchronous operation is refused, undone, and its own rejection harms nobody', () =>
  withFolder(async (folder) => {
    await useStore(folder, async ({ store }) => {
      const asynchronous = store.write(async (tx) => {
        putRow(tx, 'a', 'a')
        await Promise.resolve()
        throw new Error('nobody listens')
      })
      await assert.rejects(asynchronous, /must not be asynchronous/)
      await put(store, 'b')
    })
    assert.deepEqual((await reopen(folder)).values, ['b'])
  }))

test('a batch takes no more operations than its bound, nor more bytes', () =>
  withFolder((folder) =>
    useStore(
      folder,
      async ({ store }) => {
        await Promise.all(numbers(1, 10).map((value) => put(store, value)))
        assert.equal(store.position.sequence, 4)
        await Promise.all(numbers(11, 14).map((value) => put(store, 'x'.repeat(1_000), value)))
        assert.equal(store.position.sequence, 6)
      },
      { limits: { batchOperationsMax: 3, batchBytesMax: 1_500 } },
    ),
  ))

test('what the queue has no room for is refused with ERR_STORE_BUSY, and what is in it is written', () =>
  withFolder(async (folder) => {
    await useStore(
      folder,
      async ({ store }) => {
        const writes = numbers(1, 5).map((value) => put(store, value))
        await assert.rejects(put(store, 'one too many'), code('ERR_STORE_BUSY', /slow down and try again/))
        await Promise.all(writes)
        await put(store, '00006')
      },
      { limits: { queueMax: 5 } },
    )
    assert.deepEqual((await reopen(folder)).values, numbers(1, 6))
  }))

test('closing waits for what was accepted and refuses what comes later with ERR_STORE_CLOSED', () =>
  withFolder(async (folder) => {
    const { store } = await openTestStore(folder, { limits: { batchOperationsMax: 2 } })
    const writes = numbers(1, 9).map((value) => put(store, value))
    const closing = store.close()
    await assert.rejects(put(store, 'late'), code('ERR_STORE_CLOSED'))
    await Promise.all([closing, ...writes])
    assert.deepEqual((await reopen(folder)).values, numbers(1, 9))
  }))

test('an operation that asks for another write has it done in its turn', () =>
  withFolder((folder) =>
    useStore(folder, async ({ store }) => {
      let inner: Promise<void> | undefined
      await store.write((tx) => {
        putRow(tx, 'a', 'a')
        inner = put(store, 'b')
      })
      await inner
      assert.deepEqual(valuesOf(store.reader), ['a', 'b'])
    }),
  ))

test('once the record is written nothing is resolved or rejected: a commit that fails then ends the process', () =>
  withFolder(async (folder) => {
    const files = createDatabaseFiles(folder)
    const clock = createNodeClock()
    const handles: { close(): void }[] = []
    let broken = false
    const crash = Promise.withResolvers<Error>()
    const { store } = await openTestStore(folder, {
      files: {
        ...files,
        lock() {
          const lock = files.lock()
          handles.push({ close: () => lock.release() })
          return lock
        },
        open() {
          const connection = files.open()
          handles.push(connection)
          const exec = connection.exec.bind(connection)
          connection.exec = (sql) => {
            if (broken && sql === 'COMMIT') throw new Error('the disk is gone')
            exec(sql)
          }
          return connection
        },
        openReader() {
          const reader = files.openReader()
          handles.push(reader)
          return reader
        },
      },
      // A process that ended: nothing runs after it.
      process: {
        pid: process.pid,
        crash(reason) {
          crash.resolve(reason)
          throw reason
        },
      },
      clock: {
        ...clock,
        defer(run) {
          clock.defer(() => {
            try {
              run()
            } catch {}
          })
        },
      },
    })
    await put(store, 'a')
    broken = true
    let outcome = 'unknown'
    put(store, 'b').then(
      () => (outcome = 'resolved'),
      () => (outcome = 'rejected'),
    )
    code('ERR_STORE_BROKEN', /the next start recovers/)(await crash.promise)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(outcome, 'unknown')
    for (const handle of handles.toReversed()) handle.close()
    const { values, recovered } = await reopen(folder)
    assert.deepEqual([values, recovered.replayedRecords], [['a', 'b'], 1])
  }))
