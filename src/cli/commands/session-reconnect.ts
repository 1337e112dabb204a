import { setTimeout as delay } from 'node:timers/promises'
import { formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import type { LiveSession } from '../../runtime/live-session.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'
import { oneLine } from '../output.ts'
import { liveSession } from '../session-view.ts'

/** An attempt at a hub that does not answer takes no longer. */
const waitMs = 12_000
const lookMs = 100

/** Asks the agent, and waits until it is online again; exit status 1 where it is not by then. */
export async function run(call: Call): Promise<number> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const before = await lookAt(call, paths)
  const body = { reason: 'somebody asked for another connection' }
  await askAgent(call, paths, { method: 'POST', path: '/v1/session/reconnect', body })
  const deadlineMs = performance.now() + waitMs
  let live = await lookAt(call, paths)
  while (!isAnew(before, live) && performance.now() < deadlineMs) {
    await delay(lookMs)
    live = await lookAt(call, paths)
  }
  const online = isAnew(before, live)
  call.output.document({ agent, online, ...live })
  if (online) {
    call.output.line(`${agent} is online: ${oneLine(live.reason)}`)
    return exitCodes.fine
  }
  call.output.line(`${agent} is ${live.state}: ${oneLine(live.reason)}`)
  if (live.nextTryMs !== null) call.output.note(`it tries again in ${formatDuration(live.nextTryMs)}`)
  return exitCodes.failed
}

function isAnew(before: LiveSession, live: LiveSession): boolean {
  return live.state === 'online' && !(before.state === 'online' && before.since === live.since)
}

async function lookAt(call: Call, paths: AgentPaths): Promise<LiveSession> {
  const { session } = await askAgent(call, paths, { method: 'GET', path: '/v1/process' })
  const live = liveSession(session ?? null)
  if (live === undefined) {
    throw new PerduraError(
      'ERR_NO_SUCH_SESSION',
      `${call.argument(0)} runs without a hub: there is nothing to connect to`,
    )
  }
  return live
}
