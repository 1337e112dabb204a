import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { createNodeUsageTable } from '../../../src/platform/node/process-usage.ts'
import { readPs } from '../../../src/platform/ps-output.ts'
import { until } from '../../helpers/command-line.ts'

const table = createNodeUsageTable()

test('a process is seen with its memory and the processor time that it takes', async () => {
  const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  try {
    const pid = busy.pid ?? 0
    await until('it has worked', () => (table.measure([pid]).get(pid)?.cpuMs ?? 0) >= 100)
    const own = table.measure([process.pid, pid, 4_194_305])
    assert.deepEqual(
      [...own.keys()].toSorted((a, b) => a - b),
      [process.pid, pid].toSorted((a, b) => a - b),
    )
    const { rss } = process.memoryUsage()
    const measured = own.get(process.pid)?.rssBytes ?? 0
    assert.ok(measured > rss / 2 && measured < rss * 2, `${measured} of ${rss}`)
    assert.equal(own.get(pid)?.suspended, false)
    busy.kill('SIGSTOP')
    await until('it is suspended', () => table.measure([pid]).get(pid)?.suspended === true)
  } finally {
    busy.kill('SIGKILL')
  }
})

test('what ps prints is read on any system', () => {
  const found = readPs(
    ['  501 S+    52224   0:01.53', '502 T 1024 1-02:03:04', '503 Z 0 -', 'noise'].join('\n'),
  )
  assert.deepEqual(
    [...found],
    [
      [501, { rssBytes: 52_224 * 1_024, cpuMs: 1_530, suspended: false }],
      [502, { rssBytes: 1_048_576, cpuMs: ((26 * 60 + 3) * 60 + 4) * 1_000, suspended: true }],
    ],
  )
  assert.equal(table.measure([]).size, 0)
})
