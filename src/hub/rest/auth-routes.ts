import type { GenericSchema, InferOutput } from 'valibot'
import { PerduraError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { HttpRequest } from '../../platform/http.ts'
import {
  challengeBody,
  keyChangeBody,
  type LoginBody,
  loginBody,
  proveBody,
  refreshBody,
  type RegisterBody,
  registerBody,
  revokeBody,
} from '../../protocol/rest.ts'
import { bearerOf } from '../auth/bearer.ts'
import type { ReplayedLogin } from '../auth/families.ts'
import type { KeyChange } from '../auth/key-change.ts'
import type { Login } from '../auth/mint.ts'
import { credentialOfKey, credentialOfSecret, type Proof } from '../auth/credentials.ts'
import { type Credential, profileDefaults } from '../profiles.ts'
import { readBody } from './body.ts'
import { invalid, missing } from './query.ts'
import type { Subject } from './rate-limit.ts'
import { type Call, type Entry, firstOf, type RestDeps, type Route, timestamp } from './route.ts'

export function authRoutes({ auth, clock }: RestDeps): Route[] {
  return [
    { method: 'POST', path: /^\/ai\/register$/, access: 'open', answer: register },
    {
      method: 'POST',
      path: /^\/auth\/challenge$/,
      access: 'open',
      subjectOf: subjectByName,
      entryOf: (request) => entryByName(request, false),
      answer: async ({ request }) => {
        const { nonce, expiresInS } = await auth.challenge(nameOf(readBody(request, challengeBody)))
        return { nonce, expires_in: expiresInS, hub: auth.hubId }
      },
    },
    {
      method: 'POST',
      path: /^\/auth\/login$/,
      access: 'open',
      subjectOf: subjectByName,
      // Its challenge was admitted a moment ago.
      entryOf: (request) => entryByName(request, Boolean(peek(request, loginBody)?.nonce)),
      answer: async ({ request }) => {
        const body = readBody(request, loginBody)
        const login = await auth.login({
          name: nameOf(body),
          nickname: firstOf(body.ai_nickname, body.nickname) || undefined,
          // Original clients send 0 where they do not know it.
          aiId: body.ai_id || undefined,
          proof: proofOf(body),
          generation: body.generation ?? undefined,
          isLocal: isLocal(request),
        })
        const { aiId, name, nickname, replayed } = login
        return {
          ...tokensOf(login),
          ai_id: aiId,
          ai_name: name,
          ai_nickname: nickname,
          hub: auth.hubId,
          ...(replayed.length > 0 && { replayed: replayed.map((one) => replayedOf(one, clock.now())) }),
        }
      },
    },
    {
      method: 'POST',
      path: /^\/auth\/prove$/,
      access: 'open',
      subjectOf: () => ({ kind: 'hub' }),
      answer: async ({ request }) => {
        const { token, nonce } = readBody(request, proveBody)
        if (!token) throw missing('token')
        if (!nonce) throw missing('nonce')
        return { hub: auth.hubId, proof: auth.prove(token, nonce) }
      },
    },
    {
      method: 'POST',
      path: /^\/auth\/refresh$/,
      access: 'open',
      subjectOf: (request) => {
        const sid = auth.loginOf(peek(request, refreshBody)?.refresh_token ?? '')
        return sid === undefined ? undefined : { kind: 'login', sid }
      },
      entryOf: (request) => {
        const sid = auth.loginOf(peek(request, refreshBody)?.refresh_token ?? '')
        return sid === undefined ? undefined : { subject: `login ${sid}`, free: false }
      },
      answer: async ({ request }) => {
        const { refresh_token: token, intent } = readBody(request, refreshBody)
        if (!token) throw missing('refresh_token')
        return tokensOf(await auth.refresh(token, intent ?? undefined))
      },
    },
    {
      method: 'POST',
      path: /^\/auth\/verify$/,
      access: 'open',
      answer: async ({ request }) => {
        if (!request.headers['authorization']) throw missing('Authorization', 'header')
        const token = bearerOf(request.headers)
        if (token === undefined) throw invalid('Authorization', 'must be "Bearer" and a token')
        const { aiId, name, nickname } = await auth.verify(token)
        return { valid: true, ai_id: aiId, ai_name: name, ai_nickname: nickname }
      },
    },
    {
      method: 'POST',
      path: /^\/auth\/logout$/,
      access: 'open',
      answer: async ({ request }) => {
        const token = bearerOf(request.headers)
        if (token !== undefined) await auth.logout(token)
        return { message: 'Logged out successfully' }
      },
    },
    {
      method: 'POST',
      path: /^\/auth\/revoke$/,
      access: 'agent',
      answer: async ({ request }, agent) => {
        const { all } = readBody(request, revokeBody)
        return { revoked: await auth.revoke(agent, { all: all === true }) }
      },
    },
    {
      method: 'PUT',
      path: /^\/ai\/key$/,
      access: 'agent',
      answer: async ({ request }, agent) => {
        const { changed, ended } = await auth.changeKey(agent, keyChangeOf(readBody(request, keyChangeBody)))
        return { changed, ended }
      },
    },
  ]

  async function register({ request }: Call): Promise<JsonObject> {
    const body = readBody(request, registerBody)
    const name = nameOf(body, 'name')
    const credential = credentialOf(body, name)
    // Whoever proves nothing must have proved to be somebody, as in v1.
    const registrar =
      credential.kind === 'none' ? await auth.authenticate(registrarToken(request)) : undefined
    const profile = await auth.register(
      {
        name,
        nickname: firstOf(body.ai_nickname, body.nickname) || name,
        expertise: body.expertise ?? '',
        version: body.version ?? profileDefaults.version,
        project: body.project ?? profileDefaults.project,
      },
      credential,
      registrar,
    )
    const { id, nickname, expertise, version, project, createdAt } = profile
    return {
      ai: { id, name, nickname, expertise, version, project, created_at: timestamp(createdAt) },
      ai_id: id,
      ai_name: name,
      hub: auth.hubId,
    }
  }
}

/** Who logs in has a small body: larger ones are not worth a look before they are counted. */
const peekBytesMax = 16 * 1024

/** The body, where it is one; what is wrong with it is said when it is answered. */
function peek<Schema extends GenericSchema>(
  request: HttpRequest,
  schema: Schema,
): InferOutput<Schema> | undefined {
  if (request.body.length > peekBytesMax) return undefined
  try {
    return readBody(request, schema)
  } catch {
    return undefined
  }
}

function subjectByName(request: HttpRequest): Subject | undefined {
  const body = peek(request, challengeBody)
  const name = firstOf(body?.ai_name, body?.name)
  return name === undefined ? undefined : { kind: 'name', name }
}

/** What names nobody is refused before it costs anything. With its address: nobody takes an agent's place from elsewhere. */
function entryByName(request: HttpRequest, free: boolean): Entry | undefined {
  const subject = subjectByName(request)
  if (subject?.kind !== 'name') return undefined
  return { subject: `name ${request.remoteAddress ?? ''} ${subject.name}`, free }
}

function registrarToken(request: HttpRequest): string {
  const token = bearerOf(request.headers)
  if (token !== undefined) return token
  throw new PerduraError(
    'ERR_TOKEN',
    'registering takes ai_secret or public_key, with which the agent will prove itself at login, or the token of ' +
      'another agent that is logged in',
  )
}

function nameOf(
  body: { readonly name?: string | null | undefined; readonly ai_name?: string | null | undefined },
  field: 'name' | 'ai_name' = 'ai_name',
): string {
  const name = firstOf(body.ai_name, body.name)
  if (name !== undefined) return name
  throw missing(field)
}

function credentialOf({ ai_secret: secret, public_key: key }: RegisterBody, name: string): Credential {
  if (secret && key) throw invalid('public_key', 'and ai_secret exclude each other: send one of them')
  if (secret) return credentialOfSecret(name, secret)
  if (!key) return { kind: 'none' }
  const credential = credentialOfKey(key)
  if (credential === undefined)
    throw invalid('public_key', 'must be the 32 bytes of an Ed25519 key in base64url')
  return credential
}

function proofOf({ ai_secret: secret, nonce, signature }: LoginBody): Proof {
  if (secret && (nonce || signature))
    throw invalid('ai_secret', 'and signature exclude each other: send one of them')
  if (secret) return { kind: 'secret', secret }
  if (nonce && signature) return { kind: 'signature', nonce, signature }
  if (nonce) throw missing('signature')
  if (signature) throw missing('nonce')
  return { kind: 'none' }
}

/** Whether a program on this machine asks: not a proxy that passes on what others want, and not a web page. */
function isLocal({ headers, remoteAddress }: HttpRequest): boolean {
  const isPassedOn = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => name in headers)
  if (isPassedOn || 'origin' in headers || remoteAddress === undefined) return false
  return remoteAddress === '' || remoteAddress === '::1' || /^(::ffff:)?127\./i.test(remoteAddress)
}

function keyChangeOf(body: InferOutput<typeof keyChangeBody>): KeyChange {
  const { nonce, proof, public_key: publicKey, signature } = body
  if (!publicKey) throw missing('public_key')
  if (credentialOfKey(publicKey) === undefined)
    throw invalid('public_key', 'must be the 32 bytes of an Ed25519 key in base64url')
  if (!nonce) throw missing('nonce')
  if (!signature) throw missing('signature')
  if (!proof) throw missing('proof')
  return { nonce, proof, publicKey, signature }
}

/** No clock reading: the agent's own clock may be another. */
function replayedOf({ sid, replayedAt }: ReplayedLogin, now: number): JsonObject {
  return { login: sid, ago_s: Math.max(0, Math.round((now - replayedAt) / 1_000)) }
}

function tokensOf({ accessToken, refreshToken, expiresInS }: Login): JsonObject {
  return { token: accessToken, refresh_token: refreshToken, expires_in: expiresInS }
}
