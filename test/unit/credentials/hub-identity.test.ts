import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCredentialFile } from '../../../src/credentials/credential-file.ts'
import { placeAt } from '../../../src/credentials/hub-identity.ts'
import { createSeededRandom, outside } from '../../../src/testing/index.ts'
import { createSimulation, credentialParts } from '../../helpers/simulated-machine.ts'
import { answer, createScene, credentialPath, hasCode, hubUrl } from './fake-hub.ts'

const { key } = hubUrl
const access = { token: 'a', lifeMs: 600_000, got: { wall: 0, up: 0 } }
const login = { aiId: 1, refreshToken: 'r', generation: 0, access, isRefresh: false }

test('at its first login it notes what the hub calls itself, and signs for no other after that', async () => {
  const { clock, hub, start } = createScene()
  const { credentials, file } = start()
  await clock.settle(credentials.access())
  assert.equal(file.hubId(key), 'hub-1')
  assert.deepEqual([credentials.place, credentials.kept.claim], [key, file.claim(key)])
  hub.revokeAll()
  hub.calls.length = 0
  hub.script = (path) =>
    path === '/auth/challenge' ? answer(200, { success: true, nonce: 'n', hub: 'hub-2' }) : undefined
  await clock.settle(assert.rejects(credentials.access({ fresh: true }), hasCode('ERR_HUB_IDENTITY', false)))
  assert.deepEqual(hub.calls, ['/auth/refresh', '/auth/challenge'])
  assert.equal(file.hubId(key), 'hub-1')
})

test('a server that passes on the challenge of another hub gets no signature', async () => {
  const { clock, hub, start } = createScene()
  const known = start()
  const other = { ...login, hubId: 'hub-1' }
  known.file.recordLogin('https://hub.example:443', other)
  await clock.settle(assert.rejects(known.credentials.access(), hasCode('ERR_HUB_IDENTITY', false)))
  assert.deepEqual(hub.calls, ['/auth/challenge'])
})

test('a hub is known again by what it calls itself where only its address on this machine is another', () => {
  const parts = credentialParts(createSimulation(1).disk, createSeededRandom(1), outside)
  const file = openCredentialFile({ ...parts, path: credentialPath })
  const at = (address: string, hubId: string, trustNewHub = false): string => {
    const place = placeAt(file, { address, list: [address], hubId, trustNewHub })
    file.recordAddress(address, place)
    file.recordLogin(place, { ...login, hubId })
    return place
  }
  const local = 'http://127.0.0.1:8767'
  assert.equal(at(local, 'one'), local)
  for (const address of ['http://localhost:8767', 'http://[::1]:8767', 'http://127.0.0.2:9000']) {
    assert.equal(at(address, 'one'), local)
    assert.equal(openCredentialFile({ ...parts, path: credentialPath }).place(address), local)
  }
  // Two that change places stay themselves.
  assert.equal(at('http://127.0.0.1:9999', 'two'), 'http://127.0.0.1:9999')
  assert.equal(at(local, 'two'), 'http://127.0.0.1:9999')
  assert.equal(at('http://127.0.0.1:9999', 'one'), local)
  assert.equal(at(local, 'one'), local)
  const refused = hasCode('ERR_HUB_IDENTITY', false)
  assert.throws(() => at(local, 'three'), refused)
  assert.equal(at(local, 'three', true), local)
  for (const address of [
    'http://10.0.0.1:8767',
    'http://127.0.0.1.example:80',
    'http://localhost.example:80',
  ]) {
    assert.throws(() => at(address, 'two', true), refused)
  }
})

test('a hub that is trusted where another one was reached gets a place of its own', () => {
  const parts = credentialParts(createSimulation(1).disk, createSeededRandom(1), outside)
  const file = openCredentialFile({ ...parts, path: credentialPath })
  const [first, second] = ['http://127.0.0.1:1', 'http://127.0.0.1:2']
  file.recordAddress(second, second)
  file.recordLogin(second, { ...login, hubId: 'one' })
  assert.equal(placeAt(file, { address: first, list: [first], hubId: 'one', trustNewHub: false }), second)
  file.recordAddress(first, second)
  assert.equal(placeAt(file, { address: first, list: [first], hubId: 'other', trustNewHub: true }), first)
  assert.equal(file.hubId(second), 'one')
})

test('a full disk at the first login is waited out, and looking writes nothing', async () => {
  const { clock, disk, start } = createScene()
  const { credentials, file } = start()
  disk.capacityBytes = 0
  assert.deepEqual(credentials.kept, { generation: 0, claim: '', start: 0, takeover: false })
  await clock.settle(assert.rejects(credentials.access(), hasCode('ERR_STORE_WRITE', true)))
  disk.capacityBytes = 1_000_000
  await clock.settle(credentials.access())
  const { claim } = credentials.kept
  assert.match(claim, /./)
  await clock.settle(credentials.access({ fresh: true }))
  assert.deepEqual(credentials.kept, { generation: 0, claim, start: 1, takeover: false })
  // The next process of the folder asks with the same claim, and is a later one.
  const next = start().credentials
  await clock.settle(next.access())
  assert.deepEqual(next.kept, { generation: 0, claim, start: 2, takeover: false })
  credentials.recordGeneration(1)
  assert.notEqual(credentials.kept.claim, claim)
  assert.equal(file.hubId(key), 'hub-1')
})
