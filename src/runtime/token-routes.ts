import { PerduraError } from '../errors.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import type { Agent } from './agent.ts'
import type { HubTokens } from './hub/hub-tokens.ts'
import { readJsonBody } from './request.ts'
import { json, type Route } from './route.ts'

/** What the owner does with tokens and key: a part of the control socket. No answer holds a secret. */
export function tokenRoutes(agent: Agent): Route[] {
  const tokens = (): HubTokens => {
    if (agent.tokens !== undefined) return agent.tokens
    throw new PerduraError('ERR_NO_SUCH_SESSION', `${agent.name} runs without a hub, and has no tokens there`)
  }
  const status = (): JsonObject => JSON.parse(JSON.stringify(tokens().status())) as JsonObject
  return [
    { method: 'GET', path: /^\/v1\/token$/, answer: () => json(200, { token: status() }) },
    {
      method: 'POST',
      path: /^\/v1\/token\/refresh$/,
      answer: async () => {
        await tokens().access({ fresh: true })
        return json(200, { token: status() })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/token\/rotate$/,
      answer: async () => {
        await tokens().rotateKey()
        return json(200, { token: status() })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/token\/revoke$/,
      answer: async ({ request }) => {
        const body = readJsonBody(request)
        const revoked = await tokens().revoke({ all: isJsonObject(body) && body['all'] === true })
        return json(200, { revoked, token: status() })
      },
    },
  ]
}
