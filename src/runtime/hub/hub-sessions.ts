import { PerduraError } from '../../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../json.ts'
import type { HubAddresses } from '../../session/hub-addresses.ts'
import { answerOf, requestAs, type HubCaller } from './ask-hub.ts'

/** A session of this agent, as its hub has it. */
export interface HubSession {
  readonly sessionIdentifier: string
  readonly sessionId: string
  readonly status: string
  /** ISO 8601; undefined at hubs that do not say. */
  readonly startedAt: string | undefined
  /** When it had its last connection, within the hour. */
  readonly lastSeenAt: string | undefined
  readonly endedAt: string | undefined
  /** Whether the node of the hub that answered has a connection of it. */
  readonly connected: boolean
}

const countMax = 100

export interface HubSessionsOptions extends HubCaller {
  readonly addresses: Pick<HubAddresses, 'current'>
  /** The session that the agent has, as far as its disk knows. */
  readonly current: () => string | undefined
}

/** What an agent, or whoever has its credentials, may ask its hub about its sessions. */
export class HubSessions {
  readonly #options: HubSessionsOptions

  constructor(options: HubSessionsOptions) {
    this.#options = options
  }

  /** Newest first, the last hundred. */
  async list(): Promise<readonly HubSession[]> {
    const { sessions } = await this.#ask('GET', `/session/history?resumable=true&limit=${countMax}`)
    return Array.isArray(sessions) ? sessions.flatMap((session: Json) => sessionOf(session) ?? []) : []
  }

  /**
   * Ends the one that the agent has: the hub will not have its process any more (`session:ended`). What waits for the agent
   * there, and what it has yet to send, is kept for the session that the next process begins. To ask it again changes
   * nothing; ERR_NO_SUCH_SESSION where there is none.
   */
  async endCurrent(): Promise<{ readonly sessionIdentifier: string }> {
    const sessionIdentifier = this.#options.current()
    if (sessionIdentifier === undefined) {
      throw new PerduraError(
        'ERR_NO_SUCH_SESSION',
        'the agent has had no session at this hub yet: there is none to end',
      )
    }
    await this.#ask('DELETE', `/session/${encodeURIComponent(sessionIdentifier)}`)
    return { sessionIdentifier }
  }

  #ask(method: string, path: string): Promise<JsonObject> {
    const { addresses } = this.#options
    const request = { method, path: `/api/v1${path}` }
    return answerOf(() => requestAs(this.#options, addresses.current.rest, request))
  }
}

function sessionOf(value: Json): HubSession | undefined {
  if (!isJsonObject(value)) return undefined
  const text = (name: string): string | undefined => {
    const field = value[name]
    return typeof field === 'string' ? field : undefined
  }
  const sessionIdentifier = text('session_identifier')
  const sessionId = text('session_id')
  if (sessionIdentifier === undefined || sessionId === undefined) return undefined
  return {
    sessionIdentifier,
    sessionId,
    status: text('status') ?? 'unknown',
    startedAt: text('started_at'),
    lastSeenAt: text('last_seen_at'),
    endedAt: text('ended_at'),
    connected: value['connected'] === true,
  }
}
