import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk } from '../../../src/platform/disk.ts'
import { SimulatedDeath, type SimulatedProcess } from '../../../src/testing/index.ts'
import { createSimulation, type SimulatedMachine } from '../../helpers/simulated-machine.ts'

function withFile(
  seed: number,
  capacityBytes?: number,
): SimulatedMachine & { port: Disk; process: SimulatedProcess } {
  const machine = createSimulation(seed, capacityBytes)
  const process = machine.boot()
  const port = machine.disk.for(process)
  port.makeFolder('/home')
  port.replaceFile('/home/file', Buffer.alloc(4_096, 'o'))
  return { ...machine, port, process }
}

test('loses what a failed sync was to write, although the next sync succeeds', () => {
  const { port, disk, process } = withFile(1)
  const file = port.open('/home/file')
  file.write(0, Buffer.alloc(512, 'n'))
  disk.faults.failNext('sync', 'EIO')
  assert.throws(() => file.sync(), { code: 'EIO' })
  file.sync()
  assert.equal(file.read(0, 1).toString(), 'n')
  process.kill()
  disk.powerCut()
  assert.equal(disk.content('/home/file')[0], 'o'.charCodeAt(0))
  assert.equal(disk.reached.get('fault:EIO:sync'), 1)
})

test('writes after a failed sync what is written again', () => {
  const { port, disk, process } = withFile(1)
  const file = port.open('/home/file')
  file.write(0, Buffer.alloc(512, 'n'))
  disk.faults.failNext('sync', 'EIO')
  assert.throws(() => file.sync(), { code: 'EIO' })
  file.write(0, Buffer.alloc(512, 'n'))
  file.sync()
  process.kill()
  disk.powerCut()
  assert.equal(disk.content('/home/file')[0], 'n'.charCodeAt(0))
})

test('fails the operation that was asked for, once, and no other', () => {
  const { port, disk } = withFile(1)
  disk.faults.failNext('write', 'ENOSPC', ({ path }) => path === '/home/other')
  const file = port.open('/home/file')
  file.write(0, Buffer.from('x'))
  port.prepareZerosNow('/home/other2', 10)
  disk.faults.failNext('rename', 'EIO')
  assert.throws(() => port.replaceFile('/home/file', Buffer.from('y')), { code: 'EIO' })
  port.replaceFile('/home/file', Buffer.from('z'))
  assert.deepEqual(port.list('/home'), ['file', 'other2'])
})

test('does a failed write in part now and then, never beyond what was to be written', () => {
  const lengths = new Set<number>()
  for (let seed = 0; seed < 50; seed += 1) {
    const { port, disk } = withFile(seed)
    disk.faults.failNext('write', 'EIO')
    const file = port.open('/home/file')
    assert.throws(() => file.write(1_000, Buffer.alloc(1_000, 'n')), { code: 'EIO' })
    const text = disk.content('/home/file').toString()
    assert.match(text, /^o{1000}n{0,1000}o{2096,}$/)
    lengths.add(text.split('n').length)
  }
  assert.ok(lengths.size > 10)
})

test('is full at its capacity, and not for what is written in place', () => {
  const { port, disk } = withFile(1, 10_000)
  assert.equal(port.freeBytes('/home'), 5_904)
  assert.throws(() => port.prepareZerosNow('/home/zeros', 6_000), { code: 'ENOSPC' })
  assert.deepEqual(port.list('/home'), ['file'], 'what did not fit takes no room')
  port.prepareZerosNow('/home/zeros', 5_904)
  assert.equal(disk.freeBytes, 0)
  const file = port.open('/home/zeros')
  file.write(0, Buffer.alloc(5_904, 'x'))
  assert.throws(() => file.write(5_900, Buffer.from('12345678')), { code: 'ENOSPC' })
  assert.equal(file.sizeBytes, 5_904)
  assert.equal(file.read(5_900, 10).toString(), '1234')
  port.remove('/home/zeros')
  assert.equal(disk.freeBytes, 5_904)
  assert.equal(disk.reached.get('full:write'), 2)
})

test('rejects a preparation on a full disk and gives its room back', async () => {
  const { port, clock, disk } = withFile(1, 10_000)
  await clock.settle(assert.rejects(port.prepareZeros('/home/zeros', 20_000), { code: 'ENOSPC' }))
  assert.equal(disk.freeBytes, 5_904)
})

test('reads rotten bits until the sector is written anew', () => {
  const { port, disk, process } = withFile(1)
  disk.corrupt('/home/file', { offset: 512, length: 10, bits: 1 })
  const flipped = (bytes: Buffer): number => bytes.filter((byte) => byte !== 111).length
  const file = port.open('/home/file')
  assert.equal(flipped(file.read(0, 4_096)), 1)
  assert.equal(flipped(file.read(512, 10)), 1)
  file.write(512, Buffer.alloc(512, 'o'))
  file.sync()
  process.kill()
  disk.powerCut()
  assert.equal(flipped(disk.content('/home/file')), 0)
})

test('draws its faults from the seed', () => {
  const run = (seed: number): { log: string; reached: ReadonlyMap<string, number> } => {
    const { port, disk, clock } = withFile(seed)
    disk.faults.rates = {
      writeError: 0.1,
      noSpace: 0.1,
      syncError: 0.1,
      readError: 0.1,
      bitRot: 0.1,
      slow: 0.1,
    }
    const log: string[] = []
    const attempt = (name: string, act: () => void): void => {
      try {
        act()
        log.push(name)
      } catch (error) {
        log.push(`${name} ${(error as NodeJS.ErrnoException).code}`)
      }
    }
    const file = port.open('/home/file')
    for (let round = 0; round < 100; round += 1) {
      attempt('write', () => file.write(round * 10, Buffer.from('n')))
      attempt('sync', () => file.sync())
      attempt('read', () => file.read(0, 100))
      attempt('replace', () => port.replaceFile('/home/other', Buffer.from('x')))
    }
    disk.faults.clear()
    return { log: `${log.join()} ${clock.monotonicMs()}`, reached: disk.reached }
  }
  assert.deepEqual(run(5), run(5))
  assert.notEqual(run(5).log, run(6).log)
  const { reached } = run(5)
  const faults = [
    'fault:EIO:write',
    'fault:ENOSPC:write',
    'fault:EIO:sync',
    'fault:EIO:read',
    'rot:bit',
    'slow:sync',
  ]
  for (const fault of faults) assert.ok((reached.get(fault) ?? 0) > 0, fault)
})

test('lets time pass for everybody while an operation is slow', () => {
  const { port, disk, clock } = withFile(1)
  disk.faults.rates = { slow: 1, slowMsMax: 300 }
  port.exists('/home')
  const { now } = { now: clock.monotonicMs() }
  assert.ok(now >= 1 && now <= 300, `${now}`)
})

test('dies at every point of a write that it is asked to, with as much written as came before', () => {
  const written: number[] = []
  for (let point = 0; point < 6; point += 1) {
    const { port, disk, process } = withFile(point)
    const file = port.open('/home/file')
    let left = point
    disk.beforeOperation = ({ kind }) => {
      if (!kind.startsWith('write')) return
      if (left === 0) process.dieHere()
      left -= 1
    }
    assert.throws(() => file.write(100, Buffer.alloc(2_048, 'n')), SimulatedDeath)
    written.push(disk.content('/home/file').filter((byte) => byte === 'n'.charCodeAt(0)).length)
    assert.equal(disk.reached.get(`death:before:${point === 0 ? 'write' : 'write-part'}`), 1)
    if (point === 4) break
  }
  assert.deepEqual(written, [0, 412, 924, 1_436, 1_948])
})

test('dies after an operation that was done', () => {
  const { port, disk, process } = withFile(1)
  disk.afterOperation = ({ kind }) => {
    if (kind === 'remove') process.dieHere()
  }
  assert.throws(() => port.remove('/home/file'), SimulatedDeath)
  assert.deepEqual(disk.files(), [])
  assert.equal(disk.reached.get('death:after:remove'), 1)
})
