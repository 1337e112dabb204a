import { retryAfterHeaders } from '../../platform/retry-after.ts'
import type { Connection, ConnectionSink, Refusal, Upgrade } from '../../platform/transport.ts'
import type { Admission } from '../admission/admission.ts'
import { PlainConnection } from './plain-connection.ts'
import type { Relay } from './relay.ts'
import { ResumableConnection } from './resumable-connection.ts'
import { streamOf, tokenOf } from './upgrade.ts'

/** Refusals are logged so often at most, with their number: a herd must not fill the log. */
const tellEveryMs = 1_000

export interface DoorOptions {
  readonly relay: Relay
  readonly admission: Admission
  /** Who an access token names, from it alone; undefined where it opens nothing. */
  readonly peek: (
    token: string,
  ) => { readonly aiId: number; readonly generation: number | undefined } | undefined
}

/** Decides what an upgrade is, a session or one of the plain streams of v1, and whether there is room for it now. */
export class Door {
  readonly #options: DoorOptions
  #refused = 0
  #isShut = false
  #toldMs = -Infinity

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** The hub goes away: who comes now is to come again when the next process is there. */
  shut(): void {
    this.#isShut = true
  }

  accept(upgrade: Upgrade, connection: Connection): ConnectionSink | Refusal {
    const { relay, admission, peek } = this.#options
    const stream = streamOf(upgrade)
    if (stream === undefined) return { status: 404 }
    if (this.#isShut) return this.#refuse({ why: 'crowded', waitMs: 500 + relay.random.fraction() * 1_000 })
    const token = tokenOf(upgrade)
    const bearer = peek(token)
    const resumes = stream === 'session.resume' && (bearer?.generation ?? 0) > 0
    const answer = admission.admit({
      address: upgrade.remoteAddress,
      agent: bearer === undefined ? undefined : { aiId: bearer.aiId, resumes },
    })
    if (answer.kind === 'refused') return this.#refuse(answer)
    const { settled } = answer
    if (stream === 'session.resume') return new ResumableConnection(relay, connection, token, settled)
    return new PlainConnection(relay, connection, { token, stream, settled })
  }

  #refuse({ why, waitMs }: { readonly why: 'crowded' | 'often'; readonly waitMs: number }): Refusal {
    const { clock, log } = this.#options.relay
    this.#refused += 1
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#toldMs >= tellEveryMs) {
      log.warn('hub:handshake:refused', { count: this.#refused, why, waitMs: Math.round(waitMs) })
      this.#refused = 0
      this.#toldMs = nowMs
    }
    return { status: why === 'often' ? 429 : 503, headers: retryAfterHeaders(waitMs) }
  }
}
