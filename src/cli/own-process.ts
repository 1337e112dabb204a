import { toError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Log } from '../platform/log.ts'
import type { ProcessMessage } from './process-messages.ts'

/*
 * What a process that serves something (an agent, a hub) has to do with whoever started it: its parent, and its end by a bug.
 */

/** A bug ends the process, and says so where it will be found; whoever supervises starts it again. */
export function crashLoudly(log: Log): void {
  process.on('uncaughtException', (thrown) => {
    const error = toError(thrown)
    log.error('process:crash', { error })
    process.stderr.write(`perdura: ERR_INTERNAL: ${error.stack ?? error.message}\n`)
    process.exit(exitCodes.crashed)
  })
}

/** The process that started this one with a message channel, if there is one. */
export interface Parent {
  readonly connected: boolean
  /** Resolves when it is on its way; a parent that is gone is told nothing. */
  tell(message: ProcessMessage): Promise<void>
  onGone(listener: () => void): void
  disconnect(): void
}

export function connectParent(): Parent {
  let leaving = false
  return {
    get connected() {
      return process.connected
    },
    tell: (message) =>
      new Promise((resolve) => {
        if (process.send === undefined || !process.connected) resolve()
        else process.send(message, undefined, undefined, () => resolve())
      }),
    onGone(listener) {
      process.on('disconnect', () => {
        if (!leaving) listener()
      })
    },
    disconnect() {
      leaving = true
      if (process.connected) process.disconnect()
    },
  }
}
