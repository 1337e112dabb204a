import { PerduraError, toError } from '../../errors.ts'
import { readHolder, type Holder } from '../holder.ts'
import { touchSession } from '../resumable-session.ts'
import type { Authenticated, Relay } from './relay.ts'

export interface HolderWatchOptions {
  readonly relay: Relay
  readonly sessionId: string
  readonly generation: number
  /** As its newest token says. */
  readonly who: () => Authenticated
  readonly isLive: () => boolean
  /** Another instance has its generation. */
  readonly replaced: (by: Holder) => void
  /** Its session was ended. */
  readonly ended: () => void
  /** It is the holder still; there may be something new in its stream. */
  readonly held: () => void
  readonly failed: (error: Error) => void
}

/**
 * Finds out what was decided about a connection's agent elsewhere, by another hub on the same database or by REST: that its
 * login is one no more, that another process has its session, that the session was ended, or that its stream has grown.
 */
export class HolderWatch {
  readonly #options: HolderWatchOptions
  #touchedMs: number

  constructor(options: HolderWatchOptions) {
    this.#options = options
    this.#touchedMs = options.relay.clock.monotonicMs()
  }

  async look(): Promise<void> {
    const { relay, generation, who, replaced, ended, held, failed } = this.#options
    try {
      await relay.revalidate(who())
      const holder = await relay.storage.read((reader) => readHolder(reader, who().aiId))
      if (holder !== undefined && holder.generation > generation) return replaced(holder)
      if (holder?.generation === generation && holder.standing === 'ended') return ended()
      held()
      await this.#touch()
    } catch (thrown) {
      const error = toError(thrown)
      // An outage of the storage ends nobody's connection.
      if (error instanceof PerduraError && error.code !== 'ERR_HUB_STORAGE') failed(error)
      else relay.log.warn('hub:session:unchecked', { error })
    }
  }

  /** A session that has a connection does not run out, however long that lasts. */
  async #touch(): Promise<void> {
    const { relay, sessionId, isLive } = this.#options
    const { clock, storage } = relay
    const nowMs = clock.monotonicMs()
    if (!isLive() || nowMs - this.#touchedMs < touchEveryMs) return
    this.#touchedMs = nowMs
    await storage.write((tx) => touchSession(tx, sessionId, clock.now()))
  }
}

/** Beside the 30 days that a session lasts, an hour more or less is nothing. */
const touchEveryMs = 3_600_000
