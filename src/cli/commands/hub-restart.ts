import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { hubChild } from '../child-name.ts'
import { showChild, tellChild, untilReady } from '../daemon-child.ts'
import { restartWaitMs } from '../stop-times.ts'

export async function run(call: Call): Promise<undefined> {
  const before = await showChild(call, hubChild)
  if (before === undefined) {
    throw new PerduraError(
      'ERR_NOT_RUNNING',
      `the daemon keeps no hub running; start it with: ${call.hint('perdura hub start')}`,
    )
  }
  await tellChild(call, hubChild, 'restart')
  const timeoutMs = call.durationMs('timeout', restartWaitMs(call, hubChild))
  const { pid } = await untilReady(call, hubChild, { before, timeoutMs, anew: true })
  call.output.note(`the hub runs, in process ${pid}`)
  call.output.document({ running: true, pid, previous_pid: before.pid })
}
