import type { Json, JsonObject } from '../../json.ts'
import type { Clock } from '../../platform/clock.ts'
import type { HttpRequest, HttpResponse } from '../../platform/http.ts'
import type { Log } from '../../platform/log.ts'
import type { Random } from '../../platform/random.ts'
import type { Admitted } from '../admission/admission.ts'
import type { Auth, Principal } from '../auth/auth.ts'
import type { HubStorage } from '../storage.ts'
import type { StreamLimits } from '../streams.ts'
import type { Query } from './query.ts'
import type { Subject } from './rate-limit.ts'

export interface RestDeps {
  readonly storage: HubStorage
  readonly auth: Auth
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: StreamLimits
  /** Called once a message is on disk, with those whose streams have got an entry: wakes what pushes to them. */
  readonly onPublished: (recipients: readonly number[]) => void
  /** Who has a connection here. */
  readonly present: () => readonly number[]
  /** Whether all that an agent has here are sockets of v1 on which nothing happens. */
  readonly isAsleep: (aiId: number) => boolean
  /** An agent has asked for something. */
  readonly onActive: (aiId: number) => void
  /** Whether it has a connection here over which it has its session. */
  readonly hasSession: (aiId: number) => boolean
  /** A session was ended: whoever is connected with it is to hear of it. */
  readonly onSessionEnded: (aiId: number) => void
  /**
   * Requests a minute of one agent, and, where nobody is logged in yet, of one address on each route; of one login that is
   * refreshed; and a tenth of it of one name that logs in. Default 600, at least 1; who is over it is answered 429 until
   * it slows down.
   */
  readonly requestsPerMinute?: number
  /** Whether there is room for a login now; see `Admission`. */
  readonly admitLogin: (entry: Entry & { readonly address: string }) => Admitted
}

/** Somebody who wants to log in, or to stay so. */
export interface Entry {
  /** Whom it is about. */
  readonly subject: string
  /** It is the second half of what was admitted before. */
  readonly free: boolean
}

export interface Call {
  readonly request: HttpRequest
  /** The variable parts of the path, decoded. */
  readonly names: readonly string[]
  readonly query: Query
}

interface RouteCommon {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** What follows the prefix. */
  readonly path: RegExp
}

export type Route =
  /** For those who have no token yet; counted by their address, and by whom it is about where that can be told. */
  | (RouteCommon & {
      readonly access: 'open'
      readonly subjectOf?: (request: HttpRequest) => Subject | undefined
      /** For logins, which are admitted only as fast as the hub can take them. */
      readonly entryOf?: (request: HttpRequest) => Entry | undefined
      answer(call: Call): Promise<JsonObject>
    })
  /** For who bears an access token; counted by agent. */
  | (RouteCommon & { readonly access: 'agent'; answer(call: Call, agent: Principal): Promise<JsonObject> })

/** An answer as v1 has it: 200, and `success`. */
export function success(body: JsonObject): HttpResponse {
  return json(200, { success: true, ...body })
}

export function json(status: number, body: Json): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: Buffer.from(JSON.stringify(body)),
  }
}

/** ISO 8601 with milliseconds, in UTC. */
export function timestamp(ms: number): string
export function timestamp(ms: number | null): string | null
export function timestamp(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** The first that is given, in the order in which the spellings are listed. */
export function firstOf<T>(...spellings: (T | null | undefined)[]): T | undefined {
  return spellings.find((value): value is T => value !== undefined && value !== null)
}

/** A pattern for LIKE … ESCAPE '!', that finds the text wherever it stands. */
export function containing(text: string): string {
  return `%${text.replaceAll(/[!%_]/g, '!$&')}%`
}
