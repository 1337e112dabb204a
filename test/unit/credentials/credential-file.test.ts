import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { openCredentialFile, type CredentialFile } from '../../../src/credentials/credential-file.ts'
import type { Disk } from '../../../src/platform/disk.ts'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import { createSeededRandom, outside } from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'
import { hasCode } from './fake-hub.ts'

const path = '/home/agents/Ada/credentials'
const hub = 'http://hub.test:8767'
const login = { aiId: 7, refreshToken: 'refresh-secret', generation: 0 }

function open(disk: Disk, seed: number | string = 1): CredentialFile {
  return openCredentialFile({ disk, random: createSeededRandom(seed), path })
}

test('makes a key where there is none, and has the same one ever after', () => {
  const { disk } = createSimulation(1)
  const first = open(disk.for(outside), 'a')
  const again = open(disk.for(outside), 'b')
  assert.equal(again.publicKey, first.publicKey)
  assert.notEqual(open(createSimulation(1).disk.for(outside), 'b').publicKey, first.publicKey)
  assert.equal(open(createSimulation(2).disk.for(outside), 'a').publicKey, first.publicKey)
  assert.equal(Buffer.from(first.publicKey, 'base64url').length, 32)
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: first.publicKey }, format: 'jwk' })
  assert.ok(verify(null, Buffer.from('text'), key, Buffer.from(again.sign('text'), 'base64url')))
})

test('makes the key of RFC 8032 from its seed', () => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
  const random = { ...createSeededRandom(1), bytes: () => seed }
  const file = openCredentialFile({ disk: createSimulation(1).disk.for(outside), random, path })
  const expected = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  assert.equal(Buffer.from(file.publicKey, 'base64url').toString('hex'), expected)
})

test('keeps what each hub gave', () => {
  const { disk } = createSimulation(1)
  const file = open(disk.for(outside))
  assert.equal(file.refreshToken(hub), undefined)
  assert.equal(file.generation(hub), 0)
  file.recordLogin(hub, login)
  file.recordLogin('http://other.test:80', { ...login, aiId: 8, refreshToken: 'other-secret' })
  const again = open(disk.for(outside))
  assert.equal(again.aiId(hub), 7)
  assert.equal(again.refreshToken(hub), 'refresh-secret')
  assert.equal(again.loginGeneration(hub), 0)
  assert.equal(again.aiId('http://other.test:80'), 8)
  assert.equal(again.aiId('constructor'), undefined)
})

test('a generation only ever rises, and outlives a login', () => {
  const { disk } = createSimulation(1)
  const file = open(disk.for(outside))
  file.recordGeneration(hub, 3)
  file.recordGeneration(hub, 2)
  const writes = disk.reached.get('operation:write')
  file.recordGeneration(hub, 3)
  assert.equal(disk.reached.get('operation:write'), writes)
  assert.equal(file.generation(hub), 3)
  file.recordLogin(hub, { ...login, generation: 3 })
  file.recordGeneration(hub, 4)
  const again = open(disk.for(outside))
  assert.equal(again.generation(hub), 4)
  assert.equal(again.loginGeneration(hub), 3)
  assert.equal(again.refreshToken(hub), 'refresh-secret')
  assert.throws(() => file.recordGeneration(hub, NaN), RangeError)
})

test('believes nothing that is not on disk', () => {
  const { disk } = createSimulation(1)
  const file = open(disk.for(outside))
  file.recordLogin(hub, login)
  disk.capacityBytes = 0
  assert.throws(
    () => file.recordLogin(hub, { ...login, refreshToken: 'next' }),
    hasCode('ERR_STORE_WRITE', true),
  )
  assert.throws(() => file.recordGeneration(hub, 1), hasCode('ERR_STORE_WRITE', true))
  assert.equal(file.refreshToken(hub), 'refresh-secret')
  assert.equal(file.generation(hub), 0)
  disk.capacityBytes = 1_000_000
  assert.equal(open(disk.for(outside)).refreshToken(hub), 'refresh-secret')
})

test('finds every flipped bit, and replaces nothing', () => {
  for (let seed = 0; seed < 100; seed += 1) {
    const { disk } = createSimulation(seed)
    open(disk.for(outside)).recordLogin(hub, login)
    disk.corrupt(path)
    const before = disk.content(path)
    assert.throws(() => open(disk.for(outside)), hasCode('ERR_CREDENTIALS_FILE', false))
    assert.deepEqual(disk.content(path), before)
  }
})

test('refuses a file that is cut off, empty, of a newer version, or unreadable', () => {
  const { disk } = createSimulation(1)
  const port = disk.for(outside)
  open(port)
  const whole = disk.content(path).toString()
  const contents = ['', whole.slice(0, -10), '{}', 'null', whole.replace('"version":1', '"version":0')]
  for (const text of contents) {
    port.replaceFile(path, Buffer.from(text))
    assert.throws(() => open(port), /is damaged, .*restore it from a copy/)
  }
  port.replaceFile(path, Buffer.from('{"version":2,"keys":[]}'))
  assert.throws(() => open(port), /newer Perdura: install that version/)
  port.replaceFile(path, Buffer.from(whole))
  assert.throws(
    () =>
      open({
        ...port,
        readFile: () => {
          throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
        },
      }),
    (error) => hasCode('ERR_CREDENTIALS_FILE', false)(error) && /cannot be read \(EIO\)/.test(String(error)),
  )
})

test('only its user may read it, whatever its mode was', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-credentials-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const place = join(folder, 'agents', 'Ada', 'credentials')
  const file = openCredentialFile({ disk: createNodeDisk(), random: createSeededRandom(1), path: place })
  assert.equal(statSync(place).mode & 0o777, 0o600)
  assert.equal(statSync(join(folder, 'agents', 'Ada')).mode & 0o777, 0o700)
  chmodSync(place, 0o644)
  file.recordLogin(hub, login)
  assert.equal(statSync(place).mode & 0o777, 0o600)
  writeFileSync(place, 'x')
  assert.throws(
    () => openCredentialFile({ disk: createNodeDisk(), random: createSeededRandom(1), path: place }),
    hasCode('ERR_CREDENTIALS_FILE', false),
  )
})

test('shows no secret', () => {
  const { disk } = createSimulation(1)
  const file = open(disk.for(outside))
  file.recordLogin(hub, login)
  const { seed } = (JSON.parse(disk.content(path).toString()) as { content: { seed: string } }).content
  const shown = inspect(file, { depth: 9, showHidden: true }) + JSON.stringify(file)
  assert.doesNotMatch(shown, /refresh-secret/)
  assert.ok(!shown.includes(seed))
  disk.corrupt(path)
  assert.throws(
    () => open(disk.for(outside)),
    (error) => {
      const text = inspect(error, { depth: 9, showHidden: true })
      return !text.includes(seed) && !text.includes('refresh-secret')
    },
  )
})
