import { exitCodes } from '../exit-codes.ts'
import type { Parent } from './own-process.ts'
import { OwnTerminal } from './own-terminal.ts'

/*
 * What signals mean to a process that serves something, an agent or a hub:
 *
 *   SIGTERM, SIGINT   the first: stop, and let what is under way finish. The second: be gone within a second. The third: at once.
 *   SIGHUP            read the settings again; where nobody keeps the process running and its terminal has gone, stop as after
 *                     the first of those. It never counts as one of them: a closed terminal often says so twice.
 *   SIGQUIT           stop now, without waiting for turns: they go on at the next start.
 *
 * None of them loses what was acknowledged, and neither does SIGKILL.
 */

/** How long a process may still take to put in order what it has, after the second signal, ms. */
const forcedMs = 1_000

export interface StopRequest {
  /** Resolves with why, once. */
  readonly asked: Promise<string>
  /** Aborts when nothing is to be waited for any more. */
  readonly hurry: AbortSignal
  /** A second signal came: the end is no orderly one. */
  readonly forced: boolean
  ask(reason: string): void
}

export function watchForStop(
  parent: Pick<Parent, 'connected' | 'onGone'>,
  onReload: () => void,
): StopRequest {
  const asked = Promise.withResolvers<string>()
  const hurry = new AbortController()
  const terminal = new OwnTerminal()
  let signals = 0
  const stop = (signal: NodeJS.Signals): void => {
    signals += 1
    if (signals > 2) process.exit(exitCodes.failed)
    if (signals === 2) {
      hurry.abort()
      setTimeout(() => process.exit(exitCodes.failed), forcedMs).unref()
    }
    asked.resolve(signal)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', (signal) => {
    // Ctrl-C goes to the whole foreground group; a process with a message channel leaves it to the other end of that.
    if (!process.connected) stop(signal)
  })
  process.on('SIGHUP', (signal) => {
    if (terminal.isGone && !parent.connected) asked.resolve(signal)
    else onReload()
  })
  process.on('SIGQUIT', (signal) => {
    hurry.abort()
    asked.resolve(signal)
  })
  parent.onGone(() => asked.resolve('its supervisor is gone'))
  return {
    asked: asked.promise,
    hurry: hurry.signal,
    get forced() {
      return signals > 1
    },
    ask: (reason) => asked.resolve(reason),
  }
}
