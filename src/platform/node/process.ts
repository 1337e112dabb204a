import { exitCodes } from '../../exit-codes.ts'
import { formatLogLine } from '../log-line.ts'
import type { Process } from '../process.ts'
import { writeToStandardError } from './standard-error.ts'

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
      process.exit(exitCodes.crashed)
    },
  }
}
