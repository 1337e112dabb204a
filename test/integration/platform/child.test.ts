import assert from 'node:assert/strict'
import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import type { Child, ChildExit } from '../../../src/platform/child.ts'
import { createNodeSpawner } from '../../../src/platform/node/child.ts'
import { createNodeProcessTable } from '../../../src/platform/node/process-table.ts'
import '../../helpers/leaks.ts'

interface Ran {
  readonly child: Child
  readonly messages: unknown[]
  readonly lines: string[]
  readonly exit: Promise<ChildExit>
}

function run(code: string, file = process.execPath): Ran {
  const messages: unknown[] = []
  const lines: string[] = []
  const exit = Promise.withResolvers<ChildExit>()
  let exits = 0
  const child = createNodeSpawner().spawn(
    { file, arguments: ['-e', code], environment: { ADDED: 'yes' } },
    {
      onMessage: (message) => messages.push(message),
      onLine: (stream, line) => lines.push(`${stream}: ${line}`),
      onExit: (end) => {
        assert.equal(++exits, 1, 'onExit is called once')
        exit.resolve(end)
      },
    },
  )
  return { child, messages, lines, exit: exit.promise }
}

test('a child speaks in messages and lines, and its end is told once', async () => {
  const { messages, lines, exit } = run(
    `console.log('one\\ntwo'); console.error('err'); process.send({ env: process.env.ADDED }, () => process.disconnect())`,
  )
  assert.deepEqual(await exit, { code: 0, signal: null })
  // Output may come just after the end.
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(messages, [{ env: 'yes' }])
  assert.deepEqual(lines.toSorted(), ['stderr: err', 'stdout: one', 'stdout: two'])
})

test('a line without an end is cut, not kept growing', async () => {
  const { lines, exit } = run(`process.stdout.write('x'.repeat(100_000), () => process.exit())`)
  await exit
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(lines.length > 0 && lines.every((line) => line.length <= 8_192 + 'stdout: '.length))
})

test('a killed child is told by its signal, and takes no further ones', async () => {
  const { child, exit } = run('setInterval(() => {}, 1000)')
  assert.equal(child.signal('SIGKILL'), true)
  assert.deepEqual(await exit, { code: null, signal: 'SIGKILL' })
  assert.equal(child.signal('SIGTERM'), false)
  child.send({ to: 'nobody' })
})

test('what cannot be started ends with the reason', async () => {
  const { child, exit } = run('', '/nowhere/at/all')
  const { code, error } = await exit
  assert.equal(code, null)
  assert.match(error?.message ?? '', /ENOENT/)
  assert.equal(child.pid, undefined)
  assert.equal(child.signal('SIGKILL'), false)
})

test('a process is known by when it started, and is gone when it is gone', async () => {
  const table = createNodeProcessTable()
  const own = table.identify(process.pid)
  assert.ok(own !== undefined && own === table.identify(process.pid))
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  await once(other, 'spawn')
  const pid = other.pid ?? 0
  assert.ok(table.identify(pid) !== undefined && table.identify(pid) !== own)
  other.kill('SIGKILL')
  await once(other, 'exit')
  assert.equal(table.identify(pid), undefined)
  assert.equal(table.identify(0), undefined)
})
