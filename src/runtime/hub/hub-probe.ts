import { isJsonObject } from '../../json.ts'
import { requestJson } from '../../platform/http-json.ts'
import type { Http } from '../../platform/http.ts'
import type { Log } from '../../platform/log.ts'
import type { HubAddress } from '../../session/hub-address.ts'

export interface HubProbeOptions {
  readonly http: Http
  readonly log: Log
  /** The agent's, at the hub. */
  readonly name: string
  /** What the hub calls itself; undefined where it has no such name, as original servers have none. */
  readonly hubId: () => string | undefined
}

const timeoutMs = 5_000
/** An original server has no such page: it asks for a token, or knows nothing of it. */
const answers: ReadonlySet<number> = new Set([200, 401, 404])

/** Finds out whether the hub of an agent works at an address, and is that hub, without showing it anything. Never rejects. */
export function createHubProbe({ http, log, name, hubId }: HubProbeOptions) {
  return async (address: HubAddress, signal: AbortSignal, isFirst: boolean): Promise<boolean> => {
    const options = { timeoutMs, signal }
    try {
      const health = await requestJson(http, address.rest, { method: 'GET', path: '/healthz' }, options)
      const expected = hubId()
      if (!answers.has(health.status)) return false
      if (expected === undefined || !isFirst) return true
      const challenge = { method: 'POST', path: '/api/v1/auth/challenge', body: { ai_name: name } }
      const { status, body } = await requestJson(http, address.rest, challenge, options)
      if (status !== 200 || !isJsonObject(body)) return false
      if (body['hub'] === expected) return true
    } catch {
      return false
    }
    log.error('hub:address:refused', { address: address.key, reason: 'another hub answers there' })
    return false
  }
}
