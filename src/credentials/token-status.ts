import { createHash } from 'node:crypto'
import * as v from 'valibot'
import type { KeyKeeper } from '../platform/key-chest.ts'
import { parseJson } from '../protocol/parse.ts'
import type { LoginEntry } from './credential-content.ts'
import type { CredentialFile } from './credential-file.ts'
import { elapsedMs, type Moment } from './moment.ts'

/** How an agent stands with its tokens at one hub, without any secret. Times are wall-clock ms, null where unknown. */
export interface TokenStatus {
  /** The agent's place at the hub: the address that it was first met at. */
  readonly hub: string
  readonly hubId: string | null
  readonly aiId: number | null
  /**
   * `ok`: the access token is good, as far as can be told here; `expired`: there is none that is, and the refresh token gets the next;
   * `revoked`: the agent has ended the login; `none`: it has never logged in. With the last two the key logs in.
   */
  readonly state: 'ok' | 'expired' | 'revoked' | 'none'
  readonly access: {
    /** `unknown`: a clock was set, or the machine slept or was started anew, since it was got. */
    readonly state: 'ok' | 'expired' | 'unknown' | 'none'
    readonly expiresInMs: number | null
  }
  readonly refresh: {
    /** `in doubt`: it was shown to the hub, and what came of it was not noted. */
    readonly state: 'ok' | 'expired' | 'in doubt' | 'none'
    readonly gotAt: number | null
    /** As the hub's clock has it. */
    readonly expiresAt: number | null
    /** How often it has been exchanged since the login. */
    readonly rotations: number
  }
  readonly loginSince: number | null
  /** Of the login, and the newest that the hub gave. */
  readonly loginGeneration: number | null
  readonly generation: number
  readonly key: {
    /** SHA-256 of the public key. */
    readonly fingerprint: string
    /** A change of the key has not come to its end at this hub; the next login brings it there. */
    readonly changing: boolean
  }
  readonly kept: {
    /** Undefined on disk as `plain`: of a version before, sealed with its next change. */
    readonly by: KeyKeeper | 'plain'
    readonly encrypted: boolean
  }
}

export function tokenStatus(file: CredentialFile, hub: string, now: Moment): TokenStatus {
  const login = file.login(hub)
  const access = accessOf(login, now)
  const refresh = refreshOf(login, now)
  const withoutLogin = file.isRevoked(hub) ? 'revoked' : 'none'
  return {
    hub,
    hubId: file.hubId(hub) ?? null,
    aiId: file.aiId(hub) ?? null,
    state: login === undefined ? withoutLogin : access.state === 'ok' ? 'ok' : 'expired',
    access,
    refresh,
    loginSince: login?.since ?? null,
    loginGeneration: login?.generation ?? null,
    generation: file.generation(hub),
    key: {
      fingerprint: `SHA256:${createHash('sha256').update(Buffer.from(file.publicKey, 'base64url')).digest('base64url')}`,
      changing: file.keysFor(hub)[0]?.publicKey !== file.publicKey,
    },
    kept: { by: file.keeper ?? 'plain', encrypted: file.keeper !== undefined },
  }
}

function accessOf(login: LoginEntry | undefined, now: Moment): TokenStatus['access'] {
  const access = login?.access
  if (access === undefined) return { state: 'none', expiresInMs: null }
  const agoMs = elapsedMs(access.got, now)
  if (agoMs === undefined) {
    // By the wall clock alone it may be over, but not be good.
    const isOver = now.wall - access.got.wall >= access.life_ms
    return { state: isOver ? 'expired' : 'unknown', expiresInMs: isOver ? 0 : null }
  }
  const restMs = Math.max(0, access.life_ms - agoMs)
  return { state: restMs > 0 ? 'ok' : 'expired', expiresInMs: Math.round(restMs) }
}

function refreshOf(login: LoginEntry | undefined, now: Moment): TokenStatus['refresh'] {
  if (login === undefined) return { state: 'none', gotAt: null, expiresAt: null, rotations: 0 }
  const expiresAt = expiryOf(login.refresh_token) ?? null
  const isOver = expiresAt !== null && now.wall >= expiresAt
  const state = isOver ? 'expired' : login.asked === undefined ? 'ok' : 'in doubt'
  return { state, gotAt: login.refreshed ?? null, expiresAt, rotations: login.rotations }
}

const expirySchema = v.object({ exp: v.pipe(v.number(), v.finite()) })

/** What the token says of itself; whoever shows it is the judge of that. */
function expiryOf(token: string): number | undefined {
  const claims = parseJson(expirySchema, Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  return claims.ok ? claims.value.exp * 1_000 : undefined
}
