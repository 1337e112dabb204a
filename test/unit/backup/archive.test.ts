import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { readArchive, readManifest, writeArchive, type BackupKey } from '../../../src/backup/archive.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'
import { code } from '../../helpers/store-folder.ts'

const key = Buffer.from('a key that is long enough to be one, and known to nobody')
const folder = '/backups'
const source = `${folder}/state.copy`
const target = `${folder}/state.backup`
const restored = `${folder}/restored.db`

interface World {
  readonly disk: Disk
  readonly content: Buffer
  readonly corrupt: (at: number) => void
  readonly stored: () => Buffer
}

/** A disk with a copy of a database of some pieces, half of it compressible. */
function createWorld(seed: number, sizeBytes = 600_000): World {
  const machine = createSimulation(seed)
  const disk = machine.disk.for(machine.boot())
  disk.makeFolder(folder)
  const content = Buffer.alloc(sizeBytes, 'the same ')
  const random = createSeededRandom(seed)
  Buffer.from(random.bytes(Math.floor(sizeBytes / 2))).copy(content, Math.floor(sizeBytes / 4))
  disk.replaceFile(source, content)
  return {
    disk,
    content,
    corrupt: (at) => machine.disk.corrupt(target, { offset: at, length: 1 }),
    stored: () => machine.disk.content(target),
  }
}

function finish<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function write({ disk, content }: World, with_: BackupKey | undefined): number {
  const manifest = {
    agent: 'Ada',
    agent_id: '7a52b6a5-5f0e-4c7e-9b0c-0d8d7c1de0a1',
    created_at: 1_790_000_000_000,
    reason: 'asked',
    perdura: '0.1.0',
    node: '24.0.0',
    schema_version: 5,
    state_version: 1,
    chain: 1,
    chain_id: '00'.repeat(16),
    sequence: 42,
    hash: '11'.repeat(32),
    hubs: [],
    size_bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  } as const
  const random = createSeededRandom('salt')
  return finish(writeArchive({ disk, random, source, target, manifest, key: with_ })).sizeBytes
}

const read = ({ disk }: World, with_: BackupKey | undefined): unknown =>
  finish(readArchive({ disk, source: target, target: restored, key: with_ }))

for (const [what, given] of [
  ['an archive', undefined],
  ['an encrypted archive', key],
] as const) {
  for (const sizeBytes of [4_096, 262_144, 600_000]) {
    test(`${what} of ${sizeBytes} bytes gives back what it was made of`, () => {
      const world = createWorld(1, sizeBytes)
      const written = write(world, given)
      assert.equal(world.stored().length, written)
      assert.ok(written < sizeBytes, `${written} bytes`)
      assert.deepEqual(read(world, given), readManifest(world.disk, target))
      assert.ok(world.content.equals(world.disk.readFile(restored) as Uint8Array))
      assert.deepEqual(world.disk.list(folder), ['restored.db', 'state.backup', 'state.copy'])
    })
  }

  test(`${what} with any byte damaged is refused, and nothing is restored from it`, () => {
    const world = createWorld(2, 9_000)
    const sizeBytes = write(world, given)
    // Every byte of what frames the pieces, and every seventh of the pieces.
    for (let at = 0; at < sizeBytes; at += at < 900 || at > sizeBytes - 60 ? 1 : 7) {
      const good = world.stored()
      world.corrupt(at)
      assert.throws(() => read(world, given), code('ERR_BACKUP_INVALID'), `byte ${at}`)
      assert.equal(world.disk.exists(restored), false)
      world.disk.replaceFile(target, good)
    }
    read(world, given)
  })

  test(`${what} that ends early or goes on is refused`, () => {
    const world = createWorld(3)
    const sizeBytes = write(world, given)
    const good = world.stored()
    for (const end of [0, 7, 8, 12, 300, 1_000, Math.floor(sizeBytes / 2), sizeBytes - 40, sizeBytes - 1]) {
      world.disk.replaceFile(target, good.subarray(0, end))
      assert.throws(() => read(world, given), code('ERR_BACKUP_INVALID'), `${end} bytes`)
    }
    world.disk.replaceFile(target, Buffer.concat([good, Buffer.alloc(1)]))
    assert.throws(() => read(world, given), code('ERR_BACKUP_INVALID'))
    assert.equal(world.disk.exists(restored), false)
  })
}

test('an encrypted archive shows its manifest to anybody, and its content to nobody without the key', () => {
  const world = createWorld(4)
  write(world, key)
  assert.equal(readManifest(world.disk, target).agent, 'Ada')
  assert.equal(world.stored().includes('the same the same'), false)
  assert.throws(() => read(world, undefined), code('ERR_BACKUP_KEY', /no key was given/))
  assert.throws(
    () => read(world, Buffer.from('another key that is as long')),
    code('ERR_BACKUP_KEY', /another key/),
  )
})

test('pieces that were put in another order are refused', () => {
  const world = createWorld(5, 262_144 * 3)
  write(world, key)
  const good = world.stored()
  const manifestEnd = 12 + good.readUInt32LE(8) + 32
  const first = 4 + good.readUInt32LE(manifestEnd)
  const second = 4 + good.readUInt32LE(manifestEnd + first)
  const swapped = Buffer.concat([
    good.subarray(0, manifestEnd),
    good.subarray(manifestEnd + first, manifestEnd + first + second),
    good.subarray(manifestEnd, manifestEnd + first),
    good.subarray(manifestEnd + first + second, -32),
  ])
  const sealed = Buffer.concat([swapped, createHash('sha256').update(swapped).digest()])
  world.disk.replaceFile(target, sealed)
  assert.throws(() => read(world, key), code('ERR_BACKUP_INVALID'))
})

test('an archive of a newer format says that it takes a newer Perdura', () => {
  const world = createWorld(6)
  write(world, undefined)
  const good = world.stored()
  const text = Buffer.from(JSON.stringify({ format: 2 }))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  const hash = createHash('sha256').update(text).digest()
  world.disk.replaceFile(target, Buffer.concat([good.subarray(0, 8), length, text, hash]))
  assert.throws(() => readManifest(world.disk, target), code('ERR_BACKUP_NEWER', /format 2/))
})
