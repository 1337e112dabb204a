import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../errors.ts'
import type { Call } from './call.ts'
import { listChildren } from './daemon-child.ts'
import { untilAnswers } from './daemon-client.ts'
import type { Service } from './service-choice.ts'

const pollMs = 50

/**
 * Resolves when the daemon of the service has started or taken over what is to run: a systemd that was told to start it returns
 * then, launchd at once.
 */
export async function untilStarted(call: Call, { manager, home }: Service, timeoutMs: number): Promise<void> {
  if (manager.kind === 'systemd') return
  const own = call.in(home)
  const deadlineMs = performance.now() + timeoutMs
  await untilAnswers(own, timeoutMs)
  while ((await listChildren(own)).some(({ state }) => state === 'queued')) {
    if (performance.now() > deadlineMs) {
      throw new PerduraError(
        'ERR_TIMEOUT',
        `its agents are not started after ${Math.round(timeoutMs / 1_000)} s: ${call.hint('perdura status')} shows how they are`,
      )
    }
    await delay(pollMs)
  }
}
