import { PerduraError } from '../errors.ts'
import { hubAddress } from '../session/hub-address.ts'
import type { Call } from './call.ts'
import { runningHub, urlOf } from './hub-record.ts'

export interface HubChoice {
  readonly url: string | undefined
  /** What the agent's name is to bring along the next time: only what was asked for by `--hub`, or undone by `--no-hub`. */
  readonly recorded: string | undefined
  /** Nobody asked for it: the hub of this home runs, so its agents meet there. */
  readonly found: boolean
}

/** Which hub an agent is to be at: `--hub` or `--no-hub`, `PERDURA_HUB`, the one of the last time, the one of this home. */
export function chooseHub(call: Call, lastTime: string | undefined): HubChoice {
  const asked = call.text('hub')
  if (call.flag('no-hub')) {
    if (asked !== undefined) throw new PerduraError('ERR_USAGE', 'either --hub or --no-hub, not both')
    return checked(call, { url: undefined, recorded: undefined, found: false })
  }
  if (asked !== undefined) return checked(call, { url: asked, recorded: asked, found: false })
  const variable = call.environment['PERDURA_HUB']
  const url = variable === undefined || variable === '' ? lastTime : variable
  if (url !== undefined) return checked(call, { url, recorded: lastTime, found: false })
  const here = runningHub(call)
  return checked(call, {
    url: here === undefined ? undefined : urlOf(here),
    recorded: undefined,
    found: here !== undefined,
  })
}

function checked(call: Call, choice: HubChoice): HubChoice {
  if (choice.url !== undefined) hubAddress(choice.url)
  else if (call.flag('takeover'))
    throw new PerduraError('ERR_USAGE', '--takeover is about a session at a hub: name it with --hub')
  return choice
}
