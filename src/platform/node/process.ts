import { formatLogLine } from '../log-line.ts'
import type { Process } from '../process.ts'
import { writeToStandardError } from './standard-error.ts'

/** EX_SOFTWARE of sysexits.h: a state that must not be continued from; the supervisor starts the agent again. */
const crashExitCode = 70

export function createNodeProcess(): Process {
  return {
    pid: process.pid,
    crash(reason) {
      const fields = { pid: process.pid, error: reason }
      writeToStandardError(
        formatLogLine({ timeMs: Date.now(), level: 'error', event: 'process:crash', fields }),
      )
      // Nothing may run after this, what was registered for the exit included.
      process.removeAllListeners('exit')
      process.exit(crashExitCode)
    },
  }
}
