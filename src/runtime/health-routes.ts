import { expositionType } from '../health/metrics/exposition.ts'
import { reportJson } from '../health/report-json.ts'
import type { Agent } from './agent.ts'
import { json, type Route } from './route.ts'

/**
 * Whether it lives and whether it is ready are different questions: who lives and is not ready is to be left alone, and
 * asked again. Both need no token, and tell nothing of what the agent does; the metrics do.
 */
export function healthRoutes(agent: Agent, metrics: () => Promise<string>): Route[] {
  return [
    {
      method: 'GET',
      path: /^\/healthz$/,
      open: true,
      answer: () =>
        json(200, { status: 'ok', agent: agent.name, health: agent.health?.report.state ?? 'healthy' }),
    },
    {
      method: 'GET',
      path: /^\/readyz$/,
      open: true,
      answer: () => {
        const notReady = agent.health?.report.notReady ?? []
        return json(notReady.length === 0 ? 200 : 503, {
          ready: notReady.length === 0,
          agent: agent.name,
          reasons: notReady,
        })
      },
    },
    {
      method: 'GET',
      path: /^\/metrics$/,
      answer: async () => ({
        status: 200,
        headers: { 'content-type': expositionType, 'cache-control': 'no-store' },
        body: Buffer.from(await metrics()),
      }),
    },
  ]
}

/** The same for the owner, with everything that was found. */
export function reportRoute(agent: Agent): Route {
  return {
    method: 'GET',
    path: /^\/v1\/health$/,
    answer: () => json(200, agent.health === undefined ? nothingFound : reportJson(agent.health)),
  }
}

const nothingFound = {
  state: 'healthy',
  ready: true,
  not_ready: [],
  reasons: [],
  checks: [],
  not_measured: [],
}
