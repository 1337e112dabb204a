import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SimulatedDeath, dieAtPoint } from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'

test('walks through every moment of what a process does on its disk', () => {
  const deaths = new Map<string, number>()
  let point = 0
  for (; ; point += 1) {
    const { disk, boot } = createSimulation(point)
    const process = boot()
    const port = disk.for(process)
    port.makeFolder('/home')
    const progress = dieAtPoint(disk, process, point)
    try {
      port.replaceFile('/home/file', Buffer.alloc(1_100, 'x'))
    } catch (error) {
      assert.ok(error instanceof SimulatedDeath)
    }
    if (process.alive) {
      assert.equal(progress.passed, point)
      break
    }
    for (const [what, times] of disk.reached) {
      if (what.startsWith('death:')) deaths.set(what, (deaths.get(what) ?? 0) + times)
    }
  }
  assert.deepEqual(Object.fromEntries(deaths), {
    'death:before:create': 1,
    'death:after:create': 1,
    'death:before:write': 1,
    'death:before:write-part': 2,
    'death:after:write': 1,
    'death:before:sync': 1,
    'death:after:sync': 1,
    'death:before:close': 1,
    'death:after:close': 1,
    'death:before:rename': 1,
    'death:after:rename': 1,
    'death:before:sync-folder': 1,
    'death:after:sync-folder': 1,
  })
  assert.equal(point, 14)
})
