import { linkVariables } from '../daemon/link-protocol.ts'
import type { PerduraError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import type { ProcessMessage } from './process-messages.ts'

/** Whoever keeps this process running, if anybody does. */
export interface Parent {
  /** `channel`: the process that started it, which it does not outlive. `link`: the daemon, whichever runs. */
  readonly kind: 'channel' | 'link' | 'none'
  /** Whether there is somebody who listens, and who starts it again. */
  readonly connected: boolean
  /** Resolves when it is on its way; a parent that is gone is told nothing. */
  tell(message: ProcessMessage): Promise<void>
  onGone(listener: () => void): void
  disconnect(): void
  /** Says with which exit code the process ends, where its parent could not see that otherwise; at once, or not at all. */
  lastWord(code: number): void
}

/** Of whoever started this process. To be called once, and early: what it starts in turn must not take this for its own. */
export async function connectParent(): Promise<Parent> {
  const { [linkVariables.socket]: socket, [linkVariables.child]: child } = process.env
  delete process.env[linkVariables.socket]
  delete process.env[linkVariables.child]
  if (process.connected) return parentByChannel()
  if (socket === undefined || child === undefined) return noParent
  const { ParentLink } = await import('./parent-link.ts')
  const link = new ParentLink(socket, child)
  return {
    kind: 'link',
    connected: true,
    tell: (message) => link.tell(message),
    onGone: () => undefined,
    disconnect: () => undefined,
    lastWord: (code) => link.lastWord(code),
  }
}

/**
 * With which exit code a process ends that could not start. What will not pass by itself is not to be tried again; a port or a
 * lock that somebody else has may be free in a moment, and a daemon has the patience. At a terminal a person is told, and decides.
 */
export function refusalCode(error: PerduraError, parent: Parent): number {
  if (!error.retryable) return exitCodes.doNotRestart
  return parent.kind === 'link' ? exitCodes.failed : error.exitCode
}

function parentByChannel(): Parent {
  let leaving = false
  return {
    kind: 'channel',
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
    lastWord: () => undefined,
  }
}

const noParent: Parent = {
  kind: 'none',
  connected: false,
  tell: () => Promise.resolve(),
  onGone: () => undefined,
  disconnect: () => undefined,
  lastWord: () => undefined,
}
