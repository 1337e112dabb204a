import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createAppendFile } from '../../../src/platform/node/append-file.ts'
import { createNodeCommandRunner } from '../../../src/platform/node/command-runner.ts'
import { isAlive, until } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

function withFolder(use: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-append-'))
  return Promise.resolve(use(folder)).finally(() => rmSync(folder, { recursive: true, force: true }))
}

test('lines are added, to be read by their owner alone, and set aside once', () =>
  withFolder((folder) => {
    const path = join(folder, 'health', 'lines')
    const file = createAppendFile(path)
    assert.deepEqual([file.read(), file.sizeBytes], ['', 0])
    file.append('one\n', { sync: true })
    file.append('two\n')
    assert.deepEqual([file.read(), file.sizeBytes], ['one\ntwo\n', 8])
    assert.equal(statSync(path).mode & 0o777, 0o600)
    file.rotate()
    file.append('three\n')
    assert.equal(file.read(), 'one\ntwo\nthree\n')
    file.rotate()
    assert.equal(file.read(), 'three\n')
  }))

test('behind a line that was cut off, the next one stands by itself', () =>
  withFolder((folder) => {
    const path = join(folder, 'lines')
    writeFileSync(path, 'one\ntw')
    assert.equal(createAppendFile(path).read(), 'one\ntw\n')
    const file = createAppendFile(path)
    file.append('three\n')
    file.append('four\n')
    assert.equal(readFileSync(path, 'utf8'), 'one\ntw\nthree\nfour\n')
  }))

test('of a file that is far too large the end is read, from a whole line on', () =>
  withFolder((folder) => {
    const path = join(folder, 'lines')
    const line = `${'x'.repeat(99)}\n`
    writeFileSync(path, `${line.repeat(60_000)}last\n`)
    const file = createAppendFile(path)
    assert.ok(file.passedOverBytes > 1_000_000 && file.passedOverBytes < 3_000_000)
    const read = file.read()
    assert.ok(read.startsWith(line) && read.endsWith(`${line}last\n`) && read.length > 4_000_000)
    file.rotate()
    file.append('next\n')
    assert.ok(file.read().endsWith('last\nnext\n'))
    file.rotate()
    assert.deepEqual([file.read(), file.passedOverBytes], ['next\n', 0])
  }))

test('a program gets its input, without a shell, and its end is told', () =>
  withFolder(async (folder) => {
    const runner = createNodeCommandRunner()
    const { signal } = new AbortController()
    const out = join(folder, 'out')
    const script = `import fs from 'node:fs'; fs.writeFileSync(process.argv[1], process.argv[2] + fs.readFileSync(0)); process.exit(3)`
    const command = [process.execPath, '--input-type=module', '-e', script, out, '$(touch x); ']
    const end = await runner.run(command, { input: 'hello', timeoutMs: 20_000, signal })
    assert.deepEqual(end, { kind: 'exited', code: 3, signal: null })
    assert.equal(readFileSync(out, 'utf8'), '$(touch x); hello')
  }))

test('one that hangs is killed with what it has started', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'pid')
    const grandchild = `require('node:fs').writeFileSync(process.argv[1], String(process.pid)); setInterval(() => {}, 1000)`
    const script = `require('node:child_process').spawn(process.execPath, ['-e', process.argv[1], process.argv[2]]); setInterval(() => {}, 1000)`
    const command = [process.execPath, '-e', script, grandchild, file]
    const calling = new AbortController()
    const ending = createNodeCommandRunner().run(command, {
      input: '',
      timeoutMs: 60_000,
      signal: calling.signal,
    })
    await until('the grandchild runs', () => existsSync(file) && readFileSync(file, 'utf8') !== '')
    const pid = Number(readFileSync(file, 'utf8'))
    assert.ok(isAlive(pid))
    calling.abort()
    assert.deepEqual(await ending, { kind: 'exited', code: null, signal: 'SIGKILL' })
    await until('the grandchild is gone', () => !isAlive(pid))
  }))

test('one that hangs is killed, one that is called off too, one that does not exist is said to', async () => {
  const runner = createNodeCommandRunner()
  const { signal } = new AbortController()
  const hanging = [process.execPath, '-e', 'setInterval(() => {}, 1000)']
  // Far more than a pipe holds: nobody reads it.
  const input = 'x'.repeat(1_000_000)
  assert.deepEqual(await runner.run(hanging, { input, timeoutMs: 300, signal }), { kind: 'timeout' })
  const ended = new AbortController()
  const running = runner.run(hanging, { input, timeoutMs: 60_000, signal: ended.signal })
  ended.abort()
  assert.deepEqual(await running, { kind: 'exited', code: null, signal: 'SIGKILL' })
  assert.deepEqual(await runner.run(['/nowhere/page-me'], { input, timeoutMs: 1_000, signal }), {
    kind: 'failed',
    reason: 'ENOENT',
  })
})
