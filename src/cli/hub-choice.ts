import { PerduraError } from '../errors.ts'
import { hubAddressList } from '../session/hub-address.ts'
import type { Call } from './call.ts'
import { cloudbrainHub } from './cloudbrain.ts'
import { runningHub, urlOf } from './hub-record.ts'

export interface HubChoice {
  /** With commas where the hub has several addresses. */
  readonly url: string | undefined
  /** What the agent's name is to bring along the next time: only what was asked for by `--hub`, or undone by `--no-hub`. */
  readonly recorded: string | undefined
  /** Nobody asked for it: the hub of this home runs, so its agents meet there. */
  readonly found: boolean
}

/**
 * Which hub an agent is to be at: `--hub`, `--server` or `--no-hub`, `PERDURA_HUB`, CloudBrain's variables, the one of the last
 * time, the one of this home.
 */
export function chooseHub(call: Call, lastTime: string | undefined): HubChoice {
  const asked = askedHub(call)
  if (call.flag('no-hub')) {
    if (asked !== undefined) throw new PerduraError('ERR_USAGE', 'either --hub or --no-hub, not both')
    return checked(call, { url: undefined, recorded: undefined, found: false })
  }
  if (asked !== undefined) return checked(call, { url: asked, recorded: asked, found: false })
  const url = hubOfEnvironment(call) ?? lastTime
  if (url !== undefined) return checked(call, { url, recorded: lastTime, found: false })
  const here = runningHub(call)
  return checked(call, {
    url: here === undefined ? undefined : urlOf(here),
    recorded: undefined,
    found: here !== undefined,
  })
}

/** `--hub`, or `--server`, as CloudBrain calls it. */
export function askedHub(call: Call): string | undefined {
  const [hub, server] = [call.text('hub'), call.text('server')]
  if (hub !== undefined && server !== undefined) {
    throw new PerduraError('ERR_USAGE', 'either --hub or --server, which means the same')
  }
  return hub ?? server
}

export function hubOfEnvironment({ environment }: Call): string | undefined {
  return environment['PERDURA_HUB'] || cloudbrainHub(environment)
}

function checked(call: Call, choice: HubChoice): HubChoice {
  if (choice.url !== undefined) hubAddressList(choice.url)
  else if (call.flag('takeover'))
    throw new PerduraError('ERR_USAGE', '--takeover is about a session at a hub: name it with --hub')
  return choice
}
