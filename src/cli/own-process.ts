import { toError } from '../errors.ts'
import type { Log } from '../platform/log.ts'
import type { ProcessMessage } from './process-messages.ts'

/*
 * What a process that serves something (an agent, a hub) has to do with whoever started it: signals, its parent, its end
 * by a bug.
 */

export interface StopRequest {
  readonly asked: Promise<string>
  ask(reason: string): void
}

/** The first signal lets turns finish, the second ends the process: nothing that was acknowledged is lost by that. */
export function watchForStop(parent: Parent): StopRequest {
  const asked = Promise.withResolvers<string>()
  let signalled = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // Ctrl-C goes to the whole foreground group; a supervised process leaves it to its supervisor.
      if (signal === 'SIGINT' && parent.connected) return
      if (signalled) process.exit(1)
      signalled = true
      asked.resolve(signal)
    })
  }
  parent.onGone(() => asked.resolve('its supervisor is gone'))
  return { asked: asked.promise, ask: (reason) => asked.resolve(reason) }
}

/** A bug ends the process, and says so where it will be found; whoever supervises starts it again. */
export function crashLoudly(log: Log): void {
  const crashExitCode = 70
  process.on('uncaughtException', (thrown) => {
    const error = toError(thrown)
    log.error('process:crash', { error })
    process.stderr.write(`perdura: ERR_INTERNAL: ${error.stack ?? error.message}\n`)
    process.exit(crashExitCode)
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
