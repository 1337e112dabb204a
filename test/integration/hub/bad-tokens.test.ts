import assert from 'node:assert/strict'
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { closeCodes } from '../../../src/protocol/close-codes.ts'
import { loginText } from '../../../src/protocol/rest.ts'
import { AgentKey } from '../../unit/hub/auth/world.ts'
import { type TokenWorld, withTokenWorld } from '../../helpers/token-world.ts'
import '../../helpers/leaks.ts'

/** What a good token is made of, and the hub's own key, as nobody else has it. */
interface Forge {
  readonly good: string
  readonly refresh: string
  readonly header: Record<string, unknown>
  readonly claims: Record<string, unknown>
  readonly secret: Buffer
  /** A token that is signed with the hub's key, or another, whatever it says. */
  make(changes: { header?: object; claims?: object; secret?: Buffer; digest?: string }): string
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>

async function loginOf({ call }: TokenWorld, name: string): Promise<Record<string, unknown>> {
  const key = new AgentKey()
  await call('POST', '/ai/register', { body: { name, public_key: key.publicKey } })
  const { body: challenge } = await call('POST', '/auth/challenge', { body: { ai_name: name } })
  const nonce = String(challenge['nonce'])
  const signature = key.signText(loginText(String(challenge['hub']), name, nonce))
  return (await call('POST', '/auth/login', { body: { ai_name: name, nonce, signature } })).body
}

async function forgeOf(world: TokenWorld): Promise<Forge> {
  const login = await loginOf(world, 'Ada')
  const good = String(login['token'])
  const [header = {}, claims = {}] = good.split('.').slice(0, 2).map(decode)
  const folder = join(world.hubFolder, 'keys')
  const [file = ''] = readdirSync(folder)
  const { secret: text } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { secret: string }
  const secret = Buffer.from(text, 'base64url')
  return {
    good,
    refresh: String(login['refresh_token']),
    header,
    claims,
    secret,
    make(changes) {
      const signed = `${encode({ ...header, ...changes.header })}.${encode({ ...claims, ...changes.claims })}`
      const hmac = createHmac(changes.digest ?? 'sha256', changes.secret ?? secret)
      return `${signed}.${hmac.update(signed).digest('base64url')}`
    },
  }
}

const nowS = (): number => Math.floor(Date.now() / 1_000)

function flip(token: string, part: number): string {
  const parts = token.split('.')
  const text = parts[part] ?? ''
  const at = Math.floor(text.length / 2)
  parts[part] = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
  return parts.join('.')
}

/** Each bad token: how it is made of a good one, and what the hub calls it. */
const matrix: Record<string, { readonly make: (forge: Forge) => string; readonly code?: string }> = {
  'no token': { make: () => '' },
  'a text that is no token': { make: () => 'nonsense' },
  'two parts of one': { make: ({ good }) => good.split('.').slice(0, 2).join('.') },
  'four parts': { make: ({ good }) => `${good}.x` },
  'one that is far too long': { make: ({ make }) => make({ claims: { sid: 'x'.repeat(5_000) } }) },
  'one that has expired': {
    make: ({ make }) => make({ claims: { iat: nowS() - 700, exp: nowS() - 100 } }),
    code: 'ERR_TOKEN_EXPIRED',
  },
  'a payload that was changed': { make: ({ good }) => flip(good, 1) },
  'a signature that was changed': { make: ({ good }) => flip(good, 2) },
  'a header that was changed': { make: ({ good }) => flip(good, 0) },
  'another agent in the payload, under the old signature': {
    make: ({ claims, good }) => {
      const [header, , signature] = good.split('.')
      return `${header}.${encode({ ...claims, ai_id: 2 })}.${signature}`
    },
  },
  'another issuer': { make: ({ make }) => make({ claims: { iss: 'another hub' } }) },
  'another audience': { make: ({ make }) => make({ claims: { aud: 'another hub' } }) },
  'alg none, without a signature': {
    make: ({ header, claims }) => `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`,
  },
  'alg none, with the signature of a good one': {
    make: ({ header, claims, good }) =>
      `${encode({ ...header, alg: 'none' })}.${encode(claims)}.${good.split('.')[2]}`,
  },
  'alg in other letters': { make: ({ make }) => make({ header: { alg: 'hs256' } }) },
  'another digest': { make: ({ make }) => make({ header: { alg: 'HS512' }, digest: 'sha512' }) },
  'RS256 with a key of the attacker': {
    make: ({ header, claims }) => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
      const signed = `${encode({ ...header, alg: 'RS256' })}.${encode(claims)}`
      return `${signed}.${createSign('sha256').update(signed).sign(privateKey, 'base64url')}`
    },
  },
  'HS256 with a public key for the secret': {
    make: ({ make }) => {
      const { publicKey } = generateKeyPairSync('ed25519')
      return make({ secret: Buffer.from(String(publicKey.export({ format: 'pem', type: 'spki' }))) })
    },
  },
  'HS256 with the name of the key for the secret': {
    make: ({ header, make }) => make({ secret: Buffer.from(String(header['kid'])) }),
  },
  'an empty secret': { make: ({ make }) => make({ secret: Buffer.alloc(0) }) },
  'another kid': { make: ({ make }) => make({ header: { kid: '0123456789abcdef' } }) },
  'a kid that is a path': { make: ({ make }) => make({ header: { kid: '../../hub.db' } }) },
  'a kid that is no text': { make: ({ make }) => make({ header: { kid: 1 } }) },
  'a key in the header': { make: ({ make }) => make({ header: { jwk: { kty: 'oct', k: 'AA' } } }) },
  'a place to get the key from': { make: ({ make }) => make({ header: { jku: 'http://127.0.0.1:1/keys' } }) },
  'a critical header': { make: ({ make }) => make({ header: { crit: ['exp'] } }) },
  'the wrong typ': { make: ({ make }) => make({ header: { typ: 'JWT' } }) },
  'no typ': { make: ({ make }) => make({ header: { typ: undefined } }) },
  'a refresh token': { make: ({ refresh }) => refresh },
  'a refresh token that calls itself an access token': {
    make: ({ make, refresh }) =>
      make({ claims: { ...decode(refresh.split('.')[1] ?? ''), type: 'access' }, header: { typ: 'rt+jwt' } }),
  },
  'one that is dated in the future': {
    make: ({ make }) => make({ claims: { iat: nowS() + 300, exp: nowS() + 900 } }),
  },
  'one that is not good yet': { make: ({ make }) => make({ claims: { nbf: nowS() + 300 } }) },
  'one that never expires': { make: ({ make }) => make({ claims: { exp: undefined } }) },
  'a login that there never was': {
    make: ({ make }) => make({ claims: { sid: 'none' } }),
    code: 'ERR_TOKEN_REVOKED',
  },
  "another agent's login": { make: ({ make }) => make({ claims: { ai_id: 2 } }), code: 'ERR_TOKEN_REVOKED' },
}

/** What a WebSocket is told that comes with this token. */
async function closeOf(url: string, token: string, way: 'header' | 'query', path: string): Promise<number> {
  const query = way === 'query' ? `${path.includes('?') ? '&' : '?'}token=${encodeURIComponent(token)}` : ''
  const options = way === 'header' ? { headers: { authorization: `Bearer ${token}` } } : {}
  // The second argument is undici's: a browser has no headers to set.
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/v1/connect${path}${query}`, options)
  return new Promise((resolve) => {
    socket.addEventListener('close', ({ code }) => resolve(code))
    socket.addEventListener('message', ({ data }) => {
      if (!String(data).includes('"connected"')) return
      resolve(0)
      socket.close()
    })
  })
}

const ways = [
  ['header', '?resume=1'],
  ['query', '?resume=1'],
  ['header', ''],
  ['query', ''],
] as const

test(
  'every kind of bad token is refused, over REST and WebSocket, in header and query',
  { timeout: 120_000, concurrency: 64 },
  async (t) => {
    await withTokenWorld(async (world) => {
      const forge = await forgeOf(world)
      await loginOf(world, 'Bo')
      const asked = await world.call('GET', '/ai/list', { token: forge.make({}) })
      assert.equal(asked.status, 200, 'what the forge makes is good where nothing is wrong')
      for (const [way, path] of ways) {
        assert.equal(await closeOf(world.url, forge.good, way, path), 0, 'and so is the way')
      }
      // Side by side: a v1 socket with a bad token is left waiting for a second.
      const tests = Object.entries(matrix).map(([what, { make, code = 'ERR_TOKEN' }]) =>
        t.test(what, async () => {
          const token = make(forge)
          const rest = await world.call('GET', '/ai/list', { token })
          assert.deepEqual([rest.status, rest.body['code']], [401, code])
          const write = await world.call('POST', '/message/send', {
            token,
            body: { recipient_name: 'Bo', content: 'x' },
          })
          assert.equal(write.status, 401)
          const closes = await Promise.all(ways.map(([way, path]) => closeOf(world.url, token, way, path)))
          assert.deepEqual(
            closes,
            ways.map(() => closeCodes.unauthorized),
          )
          const said = JSON.stringify([rest.body, write.body, world.hubLog])
          assert.ok(token === '' || !said.includes(token), 'it is not repeated')
        }),
      )
      await Promise.all(tests)
      await t.test('an access token does not refresh, nor does any of these', async () => {
        for (const token of [forge.good, ...Object.values(matrix).map(({ make }) => make(forge))]) {
          if (token === '' || token === forge.refresh) continue
          const { status, body } = await world.call('POST', '/auth/refresh', {
            body: { refresh_token: token },
          })
          assert.ok(status === 401 || status === 400, JSON.stringify(body))
          assert.equal(body['token'], undefined)
        }
      })
      await t.test('nothing of that was taken for a theft, and the good ones are good', async () => {
        assert.deepEqual(world.look('SELECT sid FROM token_families WHERE revoked_at IS NOT NULL'), [])
        assert.equal((await world.call('GET', '/ai/list', { token: forge.good })).status, 200)
      })
      await t.test('a token that was revoked', async () => {
        await world.call('POST', '/auth/revoke', { token: forge.good, body: {} })
        const rest = await world.call('GET', '/ai/list', { token: forge.good })
        assert.deepEqual([rest.status, rest.body['code']], [401, 'ERR_TOKEN_REVOKED'])
        for (const [way, path] of ways) {
          assert.equal(await closeOf(world.url, forge.good, way, path), closeCodes.unauthorized)
        }
        const refreshed = await world.call('POST', '/auth/refresh', {
          body: { refresh_token: forge.refresh },
        })
        assert.deepEqual([refreshed.status, refreshed.body['code']], [401, 'ERR_TOKEN_REVOKED'])
      })
    })
  },
)
