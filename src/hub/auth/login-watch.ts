import { PerduraError, toError } from '../../errors.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { Log } from '../../platform/log.ts'
import { isActive } from '../profiles.ts'
import type { HubStorage } from '../storage.ts'
import { readFamily } from './families.ts'
import { type LoginChange, type LoginChanges, readLoginChanges, readLoginRevision } from './login-changes.ts'

export interface LoginWatchTimes {
  /** How often the database is asked what has changed, ms: 100 to an hour, default 1,000. */
  readonly pollMs: number
  /**
   * How long what is remembered is believed after the last poll that was answered, ms: at least twice `pollMs`, default
   * 5,000. So long may pass until a revocation is heeded while the database does not answer; longer, and every call waits
   * for it.
   */
  readonly trustMs: number
}

export const defaultLoginWatchTimes: LoginWatchTimes = { pollMs: 1_000, trustMs: 5_000 }

/** What the database said of a login, for better or worse. */
interface Standing {
  /** Wall-clock ms: when its refresh token, and with it the login, runs out. */
  readonly expiresAt: number
  readonly refusal: PerduraError | undefined
}

interface Asking {
  readonly aiId: number
  readonly sid: string
  /** Something of it has changed since: what was read before may be over. */
  isOutdated: boolean
}

/** Agents of which something is remembered; one more, and the one that was asked about longest ago is forgotten. */
const agentsMax = 50_000

export interface LoginWatchOptions {
  readonly storage: HubStorage
  readonly clock: Clock
  readonly times: LoginWatchTimes
}

/**
 * Whether a login is live and its agent switched on, without asking the database each time: it remembers what it was told,
 * and polls for what has changed since. So any of several hubs on one database heeds a revocation within a poll.
 *
 *   unwatched ──start, answered──► trusted ──no answer for `trustMs`──► untrusted ──answered──► trusted
 *
 * Only while trusted does it answer from memory. Otherwise each call asks the database, and fails with ERR_HUB_STORAGE where
 * that does not answer: never with a refusal.
 */
export class LoginWatch {
  readonly #options: LoginWatchOptions
  readonly #known = new Map<number, Map<string, Standing>>()
  #revision: number | undefined
  /** What is being asked about now. */
  readonly #asking = new Set<Asking>()
  #trustedUntilMs = -Infinity
  #timer: Timer | undefined
  #stopped = false
  #warned = false
  #onChange: ((change: LoginChange | 'all') => void) | undefined
  #log: Log | undefined

  constructor(options: LoginWatchOptions) {
    this.#options = options
  }

  /** Begins to poll. `onChange` is told of what has changed, by this hub or by another; of a login several times at worst. */
  start(options: { readonly log: Log; readonly onChange: (change: LoginChange | 'all') => void }): void {
    this.#log = options.log
    this.#onChange = options.onChange
    void this.#poll()
  }

  stop(): void {
    this.#stopped = true
    this.#trustedUntilMs = -Infinity
    this.#timer?.cancel()
  }

  /**
   * When a login that is live runs out. Throws ERR_TOKEN_REVOKED or ERR_PROFILE_INACTIVE where it is not live, and
   * ERR_HUB_STORAGE where nobody can tell. With `now`, one that has run out by then is asked about again: it may have been
   * refreshed since.
   */
  async check(aiId: number, sid: string, now?: number): Promise<number> {
    const known = this.#recall(aiId, sid)
    const standing =
      known === undefined || (now !== undefined && known.expiresAt <= now)
        ? await this.#ask(aiId, sid)
        : known
    if (standing.refusal !== undefined) throw standing.refusal
    return standing.expiresAt
  }

  /** Takes in what has changed, now and not with the next poll: for whoever has just changed something. */
  async look(): Promise<void> {
    if (this.#revision === undefined || this.#stopped) return
    try {
      await this.#catchUp()
    } catch {
      // The change is on disk. The poll finds it, and until it does, nothing is believed for long.
    }
  }

  #recall(aiId: number, sid: string): Standing | undefined {
    if (this.#options.clock.monotonicMs() >= this.#trustedUntilMs) return undefined
    const logins = this.#known.get(aiId)
    const standing = logins?.get(sid)
    if (logins === undefined || standing === undefined) return undefined
    // The first one of the map is the one that was asked about longest ago.
    this.#known.delete(aiId)
    this.#known.set(aiId, logins)
    return standing
  }

  /** Asks again where something has changed meanwhile: who goes on with the answer before that is told of it by nobody. */
  async #ask(aiId: number, sid: string): Promise<Standing> {
    const asking: Asking = { aiId, sid, isOutdated: false }
    this.#asking.add(asking)
    try {
      for (;;) {
        asking.isOutdated = false
        const standing = await this.#read(aiId, sid)
        if (asking.isOutdated) continue
        this.#remember(aiId, sid, standing)
        return standing
      }
    } finally {
      this.#asking.delete(asking)
    }
  }

  #read(aiId: number, sid: string): Promise<Standing> {
    return this.#options.storage.read(async (reader): Promise<Standing> => {
      try {
        const { expiresAt } = await readFamily(reader, sid, aiId)
        return { expiresAt, refusal: (await isActive(reader, aiId)) ? undefined : switchedOff() }
      } catch (error) {
        if (!(error instanceof PerduraError) || error.code !== 'ERR_TOKEN_REVOKED') throw error
        return { expiresAt: Infinity, refusal: error }
      }
    })
  }

  #remember(aiId: number, sid: string, standing: Standing): void {
    const logins = this.#known.get(aiId) ?? new Map<string, Standing>()
    logins.delete(sid)
    logins.set(sid, standing)
    dropFirstOver(loginsMax, logins)
    this.#known.delete(aiId)
    this.#known.set(aiId, logins)
    dropFirstOver(agentsMax, this.#known)
  }

  async #poll(): Promise<void> {
    const { clock, times } = this.#options
    try {
      await this.#catchUp()
      if (this.#warned) this.#log?.info('hub:logins:trusted', {})
      this.#warned = false
    } catch (thrown) {
      const error = toError(thrown)
      // Once per outage.
      if (!this.#warned && !this.#stopped) this.#log?.warn('hub:logins:unwatched', { error })
      this.#warned = true
    }
    if (!this.#stopped) this.#timer = clock.setTimer(times.pollMs, () => void this.#poll())
  }

  async #catchUp(): Promise<void> {
    const { storage, clock, times } = this.#options
    const startedMs = clock.monotonicMs()
    for (;;) {
      const after = this.#revision
      const found: LoginChanges = await storage.read(async (reader) =>
        after === undefined
          ? { changes: [], revision: await readLoginRevision(reader) }
          : readLoginChanges(reader, after),
      )
      if (this.#stopped) return
      if (found.changes === undefined) this.#forget('all')
      else for (const change of found.changes) this.#forget(change)
      // Two of these may have been under way; one that was put back has fewer.
      this.#revision =
        found.changes === undefined ? found.revision : Math.max(this.#revision ?? 0, found.revision)
      if (after === undefined || found.revision === after || found.changes === undefined) break
    }
    this.#trustedUntilMs = Math.max(this.#trustedUntilMs, startedMs + times.trustMs)
  }

  #forget(change: LoginChange | 'all'): void {
    for (const asking of this.#asking) {
      const { aiId, sid } = asking
      const isMeant = change === 'all' || (change.aiId === aiId && (change.sid ?? sid) === sid)
      if (isMeant) asking.isOutdated = true
    }
    if (change === 'all') this.#known.clear()
    else if (change.sid === undefined) this.#known.delete(change.aiId)
    else this.#known.get(change.aiId)?.delete(change.sid)
    this.#onChange?.(change)
  }
}

/** Logins of one agent that are remembered: it acts under one, and clients of v1 under a few. */
const loginsMax = 16

function dropFirstOver<Key>(countMax: number, map: Map<Key, unknown>): void {
  const [first] = map.keys()
  if (map.size > countMax && first !== undefined) map.delete(first)
}

export function switchedOff(): PerduraError {
  return new PerduraError(
    'ERR_PROFILE_INACTIVE',
    'this agent is switched off at the hub: ask who runs the hub',
  )
}
