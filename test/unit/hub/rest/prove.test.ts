import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hubProof } from '../../../../src/protocol/hub-proof.ts'
import { RestWorld, secret } from './rest-world.ts'

async function begin() {
  const world = await RestWorld.start()
  await world.join('Ada')
  const { body } = await world.call('POST', '/auth/login', { body: { ai_name: 'Ada', ai_secret: secret } })
  const token = body.refresh_token as string
  const [header = '', payload = '', signature = ''] = token.split('.')
  const prove = (fields: object) => world.call('POST', '/auth/prove', { body: fields })
  return {
    world,
    hub: body.hub as string,
    half: `${header}.${payload}`,
    header,
    payload,
    signature,
    prove,
    access: body.token as string,
  }
}

test('a hub proves that it made a refresh token to whoever has the rest of it', async () => {
  const { half, hub, prove, signature } = await begin()
  const { body, status } = await prove({ token: half, nonce: 'drawn' })
  assert.equal(status, 200)
  assert.equal(body.hub, hub)
  assert.equal(body.proof, hubProof(signature, hub, 'drawn'))
  assert.ok(!JSON.stringify(body).includes(signature))
  assert.notEqual((await prove({ token: half, nonce: 'another' })).body.proof, body.proof)
})

test('it computes nothing for what it cannot have made', async () => {
  const { access, half, header, payload, prove, signature } = await begin()
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const forged = (changes: object) =>
    `${header}.${Buffer.from(JSON.stringify({ ...claims, ...changes })).toString('base64url')}`
  for (const token of [
    `${half}.${signature}`,
    access.split('.').slice(0, 2).join('.'),
    forged({ iss: 'another' }),
    forged({ type: 'access' }),
    'x',
    '.',
    `${header}.`,
    `${header}.${'x'.repeat(4_090)}`,
  ]) {
    const { body, status } = await prove({ token, nonce: 'n' })
    assert.ok(status === 401 || status === 400, token)
    assert.ok(!JSON.stringify(body).includes(signature))
  }
  for (const field of ['token', 'nonce']) {
    const { body, status } = await prove({ token: half, nonce: 'n', [field]: undefined })
    assert.deepEqual([status, body.details.field], [400, field])
  }
})

test('all agents of a machine may ask the hub who it is when it comes back', async () => {
  const { half, prove } = await begin()
  const statuses = new Set<number>()
  for (let agent = 0; agent < 2_000; agent++)
    statuses.add((await prove({ token: half, nonce: `n${agent}` })).status)
  assert.deepEqual([...statuses], [200])
})

test('whoever asks without end who the hub is, is told to wait', async () => {
  const world = await RestWorld.start({ requestsPerMinute: 1 })
  const ask = () => world.call('POST', '/auth/prove', { body: { token: 'a.b', nonce: 'n' } })
  for (let asked = 0; asked < 60; asked++) assert.notEqual((await ask()).status, 429)
  const { status, headers } = await ask()
  assert.equal(status, 429)
  assert.ok(Number(headers['retry-after']) >= 1)
})
