import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { withChild } from '../../helpers/child.ts'
import { withFolder } from '../../helpers/folder.ts'
import { numbers, useStore } from '../../helpers/store-folder.ts'

const limits = { segmentBytes: 65_536, cutEverySegments: 2 }

test('every operation that was acknowledged before a SIGKILL is there after it, in order and without holes', () =>
  withFolder(async (folder) => {
    let next = 1
    for (const count of [30, 90, 7, 160, 1]) {
      await withChild('store-writer.ts', [folder, String(next), '99999'], async (child) => {
        await child.line((line) => line === numbers(next + count - 1, next + count - 1)[0])
        await child.kill()
        const acknowledged = child.lines.filter((line) => line !== 'open').length
        next = await useStore(
          folder,
          ({ store, recovered }) => {
            const keys = store.reader
              .all<{ key: string }>('SELECT key FROM state ORDER BY key')
              .map(({ key }) => key)
            assert.deepEqual(keys, numbers(1, keys.length))
            assert.ok(keys.length >= next + acknowledged - 1, `${keys.length} of ${next + acknowledged - 1}`)
            assert.ok(keys.length <= next + acknowledged, 'one batch is in flight at a time')
            assert.equal(recovered.newChain, undefined)
            return keys.length + 1
          },
          { limits },
        )
      })
    }
    assert.ok(fs.readdirSync(path.join(folder, 'journal')).length < 20)
  }))

test('the lock of a killed process is free at once', () =>
  withFolder((folder) =>
    withChild('store-writer.ts', [folder, '1', '1'], async (child) => {
      await child.line((line) => line === '00001')
      await child.kill()
      await useStore(folder, ({ store }) => assert.equal(store.position.sequence, 1), { limits })
    }),
  ))
