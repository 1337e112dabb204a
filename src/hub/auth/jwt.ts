import { createHmac, timingSafeEqual } from 'node:crypto'
import { PerduraError } from '../../errors.ts'
import { type Claims, claimsSchema } from '../../protocol/claims.ts'
import { parseJson } from '../../protocol/parse.ts'

/** A key that tokens are signed with, and the name by which they say so. */
export interface TokenKey {
  readonly kid: string
  readonly secret: Uint8Array
}

export interface TokenExpectation {
  readonly findKey: (kid: string) => TokenKey | undefined
  readonly issuer: string
  /** Kinds that are taken here: one must not pass for the other (RFC 8725 3.12). */
  readonly types: readonly Claims['type'][]
}

const headerTypes = { access: 'at+jwt', refresh: 'rt+jwt' } as const

/** Longer ones are not looked at. Ours have about 600 characters. */
const tokenLengthMax = 4_096

/** Compact JWS (RFC 7515) with HMAC-SHA256; access tokens have the type of RFC 9068. */
export function signToken(key: TokenKey, claims: Claims): string {
  const header = encode({ alg: 'HS256', typ: headerTypes[claims.type], kid: key.kid })
  const signed = `${header}.${encode(claims)}`
  return `${signed}.${signatureOf(key, signed)}`
}

/** The claims of a token that this hub made, which may have expired. Throws ERR_TOKEN for any other. */
export function readToken(token: string, { findKey, issuer, types }: TokenExpectation): Claims {
  if (token.length > tokenLengthMax) throw refusal('it is too long')
  const [header = '', payload = '', signature = '', ...more] = token.split('.')
  if (signature === '' || more.length > 0) throw refusal('it is no JSON Web Token')
  const { kid, typ } = readHeader(header)
  const key = findKey(kid)
  if (key === undefined) throw refusal('it was signed with a key that this hub does not have')
  const expected = signatureOf(key, `${header}.${payload}`)
  // The texts are compared, so that there is one spelling of each signature.
  if (signature.length !== expected.length || !timingSafeEqual(bytesOf(signature), bytesOf(expected))) {
    throw refusal('its signature is wrong')
  }
  const parsed = parseJson(claimsSchema, decode(payload))
  if (!parsed.ok) throw refusal(`its claims cannot be read (${parsed.path})`)
  const claims = parsed.value
  if (claims.iss !== issuer || claims.aud !== issuer) throw refusal('it is for another hub')
  if (headerTypes[claims.type] !== typ || !types.includes(claims.type)) {
    throw refusal(`it must be an ${types.join(' or ')} token`)
  }
  return claims
}

/**
 * What the clocks of two hubs of one database may differ by, ms. A token that is dated further ahead was made under a
 * clock that has been put right since, or by whoever has the key: neither is to live for longer than it should.
 */
const leewayMs = 60_000

/** The same for a token that is of now: ERR_TOKEN where it is dated in the future, ERR_TOKEN_EXPIRED. */
export function verifyToken(token: string, expectation: TokenExpectation, now: number): Claims {
  const claims = readToken(token, expectation)
  if (Math.max(claims.iat, claims.nbf ?? 0) * 1_000 > now + leewayMs) {
    throw refusal('it is dated in the future (a clock is wrong, or was)')
  }
  if (now < claims.exp * 1_000) return claims
  const remedy = claims.type === 'access' ? 'get another with the refresh token' : 'log in again'
  throw new PerduraError('ERR_TOKEN_EXPIRED', `the ${claims.type} token has expired: ${remedy}`)
}

/**
 * The signature of the refresh token that begins so, which only its bearer and the hub can know: ERR_TOKEN where this hub
 * cannot have made it. It is a secret; see `protocol/hub-proof.ts`.
 */
export function signatureOfHalf(half: string, { findKey, issuer }: TokenExpectation): string {
  if (half.length > tokenLengthMax) throw refusal('it is too long')
  const [header = '', payload = '', ...more] = half.split('.')
  if (more.length > 0) throw refusal('it is more than its first two parts')
  const { kid, typ } = readHeader(header)
  const key = findKey(kid)
  if (key === undefined) throw refusal('it was signed with a key that this hub does not have')
  const parsed = parseJson(claimsSchema, decode(payload))
  const isOurs = parsed.ok && parsed.value.iss === issuer && parsed.value.type === 'refresh'
  if (!isOurs || typ !== headerTypes.refresh) throw refusal('it is no refresh token of this hub')
  return signatureOf(key, half)
}

/** Nothing but these three members, so that none of what JWS allows besides can have an effect (RFC 8725 3.1, 3.10). */
function readHeader(text: string): { readonly kid: string; readonly typ: unknown } {
  let header: unknown
  try {
    header = JSON.parse(decode(text))
  } catch {
    throw refusal('its header cannot be read')
  }
  const fields = Object.entries(header ?? {}) as [string, unknown][]
  const { alg, kid, typ } = Object.fromEntries(fields) as Record<'alg' | 'kid' | 'typ', unknown>
  if (fields.length !== 3 || alg !== 'HS256' || typeof kid !== 'string') {
    throw refusal('it is not signed the way this hub signs')
  }
  return { kid, typ }
}

function signatureOf(key: TokenKey, signed: string): string {
  return createHmac('sha256', key.secret).update(signed).digest('base64url')
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(text: string): string {
  return /^[\w-]+$/.test(text) ? Buffer.from(text, 'base64url').toString() : ''
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text)
}

function refusal(why: string): PerduraError {
  return new PerduraError('ERR_TOKEN', `the token is not valid: ${why}; log in again`)
}
