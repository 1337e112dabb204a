import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import { openReadOnly } from '../../../src/store/read-only.ts'
import { numbers, valuesOf, withWrittenStore } from '../../helpers/store-folder.ts'

test('a closed store can be looked at where SQLite can make no file beside it, as on a full disk', () =>
  withWrittenStore(numbers(1, 10), async (folder) => {
    for (const companion of ['-shm', '-wal']) rmSync(join(folder, `state.db${companion}`), { force: true })
    mkdirSync(join(folder, 'state.db-shm'))
    const { reader, lag, close } = openReadOnly(folder, createNodeDisk())
    try {
      assert.deepEqual([valuesOf(reader), lag], [numbers(1, 10), 0])
    } finally {
      close()
    }
  }))
