import { PerduraError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import type { Claims } from '../../protocol/claims.ts'
import {
  type Credential,
  createProfile,
  findProfile,
  markSeen,
  type Profile,
  profileDefaults,
  type ProfileFields,
  sameCredential,
} from '../profiles.ts'
import { type Actor, assertNotFenced } from '../publishing.ts'
import type { HubReader, HubStorage, HubTx } from '../storage.ts'
import { challengeLifeS, issueChallenge, sweepChallenges, takeChallenge } from './challenges.ts'
import { type Proof, proves } from './credentials.ts'
import {
  type Family,
  graceMs,
  openFamily,
  readFamily,
  revoked,
  revokeFamily,
  rotateFamily,
  standing,
  sweepFamilies,
} from './families.ts'
import { readToken, signToken, verifyToken } from './jwt.ts'
import { SigningKeys } from './keys.ts'

export interface HubAuthOptions {
  /** Whether peers on this machine may log in by name alone, as in v1. Default false. */
  readonly openLogin?: boolean
  /** Life of an access token: 60 s to a day, default 600 s. Shorter means more refreshes, longer a later end of it. */
  readonly accessTtlS?: number
  /**
   * The same for clients of v1, which take no part in generations and often never refresh. Default 3600 s, as the original
   * has it, or `accessTtlS` where that is given.
   */
  readonly plainAccessTtlS?: number
  /** Life of a refresh token, and so how long an agent may be away before it logs in again. Default 7 days, at most 90. */
  readonly refreshTtlS?: number
}

export interface AuthParts {
  readonly storage: HubStorage
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  /** Where the signing keys are: an absolute path. */
  readonly keysFolder: string
}

/** Who bears a token. */
export interface Principal extends Actor {
  readonly nickname: string
  /** The login that the token comes of. */
  readonly sid: string
  /** When the token expires, as `Clock.now` has it. */
  readonly expiresAt: number
}

export interface Login {
  readonly aiId: number
  readonly name: string
  readonly nickname: string
  readonly accessToken: string
  readonly refreshToken: string
  readonly expiresInS: number
}

export interface LoginRequest {
  readonly name: string
  readonly nickname: string | undefined
  /** Must be that of the name, where it is given. */
  readonly aiId: number | undefined
  readonly proof: Proof
  readonly generation: number | undefined
  /** Whether it comes from a program on this machine. */
  readonly isLocal: boolean
}

interface AuthSettings extends Required<HubAuthOptions> {
  readonly hubId: string
  readonly keys: SigningKeys
}

/** Finds out the hub's id, or gives it one, and reads its keys, or makes the first. */
export async function createAuth(parts: AuthParts, options: HubAuthOptions = {}): Promise<Auth> {
  const { openLogin = false, accessTtlS = 600, refreshTtlS = 7 * 86_400 } = options
  const { plainAccessTtlS = options.accessTtlS ?? Math.min(3_600, refreshTtlS) } = options
  checkSeconds('accessTtlS', accessTtlS, { min: 2 * (graceMs / 1_000), max: 86_400 })
  checkSeconds('plainAccessTtlS', plainAccessTtlS, { min: 2 * (graceMs / 1_000), max: 86_400 })
  checkSeconds('refreshTtlS', refreshTtlS, { min: Math.max(accessTtlS, plainAccessTtlS), max: 90 * 86_400 })
  const { clock, disk, keysFolder, random, storage } = parts
  const hubId = await storage.write(async (tx) => {
    await tx.run(
      `INSERT INTO meta (key, value) VALUES ('hub_id', ?) ON CONFLICT (key) DO NOTHING`,
      random.uuid(),
    )
    const row = await tx.get<{ value: string }>(`SELECT value FROM meta WHERE key = 'hub_id'`)
    return (row as { value: string }).value
  })
  const keys = new SigningKeys({ clock, disk, random, folder: keysFolder, tokenLifeS: refreshTtlS })
  return new Auth(parts, { hubId, keys, openLogin, accessTtlS, plainAccessTtlS, refreshTtlS })
}

/**
 * Who may act as whom: profiles prove themselves at login and get a family of tokens. What a token may do is decided by its
 * signature and by the row of its family; storage that does not answer is ERR_HUB_STORAGE, and never a refusal.
 */
export class Auth {
  readonly #parts: AuthParts
  readonly #settings: AuthSettings

  /** Use `createAuth`. */
  constructor(parts: AuthParts, settings: AuthSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  /** Who this hub is: the issuer of its tokens. */
  get hubId(): string {
    return this.#settings.hubId
  }

  /** Who bears this access token, which must be live. */
  authenticate(token: string): Promise<Principal> {
    return this.#identify(token, ['access'])
  }

  /** The same for a token of either kind; a refresh token must be one that would still be taken. */
  verify(token: string): Promise<Principal> {
    return this.#identify(token, ['access', 'refresh'])
  }

  /**
   * Whether a login that was authenticated before is still one: rejects where it has been revoked or has run out, and
   * with ERR_HUB_STORAGE where nobody can tell. What its access token says of its end does not matter here.
   */
  async revalidate({ aiId, sid }: Principal): Promise<void> {
    const { clock, storage } = this.#parts
    await storage.read(async (reader) => {
      const family = await readFamily(reader, sid, aiId)
      if (family.expiresAt <= clock.now()) throw revoked()
      checkActive(await isActive(reader, aiId))
    })
  }

  /**
   * Creates a profile; the same one again, with the same credential, is answered the same. Without a credential it takes
   * a `registrar` who is logged in, and only open login lets anybody act as it.
   */
  register(fields: ProfileFields, credential: Credential, registrar: Actor | undefined): Promise<Profile> {
    const { clock, random, storage } = this.#parts
    return storage.write(async (tx) => {
      if (registrar !== undefined) await assertNotFenced(tx, registrar)
      const known =
        (await findProfile(tx, { name: fields.name })) ??
        (await createProfile(tx, random, fields, credential, clock.now()))
      if (known !== undefined && sameCredential(known.credential, credential)) return known
      throw new PerduraError(
        'ERR_NAME_TAKEN',
        `there is an agent "${fields.name}" at this hub, with another credential: use that one, or another name`,
      )
    })
  }

  /** What to sign in order to log in under this name. */
  async challenge(name: string): Promise<{ readonly nonce: string; readonly expiresInS: number }> {
    const { clock, random, storage } = this.#parts
    const nonce = await storage.write((tx) => issueChallenge(tx, random, name, clock.now()))
    return { nonce, expiresInS: challengeLifeS }
  }

  async login(request: LoginRequest): Promise<Login> {
    const { clock, random, storage } = this.#parts
    const { refreshTtlS } = this.#settings
    if (request.proof.kind === 'none') this.#checkOpenLogin(request)
    return storage.write(async (tx) => {
      const now = clock.now()
      const profile = await this.#findOrOpen(tx, request, now)
      await this.#checkProof(tx, profile, request.proof, now)
      if (request.aiId !== undefined && request.aiId !== profile.id) {
        throw new PerduraError(
          'ERR_NO_SUCH_PROFILE',
          `"${profile.name}" does not have the id ${request.aiId} at this hub: leave ai_id out, or register again`,
        )
      }
      checkActive(profile.isActive)
      await markSeen(tx, profile.id, now)
      const login = {
        aiId: profile.id,
        nickname: request.nickname ?? profile.nickname,
        generation: request.generation,
      }
      const family = await openFamily(tx, random, login, { now, expiresAt: now + refreshTtlS * 1_000 })
      return this.#mint(family, profile.name, now)
    })
  }

  /**
   * Exchanges a refresh token for the next pair. The one before the live one is good for 30 s and gives the same pair
   * again, for when the answer was lost; any other that comes again revokes the whole family (RFC 9700 4.14.2).
   */
  async refresh(token: string): Promise<Login> {
    const { clock, random, storage } = this.#parts
    const now = clock.now()
    const claims = verifyToken(token, this.#expectation(['refresh']), now)
    const expiresAt = now + this.#settings.refreshTtlS * 1_000
    const login = await storage.write(async (tx) => {
      const family = await readFamily(tx, claims.sid, claims.ai_id)
      checkActive(await isActive(tx, claims.ai_id))
      const place = standing(family, claims.jti, now)
      if (place === 'replayed') {
        // Not thrown from here, which would undo it.
        await revokeFamily(tx, family.sid, now)
        return undefined
      }
      await markSeen(tx, family.aiId, now)
      const current = place === 'leaf' ? await rotateFamily(tx, random, family, { now, expiresAt }) : family
      return this.#mint(current, claims.ai_name, now)
    })
    if (login !== undefined) return login
    throw new PerduraError(
      'ERR_TOKEN_REVOKED',
      'the refresh token had been used before, so all tokens of this login are revoked: log in again',
    )
  }

  /** The login that a token comes of, which this hub made; whether it is still good is not looked at. */
  loginOf(token: string): string | undefined {
    return this.#tryRead(token)?.sid
  }

  /** Revokes every token of the login that this one comes of, even if it has expired itself; any text is taken. */
  async logout(token: string): Promise<void> {
    const { clock, storage } = this.#parts
    const claims = this.#tryRead(token)
    // Whatever it is, it opens nothing.
    if (claims === undefined) return
    await storage.write((tx) => revokeFamily(tx, claims.sid, clock.now()))
  }

  #tryRead(token: string): Claims | undefined {
    try {
      return readToken(token, this.#expectation(['access', 'refresh']))
    } catch {
      return undefined
    }
  }

  /** Removes up to `limit` each of what has expired; returns how many there were. */
  async sweep(tx: HubTx, now: number, limit: number): Promise<number> {
    return (await sweepChallenges(tx, now, limit)) + (await sweepFamilies(tx, now, limit))
  }

  /** To be called now and then, at least daily. */
  rotateKeys(): void {
    this.#settings.keys.rotate()
  }

  async #identify(token: string, types: readonly Claims['type'][]): Promise<Principal> {
    const { clock, storage } = this.#parts
    const now = clock.now()
    const claims = verifyToken(token, this.#expectation(types), now)
    await storage.read(async (reader) => {
      const family = await readFamily(reader, claims.sid, claims.ai_id)
      if (claims.type === 'refresh' && standing(family, claims.jti, now) === 'replayed') throw revoked()
      checkActive(await isActive(reader, claims.ai_id))
    })
    return {
      aiId: claims.ai_id,
      name: claims.ai_name,
      nickname: claims.ai_nickname,
      sid: claims.sid,
      generation: claims.generation,
      expiresAt: claims.exp * 1_000,
    }
  }

  #checkOpenLogin({ isLocal }: LoginRequest): void {
    const { openLogin } = this.#settings
    if (openLogin && isLocal) return
    const why = openLogin ? 'only from this machine' : 'not at this hub'
    throw new PerduraError(
      'ERR_OPEN_LOGIN',
      `login by name alone is allowed ${why}: send ai_secret, or nonce and signature, of a registered agent` +
        (openLogin ? '' : ', or start the hub with --open-login'),
    )
  }

  async #findOrOpen(tx: HubTx, { name, nickname, proof }: LoginRequest, now: number): Promise<Profile> {
    const known = await findProfile(tx, { name })
    if (known !== undefined) return known
    if (proof.kind !== 'none') {
      throw new PerduraError(
        'ERR_NO_SUCH_PROFILE',
        'no agent of this name is registered at this hub (which may have been restored): register it again',
      )
    }
    const fields = { ...profileDefaults, name, nickname: nickname ?? name }
    const created = await createProfile(tx, this.#parts.random, fields, { kind: 'none' }, now)
    if (created !== undefined) return created
    throw new PerduraError('ERR_HUB_STORAGE', 'somebody else has just created this profile: try again')
  }

  async #checkProof(tx: HubTx, { credential, name }: Profile, proof: Proof, now: number): Promise<void> {
    if (proof.kind === 'none') {
      if (credential.kind === 'none') return
      throw new PerduraError(
        'ERR_OPEN_LOGIN',
        `"${name}" is registered with a credential: log in with ai_secret, or with nonce and signature`,
      )
    }
    const isProven = proves(proof, credential, this.hubId, name)
    if (isProven && (proof.kind !== 'signature' || (await takeChallenge(tx, proof.nonce, name, now)))) return
    throw new PerduraError(
      'ERR_CREDENTIALS',
      `the secret or signature is not that of "${name}"` +
        (isProven ? ', or its challenge was used or is older than a minute: ask for another' : ''),
    )
  }

  /** The pair of the family's leaf. Nothing in it is drawn or read from a clock, so that it can be made again. */
  #mint(family: Family, name: string, now: number): Login {
    const { hubId, keys, ...settings } = this.#settings
    const accessTtlS = family.generation === undefined ? settings.plainAccessTtlS : settings.accessTtlS
    const iat = Math.floor(family.rotatedAt / 1_000)
    const { aiId, generation, leaf, nickname, sid } = family
    const common = {
      iss: hubId,
      aud: hubId,
      sid,
      ai_id: aiId,
      ai_name: name,
      ai_nickname: nickname,
      iat,
      ...(generation === undefined ? {} : { generation }),
    }
    const sign = (claims: Claims): string => signToken(keys.current, claims)
    return {
      aiId,
      name,
      nickname,
      accessToken: sign({ ...common, type: 'access', jti: `${leaf}.access`, exp: iat + accessTtlS }),
      refreshToken: sign({
        ...common,
        type: 'refresh',
        jti: leaf,
        exp: Math.floor(family.expiresAt / 1_000),
      }),
      expiresInS: Math.max(0, accessTtlS - Math.ceil((now - family.rotatedAt) / 1_000)),
    }
  }

  #expectation(types: readonly Claims['type'][]) {
    const { hubId, keys } = this.#settings
    return { findKey: (kid: string) => keys.find(kid), issuer: hubId, types }
  }
}

async function isActive(reader: HubReader, aiId: number): Promise<boolean> {
  const row = await reader.get<{ is_active: number }>('SELECT is_active FROM profiles WHERE id = ?', aiId)
  return row?.is_active === 1
}

function checkActive(active: boolean): void {
  if (active) return
  throw new PerduraError(
    'ERR_PROFILE_INACTIVE',
    'this agent is switched off at the hub: ask who runs the hub',
  )
}

function checkSeconds(
  option: keyof HubAuthOptions,
  value: number,
  { min, max }: { readonly min: number; readonly max: number },
): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new PerduraError('ERR_USAGE', `${option}: whole seconds, from ${min} to ${max}`)
}
