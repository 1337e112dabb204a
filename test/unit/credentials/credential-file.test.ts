import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { openCredentialFile, type CredentialFile } from '../../../src/credentials/credential-file.ts'
import type { KeyChest } from '../../../src/platform/key-chest.ts'
import { createSeededRandom, outside, type SimulatedDisk } from '../../../src/testing/index.ts'
import { createSimulatedKeyChest } from '../../../src/testing/key-chest.ts'
import { createSimulation, credentialParts } from '../../helpers/simulated-machine.ts'
import { hasCode } from './fake-hub.ts'

const path = '/home/agents/Ada/credentials'
const hub = 'http://hub.test:8767'
const access = { token: 'access-secret', lifeMs: 600_000, got: { wall: 5, up: 5 } }
const login = { aiId: 7, refreshToken: 'refresh-secret', generation: 0, access, isRefresh: false }

function open(disk: SimulatedDisk, seed: number | string = 1): CredentialFile {
  return openCredentialFile({ ...credentialParts(disk, createSeededRandom(seed), outside), path })
}

test('makes a key where there is none, and has the same one ever after', () => {
  const { disk } = createSimulation(1)
  const first = open(disk, 'a')
  const again = open(disk, 'b')
  assert.equal(again.publicKey, first.publicKey)
  assert.notEqual(open(createSimulation(1).disk, 'b').publicKey, first.publicKey)
  assert.equal(open(createSimulation(2).disk, 'a').publicKey, first.publicKey)
  assert.equal(Buffer.from(first.publicKey, 'base64url').length, 32)
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: first.publicKey }, format: 'jwk' })
  assert.ok(
    verify(
      null,
      Buffer.from('text'),
      key,
      Buffer.from(again.keysFor(hub)[0]?.sign('text') ?? '', 'base64url'),
    ),
  )
})

test('makes the key of RFC 8032 from its seed', () => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
  const random = { ...createSeededRandom(1), bytes: (count: number) => seed.subarray(0, count) }
  const parts = credentialParts(createSimulation(1).disk, createSeededRandom(1), outside)
  const file = openCredentialFile({ ...parts, random, path })
  const expected = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  assert.equal(Buffer.from(file.publicKey, 'base64url').toString('hex'), expected)
})

test('keeps what each hub gave', () => {
  const { disk } = createSimulation(1)
  const file = open(disk)
  assert.equal(file.login(hub)?.refresh_token, undefined)
  assert.equal(file.generation(hub), 0)
  file.recordLogin(hub, login)
  file.recordLogin('http://other.test:80', { ...login, aiId: 8, refreshToken: 'other-secret' })
  const again = open(disk)
  assert.equal(again.aiId(hub), 7)
  assert.equal(again.login(hub)?.refresh_token, 'refresh-secret')
  assert.equal(again.login(hub)?.generation, 0)
  assert.equal(again.aiId('http://other.test:80'), 8)
  assert.equal(again.aiId('constructor'), undefined)
})

test('a generation only ever rises, and outlives a login', () => {
  const { disk } = createSimulation(1)
  const file = open(disk)
  file.recordGeneration(hub, 3)
  file.recordGeneration(hub, 2)
  const writes = disk.reached.get('operation:write')
  file.recordGeneration(hub, 3)
  assert.equal(disk.reached.get('operation:write'), writes)
  assert.equal(file.generation(hub), 3)
  file.recordLogin(hub, { ...login, generation: 3 })
  file.recordGeneration(hub, 4)
  const again = open(disk)
  assert.equal(again.generation(hub), 4)
  assert.equal(again.login(hub)?.generation, 3)
  assert.equal(again.login(hub)?.refresh_token, 'refresh-secret')
  assert.throws(() => file.recordGeneration(hub, NaN), RangeError)
})

test('believes nothing that is not on disk', () => {
  const { disk } = createSimulation(1)
  const file = open(disk)
  file.recordLogin(hub, login)
  disk.capacityBytes = 0
  assert.throws(
    () => file.recordLogin(hub, { ...login, refreshToken: 'next' }),
    hasCode('ERR_STORE_WRITE', true),
  )
  assert.throws(() => file.recordGeneration(hub, 1), hasCode('ERR_STORE_WRITE', true))
  assert.equal(file.login(hub)?.refresh_token, 'refresh-secret')
  assert.equal(file.generation(hub), 0)
  disk.capacityBytes = 1_000_000
  assert.equal(open(disk).login(hub)?.refresh_token, 'refresh-secret')
})

test('finds every flipped bit, and replaces nothing', () => {
  for (let seed = 0; seed < 100; seed += 1) {
    const { disk } = createSimulation(seed)
    open(disk).recordLogin(hub, login)
    disk.corrupt(path)
    const before = disk.content(path)
    assert.throws(() => open(disk), /ERR_CREDENTIALS_(FILE|KEY)|damaged|sealed with|newer/)
    assert.deepEqual(disk.content(path), before)
  }
})

test('refuses a file that is cut off, empty, of a newer version, or unreadable', () => {
  const { disk } = createSimulation(1)
  const port = disk.for(outside)
  open(disk)
  const whole = disk.content(path).toString()
  const contents = ['', whole.slice(0, -10), '{}', 'null', whole.replace('"version":2', '"version":0')]
  for (const text of contents) {
    port.replaceFile(path, Buffer.from(text))
    assert.throws(() => open(disk), /is damaged, .*restore it from a copy/)
  }
  port.replaceFile(path, Buffer.from('{"version":3,"keys":[]}'))
  assert.throws(() => open(disk), /newer Perdura: install that version/)
  port.replaceFile(path, Buffer.from(whole))
  const readFile = (): never => {
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  }
  const parts = credentialParts(disk, createSeededRandom(1), outside)
  assert.throws(
    () => openCredentialFile({ ...parts, disk: { ...port, readFile }, path }),
    (error) => hasCode('ERR_CREDENTIALS_FILE', false)(error) && /cannot be read \(EIO\)/.test(String(error)),
  )
})

test('what is written is sealed: neither key nor token can be read in it, and no two are alike', () => {
  const { disk } = createSimulation(1)
  const file = open(disk)
  file.recordLogin(hub, login)
  const first = disk.content(path).toString()
  file.recordLogin(hub, login)
  const second = disk.content(path).toString()
  assert.doesNotMatch(first, /secret|seed|hub\.test/)
  assert.notEqual(JSON.parse(first).nonce, JSON.parse(second).nonce)
  assert.notEqual(JSON.parse(first).sealed, JSON.parse(second).sealed)
})

test('a file of before is read as it is, and sealed with its first change', () => {
  const { disk } = createSimulation(1)
  const port = disk.for(outside)
  port.makeFolder('/home/agents/Ada')
  const seed = Buffer.alloc(32, 5).toString('base64url')
  const old = { ai_id: 7, refresh_token: 'old-secret', generation: 2 }
  const content = {
    seed,
    hubs: { [hub]: { hub_id: 'one', generation: 3, claim: 'c', starts: 4, login: old } },
  }
  const text = JSON.stringify(content)
  const sha256 = createHash('sha256').update(text).digest('hex')
  const written = Buffer.from(`{"version":1,"sha256":"${sha256}","content":${text}}\n`)
  port.replaceFile(path, written)
  const file = open(disk)
  assert.deepEqual(disk.content(path), written)
  assert.equal(file.keeper, undefined)
  assert.equal(file.login(hub)?.refresh_token, 'old-secret')
  assert.deepEqual([file.generation(hub), file.claim(hub), file.start(hub)], [3, 'c', 4])
  file.recordGeneration(hub, 5)
  assert.doesNotMatch(disk.content(path).toString(), /secret/)
  const again = open(disk)
  assert.equal(again.publicKey, file.publicKey)
  assert.equal(again.login(hub)?.refresh_token, 'old-secret')
  assert.deepEqual([again.generation(hub), again.keeper], [5, 'file'])
  port.replaceFile(path, Buffer.from(written.toString().replace('old-secret', 'new-secret')))
  assert.throws(() => open(disk), /is damaged/)
})

test('without its key, or with another one, it is not opened, and says where that should be', () => {
  const { disk } = createSimulation(1)
  const parts = credentialParts(disk, createSeededRandom(1), outside)
  open(disk).recordLogin(hub, login)
  const before = disk.content(path)
  const chests: [RegExp, Pick<KeyChest, 'open' | 'find'>][] = [
    [/`credentials.key` of the home, and the one there is not there: put the file back/, missing],
    [/and the one there is another one \([0-9a-f]{16}\)/, createSimulatedKeyChest('/another home')],
  ]
  for (const [message, chest] of chests) {
    assert.throws(
      () => openCredentialFile({ ...parts, chest: { ...chest, protect: () => undefined }, path }),
      (error) => hasCode('ERR_CREDENTIALS_KEY', false)(error) && message.test(String(error)),
    )
    assert.deepEqual(disk.content(path), before)
  }
})

const missing: Pick<KeyChest, 'open' | 'find'> = {
  open: () => assert.fail('a key was made for a file that is sealed with another'),
  find: () => undefined,
}

test('what systemd gives takes the place of another key at the next change, and is needed from then on', () => {
  const { disk } = createSimulation(1)
  const parts = credentialParts(disk, createSeededRandom(1), outside)
  open(disk)
  const bytes = Buffer.alloc(32, 9)
  const own = parts.chest
  const given: KeyChest = {
    ...own,
    find: (keeper) => (keeper === 'systemd' ? { keeper, bytes } : own.find(keeper)),
    open: () => ({ keeper: 'systemd', bytes }),
  }
  const file = openCredentialFile({ ...parts, chest: given, path })
  assert.equal(file.keeper, 'file')
  file.recordLogin(hub, login)
  assert.equal(file.keeper, 'systemd')
  assert.equal(openCredentialFile({ ...parts, chest: given, path }).login(hub)?.ai_id, 7)
  assert.throws(() => open(disk), /systemd gives to a service/)
})

test('two processes change one file, and neither undoes what the other has written', () => {
  const { disk } = createSimulation(1)
  const [one, other] = [open(disk), open(disk)]
  one.recordLogin(hub, login)
  other.recordGeneration(hub, 4)
  one.recordGeneration(hub, 2)
  other.recordAddress('http://alias.test:1', hub)
  const third = open(disk)
  assert.equal(third.login(hub)?.refresh_token, 'refresh-secret')
  assert.equal(third.generation(hub), 4)
  assert.equal(third.place('http://alias.test:1'), hub)
  assert.equal(one.login(hub)?.ai_id, 7)
  one.reload()
  assert.equal(one.generation(hub), 4)
})

test('one process at a time gets tokens, and a dead one does not keep the others from it', () => {
  const { disk, boot } = createSimulation(1)
  const process = boot()
  const dying = openCredentialFile({ ...credentialParts(disk, createSeededRandom(1), process), path })
  const other = open(disk)
  assert.ok(dying.tryLockTokens())
  assert.equal(other.tryLockTokens(), undefined)
  process.kill()
  const lock = other.tryLockTokens()
  assert.ok(lock)
  lock.release()
  assert.ok(open(disk).tryLockTokens())
})

test('a key is added before the others, each hub goes on with its own, and what no hub knows is forgotten', () => {
  const { disk } = createSimulation(1)
  const file = open(disk)
  const first = file.publicKey
  const other = 'http://other.test:80'
  for (const place of [hub, other]) file.recordLogin(place, login)
  file.addKey()
  const second = file.publicKey
  assert.notEqual(second, first)
  const known = (place: string): string[] =>
    open(disk)
      .keysFor(place)
      .map(({ publicKey }) => publicKey)
  assert.deepEqual(known(hub), [first, second])
  assert.deepEqual(known('http://new.test:80'), [second, first])
  file.recordKey(hub, second)
  assert.deepEqual(known(hub), [second, first])
  assert.deepEqual(known(other), [first, second])
  file.recordKey(other, second)
  assert.deepEqual(known(hub), [second])
})

test('shows no secret', () => {
  const { disk } = createSimulation(1)
  const file = open(disk)
  file.recordLogin(hub, login)
  const shown = inspect(file, { depth: 9, showHidden: true }) + JSON.stringify(file)
  assert.doesNotMatch(shown, /refresh-secret|access-secret|seed/)
  disk.corrupt(path)
  assert.throws(
    () => open(disk),
    (error) => !/refresh-secret|access-secret|seed/.test(inspect(error, { depth: 9, showHidden: true })),
  )
})
