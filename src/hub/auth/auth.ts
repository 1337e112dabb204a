import { PerduraError } from '../../errors.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Random } from '../../platform/random.ts'
import type { Log } from '../../platform/log.ts'
import type { Claims } from '../../protocol/claims.ts'
import { hubProof } from '../../protocol/hub-proof.ts'
import {
  type Credential,
  createProfile,
  findProfile,
  isActive,
  markSeen,
  type Profile,
  type ProfileFields,
  sameCredential,
} from '../profiles.ts'
import { type Actor, assertNotFenced } from '../publishing.ts'
import type { HubStorage, HubTx } from '../storage.ts'
import { challengeLifeS, issueChallenge, sweepChallenges } from './challenges.ts'
import {
  type Family,
  graceMs,
  openFamily,
  readFamily,
  replayedLogins,
  type ReplayedLogin,
  revoked,
  revokeFamilies,
  revokeFamily,
  rotateFamily,
  standing,
  sweepFamilies,
} from './families.ts'
import { readToken, signatureOfHalf, verifyToken } from './jwt.ts'
import { changeKey, type KeyChange } from './key-change.ts'
import { SigningKeys } from './keys.ts'
import { checkOpenLogin, checkProof, findOrOpen, type LoginRequest } from './login.ts'
import { defaultLoginWatchTimes, LoginWatch, switchedOff, type LoginWatchTimes } from './login-watch.ts'
import { type Login, mintPair } from './mint.ts'

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
  /** How soon a revocation is heeded, here and at other hubs on the same database. */
  readonly watch?: Partial<LoginWatchTimes>
}

export interface AuthParts {
  readonly storage: HubStorage
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  /** Where the signing keys are: an absolute path. */
  readonly keysFolder: string
  readonly log: Log
  /** Which refresh token one is; default: as `families.ts` has it. */
  readonly standing?: typeof standing
}

/** Who bears a token. */
export interface Principal extends Actor {
  readonly nickname: string
  /** The login that the token comes of. */
  readonly sid: string
  /** When the token expires, as `Clock.now` has it. */
  readonly expiresAt: number
}

interface AuthSettings extends Required<Omit<HubAuthOptions, 'watch'>> {
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
  const times = { ...defaultLoginWatchTimes, ...options.watch }
  checkMs('pollMs', times.pollMs, { min: 100, max: 3_600_000 })
  checkMs('trustMs', times.trustMs, { min: 2 * times.pollMs, max: 86_400_000 })
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
  const logins = new LoginWatch({ storage, clock, times })
  return new Auth(parts, { hubId, keys, openLogin, accessTtlS, plainAccessTtlS, refreshTtlS }, logins)
}

/**
 * Who may act as whom: profiles prove themselves at login and get a family of tokens. What a token may do is decided by its
 * signature and by the row of its family; storage that does not answer is ERR_HUB_STORAGE, and never a refusal.
 */
export class Auth {
  /** What is remembered of logins; until it is started, every call asks the database. */
  readonly logins: LoginWatch
  readonly #parts: AuthParts
  readonly #settings: AuthSettings

  /** Use `createAuth`. */
  constructor(parts: AuthParts, settings: AuthSettings, logins: LoginWatch) {
    this.#parts = parts
    this.#settings = settings
    this.logins = logins
  }

  /** Who this hub is: the issuer of its tokens. */
  get hubId(): string {
    return this.#settings.hubId
  }

  /** Who an access token names, as far as it says itself; undefined where it is none of this hub's, or has expired. */
  peek(token: string): { readonly aiId: number; readonly generation: number | undefined } | undefined {
    try {
      const { ai_id: aiId, generation } = verifyToken(
        token,
        this.#expectation(['access']),
        this.#parts.clock.now(),
      )
      return { aiId, generation }
    } catch {
      return undefined
    }
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
  async revalidate({ aiId, sid }: Pick<Principal, 'aiId' | 'sid'>): Promise<void> {
    const now = this.#parts.clock.now()
    if ((await this.logins.check(aiId, sid, now)) <= now) throw revoked()
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

  async login(request: LoginRequest): Promise<Login & { readonly replayed: readonly ReplayedLogin[] }> {
    const { clock, random, storage } = this.#parts
    const { refreshTtlS } = this.#settings
    if (request.proof.kind === 'none') checkOpenLogin(request, this.#settings.openLogin)
    return storage.write(async (tx) => {
      const now = clock.now()
      const profile = await findOrOpen(tx, random, request, now)
      await checkProof(tx, { hubId: this.hubId, profile, proof: request.proof, now })
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
      const replayed = await replayedLogins(tx, profile.id)
      return { ...mintPair(family, profile.name, now, this.#settings), replayed }
    })
  }

  /** Shows the bearer of the refresh token that begins so that this hub has made it; see `hubProof`. */
  prove(half: string, nonce: string): string {
    const { hubId } = this.#settings
    return hubProof(signatureOfHalf(half, this.#expectation(['refresh'])), hubId, nonce)
  }

  /**
   * Exchanges a refresh token for the next pair. The one before the live one is good for 30 s and gives the same pair
   * again, for when the answer was lost; any other that comes again revokes the whole family (RFC 9700 4.14.2), unless its
   * `intent` says that it is the late repeat of an exchange that was answered.
   */
  async refresh(token: string, intent?: string): Promise<Login> {
    const { clock, random, storage } = this.#parts
    const now = clock.now()
    const claims = verifyToken(token, this.#expectation(['refresh']), now)
    const expiresAt = now + this.#settings.refreshTtlS * 1_000
    const login = await storage.write(async (tx) => {
      const family = await readFamily(tx, claims.sid, claims.ai_id)
      checkActive(await isActive(tx, claims.ai_id))
      const place = this.#standing(family, claims, now, intent)
      if (place === 'late' || place === 'unknown') throw revoked()
      if (place === 'replayed') {
        // Not thrown from here, which would undo it.
        await revokeFamily(tx, family.sid, now, { isReplayed: true })
        return { replayed: family }
      }
      await markSeen(tx, family.aiId, now)
      const current =
        place === 'leaf' ? await rotateFamily(tx, random, family, { now, expiresAt, intent }) : family
      return mintPair(current, claims.ai_name, now, this.#settings)
    })
    if (!('replayed' in login)) return login
    this.#replayed(claims, login.replayed, now)
    await this.logins.look()
    throw new PerduraError(
      'ERR_TOKEN_REVOKED',
      'the refresh token had been used before, so all tokens of this login are revoked: log in again',
    )
  }

  #standing(
    family: Family,
    { jti, rotation }: Claims,
    now: number,
    intent?: string,
  ): ReturnType<typeof standing> {
    return (this.#parts.standing ?? standing)(family, { jti, rotation, intent }, now)
  }

  /** Somebody has a token who should not: the operator is to see it, and the agent hears of it at its next login. */
  #replayed({ ai_name: agent, ai_id: aiId, rotation }: Claims, family: Family, now: number): void {
    this.#parts.log.error('hub:token:replayed', {
      agent,
      aiId,
      login: family.sid,
      rotation: rotation ?? -1,
      rotations: family.rotations,
      rotatedAgoMs: now - family.rotatedAt,
    })
  }

  /** Ends the login that the token comes of, or all of its agent's; returns how many there were. */
  async revoke(actor: Principal, { all }: { readonly all: boolean }): Promise<number> {
    const { clock, log, storage } = this.#parts
    const { aiId, name, sid } = actor
    const now = clock.now()
    const ended = await storage.write(async (tx) => {
      await assertNotFenced(tx, actor)
      if (all) return revokeFamilies(tx, aiId, now)
      await revokeFamily(tx, sid, now)
      return 1
    })
    await this.logins.look()
    log.info('hub:token:revoked', { agent: name, aiId, logins: ended, all })
    return ended
  }

  /** See `changeKey`. */
  async changeKey(actor: Principal, change: KeyChange): Promise<{ changed: boolean; ended: number }> {
    const { clock, log, storage } = this.#parts
    const { sid } = actor
    const outcome = await storage.write((tx) =>
      changeKey(tx, { actor, sid, hubId: this.hubId, change, now: clock.now() }),
    )
    if (outcome.changed) {
      await this.logins.look()
      log.info('hub:key:changed', { agent: actor.name, aiId: actor.aiId, loginsEnded: outcome.ended })
    }
    return outcome
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
    await this.logins.look()
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
    if (claims.type === 'access') await this.logins.check(claims.ai_id, claims.sid)
    else {
      await storage.read(async (reader) => {
        const family = await readFamily(reader, claims.sid, claims.ai_id)
        if (!['leaf', 'previous'].includes(this.#standing(family, claims, now))) throw revoked()
        checkActive(await isActive(reader, claims.ai_id))
      })
    }
    return {
      aiId: claims.ai_id,
      name: claims.ai_name,
      nickname: claims.ai_nickname,
      sid: claims.sid,
      generation: claims.generation,
      expiresAt: claims.exp * 1_000,
    }
  }

  #expectation(types: readonly Claims['type'][]) {
    const { hubId, keys } = this.#settings
    return { findKey: (kid: string) => keys.find(kid), issuer: hubId, types }
  }
}

function checkActive(active: boolean): void {
  if (!active) throw switchedOff()
}

interface Bounds {
  readonly min: number
  readonly max: number
}

function checkSeconds(option: keyof HubAuthOptions, value: number, { min, max }: Bounds): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new PerduraError('ERR_USAGE', `${option}: whole seconds, from ${min} to ${max}`)
}

function checkMs(option: keyof LoginWatchTimes, value: number, { min, max }: Bounds): void {
  if (value >= min && value <= max) return
  throw new PerduraError('ERR_USAGE', `watch.${option}: milliseconds, from ${min} to ${max}`)
}
