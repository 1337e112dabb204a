import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { createNodeProcessTable } from '../../../src/platform/node/process-table.ts'
import { signalProcess } from '../../../src/platform/node/signal-process.ts'
import '../../helpers/leaks.ts'

const processes = createNodeProcessTable()

test('a signal reaches the very process that is meant, and one that is gone throws nothing', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  const { pid = 0 } = child
  const identity = processes.identify(pid) ?? assert.fail('it does not run')
  assert.equal(signalProcess(processes, undefined, 'SIGKILL'), false)
  assert.equal(signalProcess(processes, { pid, identity: 'another one' }, 'SIGKILL'), false)
  assert.equal(child.killed || child.signalCode !== null, false)
  assert.equal(signalProcess(processes, { pid, identity }, 'SIGKILL'), true)
  await once(child, 'exit')
  // It ends between the look and the signal: the table has not noticed yet.
  assert.equal(signalProcess({ identify: () => identity }, { pid, identity }, 'SIGTERM'), false)
})
