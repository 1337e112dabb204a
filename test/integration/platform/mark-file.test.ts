import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createMarkFile } from '../../../src/platform/node/mark-file.ts'

test('a mark is written over in place, never grows, and is empty before the first', () => {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-mark-'))
  try {
    const path = join(folder, 'health', 'mark')
    const mark = createMarkFile(path)
    assert.equal(mark.read(), '')
    mark.write('{"long":"' + 'x'.repeat(100) + '"}\n')
    const { ino, size } = statSync(path)
    mark.write('{"short":1}\n')
    assert.deepEqual(JSON.parse(createMarkFile(path).read()), { short: 1 })
    assert.deepEqual([statSync(path).ino, statSync(path).size], [ino, size])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
