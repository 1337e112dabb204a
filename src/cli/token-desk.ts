import type { HubCredentials } from '../credentials/hub-credentials.ts'
import { momentOf } from '../credentials/moment.ts'
import { type TokenStatus, tokenStatus } from '../credentials/token-status.ts'
import { PerduraError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import { createNodeLog } from '../platform/node/log.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { createHubCredentials, openCredentials } from '../runtime/hub/open-credentials.ts'
import type { HubTokens } from '../runtime/hub/hub-tokens.ts'
import { readLaunchRecord } from '../runtime/launch-record.ts'
import { hubAddressList } from '../session/hub-address.ts'
import { HubAddresses } from '../session/hub-addresses.ts'
import type { Call } from './call.ts'
import { askAgent } from './control-client.ts'
import { requireAgent, viewProcess } from './look.ts'

/** An exchange with the hub takes up to six requests. */
const answerTimeoutMs = 60_000

export interface TokenAnswer {
  readonly status: TokenStatus
  /** What the agent's process answered besides. */
  readonly fields: JsonObject
}

export interface TokenRequest {
  readonly verb: 'refresh' | 'rotate' | 'revoke'
  readonly body?: JsonObject
  /** The same where the agent does not run. */
  readonly alone: (tokens: HubTokens) => Promise<JsonObject>
}

/** Has a running agent do it; where it does not run, it is done here, with its credentials, beside whoever else uses them. */
export async function askTokens(call: Call, agent: string, request: TokenRequest): Promise<TokenAnswer> {
  const paths = requireAgent(call, agent)
  const { alone, body = {}, verb } = request
  if (viewProcess(call, paths).state === 'running') {
    const path = `/v1/token/${verb}`
    const { token, ...fields } = await askAgent(call, paths, { method: 'POST', path, body }, answerTimeoutMs)
    return { status: token as unknown as TokenStatus, fields }
  }
  const tokens = openAlone(call, agent, paths)
  try {
    return { fields: await alone(tokens), status: tokens.status() }
  } finally {
    await tokens.close()
  }
}

/** How it stands at each hub: as the running agent says, or as its file does. */
export async function lookAtTokens(call: Call, agent: string): Promise<readonly TokenStatus[]> {
  const paths = requireAgent(call, agent)
  // Its file may be sealed with a key that only its service has.
  if (viewProcess(call, paths).record?.hub !== null && viewProcess(call, paths).state === 'running') {
    const { token } = await askAgent(call, paths, { method: 'GET', path: '/v1/token' }, answerTimeoutMs)
    return [token as unknown as TokenStatus]
  }
  // Looking makes nothing.
  if (!call.disk.exists(paths.credentials)) return []
  const platform = createNodePlatform()
  const file = openCredentials({ platform, home: call.home, path: paths.credentials, log: quiet() })
  const now = momentOf(platform.clock, platform.boot)
  return file.places.map((hub) => tokenStatus(file, hub, now))
}

function openAlone(call: Call, agent: string, paths: AgentPaths): HubCredentials {
  if (!call.disk.exists(paths.credentials)) throw nowhere(agent)
  const platform = createNodePlatform()
  const log = quiet()
  const file = openCredentials({ platform, home: call.home, path: paths.credentials, log })
  const asked = call.text('hub') ?? readLaunchRecord(call.disk, paths.launchRecord)?.hub
  const [only, ...more] = file.places
  if (asked === undefined && more.length > 0) {
    throw new PerduraError(
      'ERR_USAGE',
      `${agent} is known at ${file.places.length} hubs: name one with --hub: ${file.places.join(', ')}`,
    )
  }
  const url = asked ?? only
  if (url === undefined) throw nowhere(agent)
  const addresses = new HubAddresses({ list: hubAddressList(url), clock: platform.clock, log })
  return createHubCredentials({ platform, file, addresses, name: agent, log })
}

function nowhere(agent: string): PerduraError {
  return new PerduraError('ERR_NO_SUCH_SESSION', `${agent} has been at no hub yet, and has no tokens`)
}

function quiet(): ReturnType<typeof createNodeLog> {
  return createNodeLog({ level: 'error' })
}
