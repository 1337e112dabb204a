import { createHmac } from 'node:crypto'

/** As in the original: a constant that everybody knows. */
const secret = 'a-constant-in-a-public-file'

export interface V1Claims {
  readonly ai_id: number | string
  readonly ai_name: string
  readonly ai_nickname: string
  readonly type: 'access' | 'refresh'
  readonly iat: number
  readonly exp: number
}

/** HS256, without `jti`: the same claims in the same second make the same token. */
export function signV1(claims: V1Claims): string {
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

/** Undefined for what was not signed here or has expired. */
export function verifyV1(token: string, nowMs: number): V1Claims | undefined {
  const [header, payload, signature] = token.split('.')
  const expected = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url')
  if (signature !== expected || payload === undefined) return undefined
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as V1Claims
  return claims.exp * 1_000 > nowMs ? claims : undefined
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
