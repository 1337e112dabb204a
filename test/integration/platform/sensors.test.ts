import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createNodeSensors } from '../../../src/platform/node/sensors.ts'
import '../../helpers/leaks.ts'

const linux = process.platform === 'linux' ? false : 'reads /proc'

test('memory and processor time are those of this process', () => {
  const sensors = createNodeSensors()
  try {
    const before = sensors.read()
    assert.ok(before.rssBytes > before.heapUsedBytes && before.heapUsedBytes > 1_000_000)
    const until = performance.now() + 50
    while (performance.now() < until);
    assert.ok(sensors.read().cpuMs > before.cpuMs)
  } finally {
    sensors.close()
  }
})

test('a stop of the event loop is seen once, in the reading that follows it', async () => {
  const sensors = createNodeSensors()
  try {
    // Until the first interval is over there is nothing to compare with.
    await delay(500)
    sensors.read()
    const until = performance.now() + 1_500
    while (performance.now() < until);
    await delay(300)
    const { loopDelayMaxMs } = sensors.read()
    assert.ok(loopDelayMaxMs >= 1_000, `${loopDelayMaxMs}`)
    assert.equal(sensors.read().loopDelayMaxMs < loopDelayMaxMs, true)
  } finally {
    sensors.close()
  }
})

test('open files are counted, against the limit of the process', { skip: linux }, () => {
  const sensors = createNodeSensors()
  const opened: number[] = []
  try {
    const before = sensors.read()
    for (let count = 0; count < 50; count++) opened.push(fs.openSync('/dev/null', 'r'))
    const after = sensors.read()
    assert.equal((after.openFiles ?? 0) - (before.openFiles ?? 0), 50)
    assert.ok((after.openFilesMax ?? 0) > (after.openFiles ?? 0))
  } finally {
    for (const file of opened) fs.closeSync(file)
    sensors.close()
  }
})

test('where there is no /proc, both are found without it', { skip: linux }, () => {
  const sensors = createNodeSensors({ hasProc: false })
  const usual = createNodeSensors()
  const opened: number[] = []
  try {
    const { openFiles = 0, openFilesMax } = sensors.read()
    for (let count = 0; count < 50; count++) opened.push(fs.openSync('/dev/null', 'r'))
    assert.equal(sensors.read().openFiles, openFiles + 50)
    assert.ok(openFilesMax !== undefined && openFilesMax > openFiles)
    assert.equal(openFilesMax, usual.read().openFilesMax)
  } finally {
    for (const file of opened) fs.closeSync(file)
    sensors.close()
    usual.close()
  }
})

test('one that has used them all up finds that all are in use', { skip: linux }, () => {
  const module = join(import.meta.dirname, '../../../src/platform/node/sensors.ts')
  const script = `
    import fs from 'node:fs'
    import { createNodeSensors } from ${JSON.stringify(module)}
    const sensors = createNodeSensors()
    sensors.read()
    try { for (;;) fs.openSync('/dev/null') } catch {}
    const { openFiles, openFilesMax } = sensors.read()
    sensors.close()
    fs.writeSync(1, JSON.stringify({ openFiles, openFilesMax }))`
  const command = `ulimit -n 128; exec "$0" --input-type=module-typescript -e "$1"`
  const output = execFileSync('bash', ['-c', command, process.execPath, script], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(output), { openFiles: 128, openFilesMax: 128 })
})
