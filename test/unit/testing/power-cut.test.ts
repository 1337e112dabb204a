import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk } from '../../../src/platform/disk.ts'
import { createSeededRandom, dieAtPoint, type SimulatedDisk } from '../../../src/testing/index.ts'
import { createSimulation, type SimulatedMachine } from '../../helpers/simulated-machine.ts'

const seeds = Array.from({ length: 300 }, (_, seed) => seed)

/** A machine with a folder and a file of 8 sectors of `o`, all on the medium. */
function withOldFile(seed: number): SimulatedMachine & { readonly port: Disk; kill(): void } {
  const machine = createSimulation(seed)
  const process = machine.boot()
  const port = machine.disk.for(process)
  port.makeFolder('/home')
  port.replaceFile('/home/file', Buffer.alloc(4_096, 'o'))
  return { ...machine, port, kill: () => process.kill() }
}

function after(disk: SimulatedDisk): string[] {
  return disk.files()
}

test('has what was synced after every power cut', () => {
  for (const seed of seeds) {
    const { port, disk, random, kill } = withOldFile(seed)
    const expected = Buffer.alloc(4_096, 'o')
    const file = port.open('/home/file')
    for (let round = random.int(1, 8); round > 0; round -= 1) {
      const bytes = Buffer.alloc(random.int(1, 900), 97 + round)
      const offset = random.int(0, 4_096 - bytes.length)
      file.write(offset, bytes)
      bytes.copy(expected, offset)
    }
    file.sync()
    kill()
    disk.powerCut()
    assert.deepEqual(disk.content('/home/file'), expected, `seed ${seed}`)
  }
})

test('leaves of what was not synced, in each sector, the old, the new, or the new up to a point', () => {
  const seen = { old: 0, new: 0, torn: 0 }
  for (const seed of seeds) {
    const { port, disk, kill } = withOldFile(seed)
    port.open('/home/file').write(0, Buffer.alloc(4_096, 'n'))
    kill()
    disk.powerCut()
    const content = disk.content('/home/file')
    for (let start = 0; start < 4_096; start += 512) {
      const sector = content.subarray(start, start + 512).toString()
      assert.match(sector, /^n*o*$/, `seed ${seed}`)
      seen[sector === 'o'.repeat(512) ? 'old' : sector === 'n'.repeat(512) ? 'new' : 'torn'] += 1
    }
  }
  assert.ok(seen.old > 300 && seen.new > 300 && seen.torn > 300, JSON.stringify(seen))
})

test('loses and keeps unsynced sectors in any order', () => {
  let laterWithoutEarlier = 0
  for (const seed of seeds) {
    const { port, disk, kill } = withOldFile(seed)
    const file = port.open('/home/file')
    file.write(0, Buffer.alloc(512, '1'))
    file.write(2_048, Buffer.alloc(512, '2'))
    kill()
    disk.powerCut()
    const content = disk.content('/home/file')
    if (content[0] === 111 && content[2_048] === 50) laterWithoutEarlier += 1
  }
  assert.ok(laterWithoutEarlier > 10, `${laterWithoutEarlier}`)
})

test('may have written back an earlier version of a sector that was overwritten unsynced', () => {
  const seen = new Set<string>()
  for (const seed of seeds) {
    const { port, disk, kill } = withOldFile(seed)
    const file = port.open('/home/file')
    for (const letter of 'abc') file.write(0, Buffer.alloc(512, letter))
    kill()
    disk.powerCut()
    seen.add(String.fromCharCode(disk.content('/home/file')[0]!))
  }
  assert.deepEqual([...seen].toSorted(), ['a', 'b', 'c', 'o'])
})

test('keeps everything when only the process dies', () => {
  const { port, disk, kill, boot } = withOldFile(1)
  port.open('/home/file').write(0, Buffer.from('unsynced'))
  port.rename('/home/file', '/home/renamed')
  kill()
  const next = disk.for(boot())
  assert.deepEqual(next.list('/home'), ['renamed'])
  assert.equal(next.open('/home/renamed').read(0, 8).toString(), 'unsynced')
})

test('keeps the old content when the power fails before the rename', () => {
  for (const seed of seeds.slice(0, 50)) {
    const machine = withOldFile(seed)
    machine.disk.beforeOperation = ({ kind }) => {
      if (kind === 'rename') machine.kill()
    }
    assert.throws(() => machine.port.replaceFile('/home/file', Buffer.alloc(4_096, 'n')))
    machine.disk.powerCut()
    assert.deepEqual(machine.disk.content('/home/file'), Buffer.alloc(4_096, 'o'))
  }
})

test('has the old content or the new wherever a replacement is interrupted, and the new once it returned', () => {
  const outcomes = new Map<string, number>()
  for (const seed of seeds) {
    const machine = createSimulation(seed)
    const process = machine.boot()
    const port = machine.disk.for(process)
    port.makeFolder('/home')
    port.replaceFile('/home/file', Buffer.alloc(1_500, 'o'))
    dieAtPoint(machine.disk, process, machine.random.int(0, 18))
    let returned = false
    try {
      port.replaceFile('/home/file', Buffer.alloc(1_700, 'n'))
      returned = true
    } catch {}
    process.kill()
    machine.disk.powerCut()
    const content = machine.disk.content('/home/file').toString()
    const outcome = content === 'o'.repeat(1_500) ? 'old' : content === 'n'.repeat(1_700) ? 'new' : 'broken'
    assert.notEqual(outcome, 'broken', `seed ${seed}`)
    if (returned) assert.equal(outcome, 'new', `seed ${seed}`)
    outcomes.set(`${outcome}, ${returned}`, (outcomes.get(`${outcome}, ${returned}`) ?? 0) + 1)
  }
  assert.deepEqual([...outcomes.keys()].toSorted(), ['new, false', 'new, true', 'old, false'])
})

test('has a prepared file whole or not at all, and surely once the promise resolved', async () => {
  const outcomes = new Set<string>()
  for (const seed of seeds) {
    const { port, disk, clock, random, kill } = withOldFile(seed)
    let resolved = false
    void port.prepareZeros('/home/segment', 10_000).then(() => (resolved = true))
    await clock.runFor(random.int(1, 160))
    kill()
    disk.powerCut()
    const there = after(disk).includes('/home/segment')
    if (there) assert.deepEqual(disk.content('/home/segment'), Buffer.alloc(10_000))
    if (resolved) assert.ok(there, `seed ${seed}`)
    outcomes.add(`${there}, ${resolved}`)
  }
  assert.deepEqual([...outcomes].toSorted(), ['false, false', 'true, false', 'true, true'])
})

test('loses unsynced changes of a folder from some point on, never from the middle', () => {
  const seen = new Set<string>()
  for (const seed of seeds) {
    const { port, disk, kill } = withOldFile(seed)
    port.rename('/home/file', '/home/1')
    port.rename('/home/1', '/home/2')
    port.rename('/home/2', '/home/3')
    kill()
    disk.powerCut()
    assert.equal(after(disk).length, 1, `seed ${seed}`)
    seen.add(after(disk)[0]!)
  }
  assert.deepEqual([...seen].toSorted(), ['/home/1', '/home/2', '/home/3', '/home/file'])
})

test('moves a file between folders in both or in neither', () => {
  const seen = new Set<string>()
  for (const seed of seeds) {
    const { port, disk, random, kill } = withOldFile(seed)
    port.makeFolder('/aside')
    port.rename('/home/file', '/aside/file')
    if (random.chance(0.3)) port.syncFolder('/home')
    else port.rename('/aside/file', '/aside/renamed')
    kill()
    disk.powerCut()
    assert.equal(after(disk).length, 1, `seed ${seed}: ${after(disk).join()}`)
    seen.add(after(disk)[0]!)
  }
  assert.deepEqual([...seen].toSorted(), ['/aside/file', '/aside/renamed', '/home/file'])
})

test('has a folder and what was synced in it', () => {
  for (const seed of seeds) {
    const { port, disk, kill } = withOldFile(seed)
    port.makeFolder('/deep/er/still')
    port.replaceFile('/deep/er/still/file', Buffer.from('x'))
    kill()
    disk.powerCut()
    assert.ok(after(disk).includes('/deep/er/still/file'), `seed ${seed}`)
  }
})

test('has a folder that an earlier process had made and was killed before it synced it', () => {
  for (const seed of seeds.slice(0, 50)) {
    const { port, disk, kill, boot } = withOldFile(seed)
    disk.afterOperation = ({ kind, path }) => {
      if (kind === 'make-folder' && path === '/deep/er') kill()
    }
    assert.throws(() => port.makeFolder('/deep/er/still'))
    disk.afterOperation = undefined
    const next = boot()
    disk.for(next).makeFolder('/deep/er')
    disk.for(next).replaceFile('/deep/er/file', Buffer.from('x'))
    next.kill()
    disk.powerCut()
    assert.ok(after(disk).includes('/deep/er/file'), `seed ${seed}`)
  }
})

test('may show a new file whose content was never synced as empty or as zeros', () => {
  const seen = new Set<string>()
  for (const seed of seeds) {
    const { port, disk, kill } = withOldFile(seed)
    const file = port.open('/home/file')
    file.write(4_096, Buffer.alloc(512, 'n'))
    kill()
    disk.powerCut()
    const content = disk.content('/home/file')
    seen.add(content.length === 4_096 ? 'old size' : String.fromCharCode(content[4_096]!))
  }
  assert.deepEqual([...seen].toSorted(), ['\0', 'n', 'old size'])
})

test('cuts the power in the same way from the same seed', () => {
  const picture = (): string => {
    const { port, disk, kill } = withOldFile(9)
    port.open('/home/file').write(100, Buffer.alloc(3_000, 'n'))
    port.rename('/home/file', '/home/renamed')
    kill()
    disk.powerCut(createSeededRandom('power'))
    return after(disk)
      .map((path) => `${path} ${disk.content(path).toString('hex')}`)
      .join('\n')
  }
  assert.equal(picture(), picture())
})

test('voids the handles from before a power cut', () => {
  const { port, disk } = withOldFile(1)
  const file = port.open('/home/file')
  disk.powerCut()
  assert.throws(() => file.read(0, 1), { code: 'EBADF' })
})

test('shows what is on the medium beside what programs see', () => {
  const { port, disk } = withOldFile(1)
  port.open('/home/file').write(0, Buffer.alloc(512, 'n'))
  port.rename('/home/file', '/home/renamed')
  assert.equal(disk.content('/home/renamed')[0], 'n'.charCodeAt(0))
  assert.equal(disk.durableContent('/home/renamed'), undefined)
  assert.deepEqual(disk.durableContent('/home/file'), Buffer.alloc(4_096, 'o'))
  port.open('/home/renamed').sync()
  port.syncFolder('/home')
  assert.equal(disk.durableContent('/home/renamed')?.[0], 'n'.charCodeAt(0))
  assert.equal(disk.durableContent('/home/file'), undefined)
})
