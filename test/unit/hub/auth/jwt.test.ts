import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { readToken, signToken, type TokenKey, verifyToken } from '../../../../src/hub/auth/jwt.ts'
import type { Claims } from '../../../../src/protocol/claims.ts'
import { code } from '../../../helpers/store-folder.ts'

const key: TokenKey = { kid: 'k1', secret: Buffer.alloc(32, 7) }
const claims: Claims = {
  iss: 'hub',
  aud: 'hub',
  sid: 'family',
  jti: 'one',
  ai_id: 1,
  ai_name: 'Ada',
  ai_nickname: 'A',
  type: 'access',
  iat: 1_000,
  exp: 1_600,
}
const both = {
  findKey: (kid: string) => (kid === 'k1' ? key : undefined),
  issuer: 'hub',
  types: ['access', 'refresh'],
} as const
const access = { ...both, types: ['access'] } as const

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const header = { alg: 'HS256', typ: 'at+jwt', kid: 'k1' }

/** A token that is signed rightly, whatever it says. */
function forge(fields: {
  header?: unknown
  claims?: unknown
  secret?: Uint8Array
  algorithm?: string
}): string {
  const signed = `${encode('header' in fields ? fields.header : header)}.${encode('claims' in fields ? fields.claims : claims)}`
  const hmac = createHmac(fields.algorithm ?? 'sha256', fields.secret ?? key.secret)
  return `${signed}.${hmac.update(signed).digest('base64url')}`
}

const refused = (token: string, expectation: Parameters<typeof readToken>[1] = access) =>
  assert.throws(() => readToken(token, expectation), code('ERR_TOKEN'))

test('a token tells its claims until the second in which it expires', () => {
  const token = signToken(key, claims)
  assert.deepEqual(verifyToken(token, access, 1_599_999), claims)
  assert.throws(() => verifyToken(token, access, 1_600_000), code('ERR_TOKEN_EXPIRED'))
  assert.deepEqual(readToken(token, access), claims)
})

test('the same claims under the same key are the same text', () => {
  assert.equal(signToken(key, claims), signToken(key, claims))
})

test('the generation is kept', () => {
  assert.equal(readToken(signToken(key, { ...claims, generation: 4 }), access).generation, 4)
})

test('no algorithm but HS256 is taken', () => {
  refused(forge({ header: { ...header, alg: 'HS512' }, algorithm: 'sha512' }))
  refused(forge({ header: { ...header, alg: 'hs256' } }))
  const unsigned = `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`
  refused(unsigned)
  refused(forge({ header: { ...header, alg: 'none' } }))
})

test('a header has nothing else in it', () => {
  refused(forge({ header: { ...header, crit: ['exp'] } }))
  refused(forge({ header: { ...header, jwk: { kty: 'oct', k: 'AA' } } }))
  refused(forge({ header: { alg: 'HS256', kid: 'k1' } }))
  for (const wrong of [null, 1, 'HS256', [], [1, 2, 3]]) refused(forge({ header: wrong }))
})

test('an unknown key, another secret and another signature are refused', () => {
  refused(forge({ header: { ...header, kid: 'k2' } }))
  refused(forge({ header: { ...header, kid: 1 } }))
  refused(forge({ secret: Buffer.alloc(32, 8) }))
  const token = signToken(key, claims)
  const last = token.at(-1) === 'A' ? 'B' : 'A'
  refused(token.slice(0, -1) + last)
  refused(`${token}A`)
  refused(token.slice(0, -1))
})

test('every changed character of a token is noticed', () => {
  const token = signToken(key, claims)
  for (let at = 0; at < token.length; at += 1) {
    const other = token[at] === 'x' ? 'y' : 'x'
    refused(token.slice(0, at) + other + token.slice(at + 1))
  }
})

test('an access token and a refresh token do not pass for each other', () => {
  refused(signToken(key, { ...claims, type: 'refresh' }))
  refused(forge({ header: { ...header, typ: 'rt+jwt' } }), both)
  refused(forge({ claims: { ...claims, type: 'refresh' } }), both)
  refused(forge({ header: { ...header, typ: 'JWT' } }), both)
  assert.equal(readToken(signToken(key, { ...claims, type: 'refresh' }), both).type, 'refresh')
})

test('a token of another hub is refused', () => {
  refused(signToken(key, { ...claims, iss: 'other' }))
  refused(signToken(key, { ...claims, aud: 'other' }))
})

test('claims of the wrong kind are refused', () => {
  refused(forge({ claims: { ...claims, ai_id: '1' } }))
  refused(forge({ claims: { ...claims, exp: 'never' } }))
  refused(forge({ claims: { ...claims, exp: undefined } }))
  refused(forge({ claims: null }))
})

test('what is no token is refused', () => {
  for (const text of ['', '.', '..', '...', 'a.b.c', 'é.é.é', `${'a'.repeat(5_000)}.b.c`]) refused(text)
  refused(`${signToken(key, claims)}.x`)
})
