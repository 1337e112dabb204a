import { formatDuration } from '../duration.ts'
import type { ChildExit } from '../platform/child.ts'
import type { EndReason } from '../supervisor/exits.ts'
import type { ChildPolicy } from '../supervisor/policy.ts'

/** Why a process ended, as a person reads it. */
export function describeEnd(
  { code, signal, error }: Pick<ChildExit, 'code' | 'signal' | 'error'>,
  reason: EndReason,
  { hangMs, memoryMaxBytes = 0, startMs }: Pick<ChildPolicy, 'hangMs' | 'memoryMaxBytes' | 'startMs'>,
): string {
  switch (reason) {
    case 'stop':
      if (signal !== null) return `the process did not stop in time and was killed (${signal})`
      return code === 0 ? 'the process ended' : `the process ended with exit code ${code}`
    case 'exited':
      return 'the process ended'
    case 'crashed':
    case 'refused':
      return `the process ended with exit code ${code}`
    case 'killed':
      return `the process was killed (${signal})`
    case 'kill-asked':
      return `the process was killed (${signal}, by you)`
    case 'not-started':
      return `the process could not be started: ${error?.message ?? 'nobody knows why'}`
    case 'lost':
      return 'the process is gone, and nobody saw it end'
    case 'hung':
      return `the process was killed, since it hung: nothing was heard of it for ${formatDuration(hangMs)}`
    case 'start-timeout':
      return `the process was killed, since it was not ready within ${formatDuration(startMs)}`
    case 'stalled':
      return 'the process was restarted, since there was work and nothing of it advanced'
    case 'memory':
      return `the process was restarted, since it held more than ${Math.round(memoryMaxBytes / 1_048_576)} MiB of memory`
    case 'restart':
      return 'the process ended for a restart'
    case 'handover':
      return 'the process ended in favour of the next one'
    case 'safe-mode-over':
      return 'safe mode is over: it is tried with its mind again'
    case 'reboot':
      return 'the process ended with its machine'
  }
}
