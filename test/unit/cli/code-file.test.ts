import assert from 'node:assert/strict'
import { statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeTime } from '../../../src/cli/code-file.ts'
import { withFolder } from '../../helpers/folder.ts'

test('the time of a file that is gone or cannot be looked at is 0, and nothing is thrown', () =>
  withFolder((folder) => {
    const file = join(folder, 'ada.ts')
    writeFileSync(file, '')
    symlinkSync('loop.ts', join(folder, 'loop.ts'))
    assert.equal(codeTime(file), statSync(file).mtimeMs)
    for (const path of [join(folder, 'none.ts'), join(file, 'below.ts'), join(folder, 'loop.ts')])
      assert.equal(codeTime(path), 0)
  }))
