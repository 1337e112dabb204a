import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loginText, keyChangeText } from '../../../../src/protocol/rest.ts'
import { RestWorld } from '../rest/rest-world.ts'
import { AgentKey } from './world.ts'

/** An agent that is logged in twice, and the key that it is to have. */
async function begin() {
  const world = await RestWorld.start()
  const [old, next] = [new AgentKey(), new AgentKey()]
  await world.call('POST', '/ai/register', { body: { name: 'Ada', public_key: old.publicKey } })
  const challenge = async () =>
    (await world.call('POST', '/auth/challenge', { body: { ai_name: 'Ada' } })).body as {
      hub: string
      nonce: string
    }
  const login = async (key: AgentKey) => {
    const { hub, nonce } = await challenge()
    const signature = key.signText(loginText(hub, 'Ada', nonce))
    return world.call('POST', '/auth/login', { body: { ai_name: 'Ada', nonce, signature } })
  }
  const change = async (token: string, by: AgentKey, fields: object = {}) => {
    const { hub, nonce } = await challenge()
    const text = keyChangeText({ hubId: hub, name: 'Ada', nonce, publicKey: next.publicKey })
    const body = {
      public_key: next.publicKey,
      nonce,
      signature: by.signText(text),
      proof: next.signText(text),
      ...fields,
    }
    return world.call('PUT', '/ai/key', { token, body })
  }
  const { token } = (await login(old)).body as { token: string }
  return { world, old, next, login, change, token }
}

test('a key takes the place of another when both sign, and all other logins end', async () => {
  const { world, old, next, login, change, token } = await begin()
  const other = (await login(old)).body as { token: string; refresh_token: string }
  const { body } = await change(token, old)
  assert.deepEqual([body.success, body.changed, body.ended], [true, true, 1])
  assert.equal((await login(old)).body.code, 'ERR_CREDENTIALS')
  assert.equal((await login(next)).status, 200)
  assert.equal((await world.call('GET', '/ai/list', { token })).status, 200)
  assert.equal((await world.call('GET', '/ai/list', { token: other.token })).body.code, 'ERR_TOKEN_REVOKED')
})

test('to repeat it after a lost answer changes nothing', async () => {
  const { login, next, change, token, old } = await begin()
  await change(token, old)
  const { body } = await change(token, next)
  assert.deepEqual([body.success, body.changed, body.ended], [true, false, 0])
  assert.equal((await login(next)).status, 200)
})

test('neither a stranger nor one of the two keys alone changes it', async () => {
  const { login, next, change, token, old } = await begin()
  const stranger = new AgentKey()
  const signed = stranger.signText('whatever')
  for (const attempt of [
    await change(token, stranger),
    await change(token, next),
    await change(token, old, { proof: signed }),
    await change(token, old, { nonce: 'another' }),
    await change(token, old, { public_key: stranger.publicKey }),
  ]) {
    assert.deepEqual([attempt.status, attempt.body.code], [401, 'ERR_CREDENTIALS'])
  }
  for (const field of ['public_key', 'nonce', 'signature', 'proof']) {
    const attempt = await change(token, old, { [field]: undefined })
    assert.deepEqual([attempt.status, attempt.body.details.field], [400, field])
  }
  assert.equal((await change('no token', old)).status, 401)
  assert.equal((await login(old)).status, 200)
})

test('who was registered with a secret has no key to change', async () => {
  const { world, next, old } = await begin()
  const token = await world.join('Bob')
  const body = { public_key: next.publicKey, nonce: 'n', signature: 's', proof: old.signText('x') }
  const { body: answer } = await world.call('PUT', '/ai/key', { token, body })
  assert.equal(answer.code, 'ERR_CREDENTIALS')
})

test('what a fenced process asks for changes nothing', async () => {
  const { world, old, change, login } = await begin()
  world.raiseGeneration(1, 3)
  const { nonce, hub } = (await world.call('POST', '/auth/challenge', { body: { ai_name: 'Ada' } })).body
  const signature = old.signText(loginText(hub as string, 'Ada', nonce as string))
  const body = { ai_name: 'Ada', nonce, signature, generation: 2 }
  const { token } = (await world.call('POST', '/auth/login', { body })).body
  assert.equal((await change(token as string, old)).body.code, 'ERR_FENCED')
  const revoked = await world.call('POST', '/auth/revoke', { token: token as string, body: { all: true } })
  assert.equal(revoked.body.code, 'ERR_FENCED')
  assert.equal((await login(old)).status, 200)
})
