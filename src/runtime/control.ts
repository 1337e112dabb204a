import { drainMsMax } from '../duration.ts'
import { PerduraError, toError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import { errorResponse } from '../platform/http-error.ts'
import type { HttpRequest, HttpResponse } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Profiler } from '../platform/profile.ts'
import type { Accepted, Agent, EffectDecision, IngestInput } from './agent.ts'
import type { Priority } from '../queue/priority.ts'
import type { HubSessions } from './hub/hub-sessions.ts'
import { healthRoutes, reportRoute } from './health-routes.ts'
import { liveSessionJson } from './live-session.ts'
import type { SendInput } from './send-message.ts'
import { tokenRoutes } from './token-routes.ts'
import { profileRoutes } from './profile-routes.ts'
import { queueRoutes } from './queue-routes.ts'
import { json, type Route } from './route.ts'
import { checkToken, Fields, idempotencyKey, readJsonBody, readPayload, refuseBrowsers } from './request.ts'

export type RouteOptions =
  | {
      /** What programs on this machine may do: on a TCP port of loopback. */
      readonly kind: 'ingress'
      readonly log: Log
      readonly metrics: () => Promise<string>
      /** Required as bearer token, where given. */
      readonly token?: string | undefined
    }
  | {
      /** What the owner may do: on a Unix socket in the agent's private folder. */
      readonly kind: 'control'
      readonly log: Log
      readonly metrics: () => Promise<string>
      /** Facts about this process, for `GET /v1/process`. */
      readonly describeProcess: () => JsonObject
      /** Begins to stop the process; called once the answer is on its way. With `handover` it lets go of its session. */
      readonly stop: (options: { readonly handover: boolean }) => void
      readonly profiler: Profiler
      /** Begins to hand the session over to the next process; called once the answer is on its way. */
      readonly handOver: (deadlineMs: number) => void
      /** Has the process, and an `up` that keeps it running, read their settings again. */
      readonly reload: () => void
    }

export type Handler = (request: HttpRequest) => Promise<HttpResponse>

/** Seconds after which the same request may be made again, where it failed for want of room or of a running agent. */
const retryAfterSeconds = 1

/** The HTTP interface of one agent, as a function from request to answer; docs/reference/http.md describes it. */
export function createRoutes(agent: Agent, options: RouteOptions): Handler {
  const routes =
    options.kind === 'ingress'
      ? ingressRoutes(agent, options.metrics)
      : [...ingressRoutes(agent, options.metrics), ...controlRoutes(agent, options)]
  return async (request) => {
    try {
      refuseBrowsers(request, { checkHost: options.kind === 'ingress' })
      const [path = '', query = ''] = request.path.split('?', 2)
      const matches = routes.filter((route) => route.path.test(path))
      if (matches.length === 0)
        throw new PerduraError('ERR_NO_SUCH_ROUTE', `nothing is served under ${excerpt(path)}`)
      // HEAD is GET without the body, which the server leaves out (RFC 9110 9.3.2).
      const method = request.method === 'HEAD' ? 'GET' : request.method
      const route = matches.find((candidate) => candidate.method === method)
      if (route === undefined) {
        const allowed = matches.map((candidate) => candidate.method).join(', ')
        const refusal = new PerduraError('ERR_METHOD', `${excerpt(path)} takes ${allowed}`)
        return failure(refusal, { allow: allowed })
      }
      if (options.kind === 'ingress' && options.token !== undefined && !route.open)
        checkToken(request, options.token)
      const names = (route.path.exec(path) ?? []).slice(1).map(decodeSegment)
      return await route.answer({ request, names, query: new URLSearchParams(query) })
    } catch (thrown) {
      // What went wrong inside is for the log: the caller learns only that it was not the caller's fault.
      if (!(thrown instanceof PerduraError)) {
        options.log.error('http:request:failed', { method: request.method, error: toError(thrown) })
      }
      return failure(thrown)
    }
  }
}

function ingressRoutes(agent: Agent, metrics: () => Promise<string>): Route[] {
  return [
    ...healthRoutes(agent, metrics),
    {
      method: 'POST',
      path: /^\/agents\/([^/]+)\/inbox$/,
      answer: async ({ request, names: [name = ''], query }) => {
        if (name !== agent.name) {
          throw new PerduraError(
            'ERR_NO_SUCH_AGENT',
            `this is ${agent.name}; there is no agent "${excerpt(name)}" here`,
          )
        }
        const input: IngestInput = {
          id: idempotencyKey(request),
          payload: readPayload(request),
          ...(query.get('from') ? { from: query.get('from') ?? '' } : {}),
          ...(query.get('conversation') ? { conversation: query.get('conversation') ?? '' } : {}),
        }
        return acknowledgement(await agent.ingest(input))
      },
    },
  ]
}

function controlRoutes(agent: Agent, options: RouteOptions & { readonly kind: 'control' }): Route[] {
  return [
    {
      method: 'POST',
      path: /^\/v1\/messages$/,
      answer: async ({ request }) =>
        acknowledgement(await agent.ingest(messageOf(new Fields(readJsonBody(request))))),
    },
    {
      method: 'POST',
      path: /^\/v1\/turns\/(\d{1,15})\/effects\/([^/]+)\/resolve$/,
      answer: async ({ request, names: [turn = '', effect = ''] }) => {
        await agent.resolveEffect(Number(turn), effect, decisionOf(new Fields(readJsonBody(request))))
        return json(200, { turn: Number(turn), effect, resolved: true })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/turns\/(\d{1,15})\/retry$/,
      answer: async ({ names: [turn = ''] }) => {
        await agent.retryTurn(Number(turn))
        return json(200, { turn: Number(turn), retried: true })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/terminal\/ack$/,
      answer: async ({ request }) => {
        const body = readJsonBody(request)
        const fields = new Fields(body)
        const ofTurn = isJsonObject(body) && 'turn' in body
        await agent.acknowledgeTerminal(
          ofTurn ? { turn: fields.count('turn') } : { through: fields.count('sequence') },
        )
        return json(200, { acknowledged: true })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/outbox$/,
      answer: async ({ request }) => {
        const { sequence, duplicate } = await agent.send(outgoingOf(new Fields(readJsonBody(request))))
        return json(duplicate ? 200 : 202, { accepted: true, sequence, duplicate })
      },
    },
    {
      method: 'GET',
      path: /^\/v1\/sessions$/,
      answer: async () =>
        json(200, {
          sessions: (await hubSessionsOf(agent).list()).map(
            (session) => JSON.parse(JSON.stringify(session)) as Json,
          ),
        }),
    },
    {
      method: 'POST',
      path: /^\/v1\/session\/end$/,
      answer: async () => {
        const { sessionIdentifier } = await hubSessionsOf(agent).endCurrent()
        return json(200, { session_identifier: sessionIdentifier, ended: true })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/session\/handover$/,
      answer: ({ request }) => {
        const deadlineMs = new Fields(readJsonBody(request)).optionalCount('deadline_ms', drainMsMax)
        options.handOver(deadlineMs ?? handoverDeadlineMs)
        return json(202, { handing_over: true })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/session\/reconnect$/,
      answer: ({ request }) => {
        agent.reconnect(new Fields(readJsonBody(request)).optionalText('reason') ?? 'somebody asked for it')
        return json(202, { session: liveSessionJson(agent.session) })
      },
    },
    reportRoute(agent),
    ...queueRoutes(agent),
    ...tokenRoutes(agent),
    ...profileRoutes(options.profiler),
    { method: 'GET', path: /^\/v1\/process$/, answer: () => json(200, options.describeProcess()) },
    {
      method: 'POST',
      path: /^\/v1\/stop$/,
      answer: ({ request }) => {
        const body = request.body.length === 0 ? {} : readJsonBody(request)
        options.stop({ handover: isJsonObject(body) && body['handover'] === true })
        return json(202, { stopping: true })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/reload$/,
      answer: () => {
        options.reload()
        return json(202, { reloading: true })
      },
    },
  ]
}

/** Of turns and of what they send, where nothing else is asked for. */
const handoverDeadlineMs = 10_000

function hubSessionsOf({ name, hubSessions }: Agent): HubSessions {
  if (hubSessions !== undefined) return hubSessions
  throw new PerduraError(
    'ERR_NO_SUCH_SESSION',
    `${name} runs without a hub, and has no session: start it with --hub`,
  )
}

function messageOf(fields: Fields): IngestInput {
  const from = fields.optionalText('from')
  const conversation = fields.optionalText('conversation')
  const inReplyTo = fields.optionalText('in_reply_to')
  const hops = fields.optionalCount('hops')
  return {
    id: fields.text('id'),
    payload: fields.value('payload'),
    ...(from === undefined ? {} : { from }),
    ...(conversation === undefined ? {} : { conversation }),
    ...(inReplyTo === undefined ? {} : { inReplyTo }),
    ...(hops === undefined ? {} : { hops }),
  }
}

function outgoingOf(fields: Fields): SendInput {
  const conversation = fields.optionalText('conversation')
  const priority = fields.optionalText('priority')
  const ttlMs = fields.optionalCount('ttl_ms')
  return {
    id: fields.text('id'),
    to: fields.text('to'),
    content: fields.value('content'),
    ...(conversation === undefined ? {} : { conversation }),
    // Whether it is one, is found out where all senders are checked.
    ...(priority === undefined ? {} : { priority: priority as Priority }),
    ...(ttlMs === undefined ? {} : { ttl: ttlMs }),
  }
}

function decisionOf(fields: Fields): EffectDecision {
  const outcome = fields.text('outcome')
  if (outcome === 'not-done') return { outcome }
  if (outcome === 'done') return { outcome, result: fields.optionalValue('result') ?? null }
  throw new PerduraError('ERR_PAYLOAD_INVALID', '"outcome" must be "done" or "not-done"')
}

/** Sent only after the entry is on disk: a caller who read it may forget the message. */
function acknowledgement(accepted: Accepted): HttpResponse {
  return json(accepted.duplicate ? 200 : 202, {
    accepted: true,
    position: accepted.position,
    duplicate: accepted.duplicate,
  })
}

function failure(thrown: unknown, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  const response = errorResponse(thrown)
  const waits = response.status === 429 || response.status === 503
  const retryable = thrown instanceof PerduraError && thrown.retryable
  return {
    ...response,
    headers: {
      ...response.headers,
      'cache-control': 'no-store',
      ...headers,
      ...(waits && retryable ? { 'retry-after': String(retryAfterSeconds) } : {}),
      ...(response.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    },
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (cause) {
    throw new PerduraError('ERR_NO_SUCH_ROUTE', 'the path is not percent-encoded UTF-8', { cause })
  }
}

function excerpt(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}
