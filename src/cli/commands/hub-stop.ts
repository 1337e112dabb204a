import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { hubChild } from '../child-name.ts'
import { showChild, tellChild, untilStopped } from '../daemon-child.ts'
import { runningHub } from '../hub-record.ts'
import { endOrphans } from '../orphans.ts'
import { unwant } from '../stop-agent.ts'
import { stopWaitMs } from '../stop-times.ts'

export async function run(call: Call): Promise<undefined> {
  const kept = await showChild(call, hubChild)
  const hub = runningHub(call)
  const isKept = kept !== undefined && kept.state !== 'stopped'
  const timeoutMs = call.durationMs('timeout', stopWaitMs(call, hubChild))
  if (!isKept && hub !== undefined && hub.daemon !== true) {
    throw new PerduraError(
      'ERR_HOME_IN_USE',
      `the hub of this home is run by process ${hub.pid}, and not by the daemon: stop it there`,
      { details: { pid: hub.pid } },
    )
  }
  let ended: readonly string[] = []
  if (isKept) {
    await tellChild(call, hubChild, 'stop')
    await untilStopped(call, hubChild, timeoutMs)
  } else {
    // Its daemon is dead: the next one is not to start it again.
    unwant(call, hubChild)
    ended = await endOrphans(call, timeoutMs, hubChild)
  }
  // One that was still starting has written down nothing of itself.
  const wasRunning = isKept || hub !== undefined || ended.length > 0
  call.output.note(wasRunning ? 'the hub is stopped' : 'the hub is not running')
  call.output.document({ stopped: true, was_running: wasRunning })
}
