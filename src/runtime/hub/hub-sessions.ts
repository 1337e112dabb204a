import { errorCodes, PerduraError } from '../../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../json.ts'
import { requestJson, type JsonAnswer } from '../../platform/http-json.ts'
import type { Http } from '../../platform/http.ts'
import type { HubAddresses } from '../../session/hub-addresses.ts'
import type { SessionCredentials } from '../../session/session.ts'

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

const requestTimeoutMs = 10_000
const countMax = 100

export interface HubSessionsOptions {
  readonly http: Http
  readonly addresses: Pick<HubAddresses, 'current'>
  readonly credentials: Pick<SessionCredentials, 'access' | 'invalidate'>
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

  async #ask(method: string, path: string): Promise<JsonObject> {
    const first = await this.#request(method, path)
    // A token can be taken back before its time; with another one the question is a new one.
    const answer = first.status === 401 ? await this.#request(method, path) : first
    const fields = isJsonObject(answer.body) ? answer.body : {}
    if (answer.status >= 200 && answer.status < 300) return fields
    const code = errorCodes.find((known) => known === fields['code']) ?? 'ERR_HUB_PROTOCOL'
    const error = fields['error']
    throw new PerduraError(
      code,
      typeof error === 'string' ? error : `the hub answered with status ${answer.status}`,
    )
  }

  async #request(method: string, path: string): Promise<JsonAnswer> {
    const { http, addresses, credentials } = this.#options
    const { token } = await credentials.access()
    const asked = { method, path: `/api/v1${path}`, headers: { authorization: `Bearer ${token}` } }
    const answer = await requestJson(http, addresses.current.rest, asked, { timeoutMs: requestTimeoutMs })
    if (answer.status === 401) credentials.invalidate(token)
    return answer
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
