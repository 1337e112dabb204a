import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { PerduraError } from '../../../../src/errors.ts'
import { readArchive, writeArchive, type Source } from '../../../../src/runtime/move/archive.ts'
import { createSeededRandom, outside, SimulatedClock } from '../../../../src/testing/index.ts'
import { SimulatedDisk } from '../../../../src/testing/disk.ts'

const path = '/exports/ada'
/** What makes guessing dear makes tests slow. */
const cost = 16

function source(name: string, content: Buffer): Source {
  const sha256 = createHash('sha256').update(content).digest('hex')
  return {
    name,
    sizeBytes: content.length,
    sha256,
    *pieces() {
      for (let at = 0; at < content.length; at += 1_000) yield content.subarray(at, at + 1_000)
    },
  }
}

const database = Buffer.from(Array.from({ length: 5_000 }, (_, n) => `row ${n}\n`).join(''))
const about = { agent: 'Ada' }

function arrange(passphrase?: string) {
  const random = createSeededRandom('archive')
  const disk = new SimulatedDisk({ clock: new SimulatedClock(), random }).for(outside)
  disk.makeFolder('/exports')
  const sources = [
    source('state.db', database),
    source('empty', Buffer.alloc(0)),
    source('c', Buffer.from('key')),
  ]
  writeArchive({ disk, random }, path, { about, sources, passphrase, cost })
  const good = Buffer.from(disk.readFile(path) ?? [])
  const replace = (bytes: Uint8Array): void => disk.replaceFile(path, bytes)
  return { disk, good, replace }
}

function codeOf(read: () => unknown): string {
  try {
    read()
    return 'none'
  } catch (error) {
    assert.ok(error instanceof PerduraError, String(error))
    assert.match(error.message, /nothing was changed/)
    return error.code
  }
}

for (const passphrase of [undefined, 'correct horse']) {
  const how = passphrase === undefined ? 'plain' : 'sealed'

  test(`${how}: what was put in comes out`, () => {
    const { disk, good } = arrange(passphrase)
    const got = new Map<string, Buffer[]>()
    const manifest = readArchive(disk, path, passphrase, {
      piece: (name, bytes) => got.set(name, [...(got.get(name) ?? []), Buffer.from(bytes)]),
    })
    assert.deepEqual(manifest.about, about)
    assert.deepEqual(
      manifest.files.map(({ name }) => name),
      ['state.db', 'empty', 'c'],
    )
    assert.ok(Buffer.concat(got.get('state.db') ?? []).equals(database))
    assert.equal(Buffer.concat(got.get('c') ?? []).toString(), 'key')
    assert.equal(good.includes('row 4999'), passphrase === undefined)
  })

  test(`${how}: a file that ends too soon is refused, wherever it ends`, () => {
    const { disk, good, replace } = arrange(passphrase)
    const ends = [0, 1, 10, good.indexOf('\n'), good.indexOf('\n') + 1, good.length - 49, good.length - 1]
    for (let length = 100; length < good.length; length += 997) ends.push(length)
    for (const length of ends) {
      replace(good.subarray(0, length))
      assert.equal(
        codeOf(() => readArchive(disk, path, passphrase)),
        'ERR_EXPORT_INVALID',
        `${length} bytes`,
      )
    }
    replace(Buffer.concat([good, Buffer.from('more')]))
    assert.equal(
      codeOf(() => readArchive(disk, path, passphrase)),
      'ERR_EXPORT_INVALID',
    )
  })

  test(`${how}: a flipped bit is noticed, wherever it is`, () => {
    const { disk, good, replace } = arrange(passphrase)
    const headerEnd = good.indexOf('\n') + 1
    const places = [...Array(headerEnd).keys(), good.length - 1, good.length - 33, good.length - 40]
    for (let at = headerEnd; at < good.length; at += 1_009) places.push(at)
    for (const at of places) {
      const bytes = Buffer.from(good)
      bytes[at] = (bytes[at] ?? 0) ^ 0x04
      replace(bytes)
      // In the header, a bit more can also make another version of it, or another passphrase than was meant.
      const code = codeOf(() => readArchive(disk, path, passphrase))
      const expected = at < headerEnd ? /^ERR_EXPORT_(INVALID|NEWER|PASSPHRASE)$/ : /^ERR_EXPORT_INVALID$/
      assert.match(code, expected, `byte ${at}`)
    }
  })
}

test('what was changed on purpose, digest and all, is noticed where there is a passphrase', () => {
  const { disk, good, replace } = arrange('correct horse')
  const bytes = Buffer.from(good)
  bytes[5_000] = (bytes[5_000] ?? 0) ^ 0x04
  const digest = createHash('sha256').update(bytes.subarray(0, -32)).digest()
  replace(Buffer.concat([bytes.subarray(0, -32), digest]))
  assert.equal(
    codeOf(() => readArchive(disk, path, 'correct horse')),
    'ERR_EXPORT_INVALID',
  )
})

test('a sealed one needs its passphrase, and says so', () => {
  const { disk } = arrange('correct horse')
  assert.equal(
    codeOf(() => readArchive(disk, path, undefined)),
    'ERR_EXPORT_PASSPHRASE',
  )
  assert.equal(
    codeOf(() => readArchive(disk, path, 'incorrect horse')),
    'ERR_EXPORT_PASSPHRASE',
  )
})

test('where a passphrase is given, one that is not sealed is refused: anybody could have made it', () => {
  const { disk } = arrange()
  assert.equal(
    codeOf(() => readArchive(disk, path, 'correct horse')),
    'ERR_EXPORT_PASSPHRASE',
  )
})

test('a passphrase is the same in every way that Unicode can spell it', () => {
  const { disk } = arrange('caf\u00E9 au lait')
  assert.equal(
    codeOf(() => readArchive(disk, path, 'cafe\u0301 au lait')),
    'none',
  )
})

test('a newer one, something else and nothing are told apart', () => {
  const { disk, good, replace } = arrange()
  replace(Buffer.from(good.toString('latin1').replace('"perdura_export":1', '"perdura_export":2'), 'latin1'))
  assert.equal(
    codeOf(() => readArchive(disk, path, undefined)),
    'ERR_EXPORT_NEWER',
  )
  replace(Buffer.from('PK\u0003\u0004 an archive of another kind'))
  assert.equal(
    codeOf(() => readArchive(disk, path, undefined)),
    'ERR_EXPORT_INVALID',
  )
  disk.remove(path)
  assert.equal(
    codeOf(() => readArchive(disk, path, undefined)),
    'ERR_EXPORT_INVALID',
  )
})

test('whoever asks for more memory than is reasonable gets none', () => {
  const { disk, good, replace } = arrange('correct horse')
  for (const odd of ['2097152', '15', '0']) {
    const text = good.toString('latin1').replace('"cost":16', `"cost":${odd}`)
    replace(Buffer.from(text, 'latin1'))
    assert.equal(
      codeOf(() => readArchive(disk, path, 'correct horse')),
      'ERR_EXPORT_INVALID',
      odd,
    )
  }
})
