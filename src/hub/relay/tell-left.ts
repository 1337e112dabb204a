import { toError } from '../../errors.ts'
import type { ConnectionClose } from '../../platform/transport.ts'
import { noteLeft } from '../holder.ts'
import type { Actor } from '../publishing.ts'
import type { Relay } from './relay.ts'

/** Has it on disk that an agent is not connected any more, and why, for those who ask where it is. */
export async function tellLeft(
  { clock, log, storage }: Pick<Relay, 'clock' | 'log' | 'storage'>,
  { aiId, name, generation }: Actor,
  { resumedAt, reason }: { readonly resumedAt: number; readonly reason: string },
): Promise<void> {
  const at = clock.now()
  log.info('hub:session:left', { agent: name, generation, reason })
  try {
    await storage.write((tx) => noteLeft(tx, aiId, { resumedAt, at, reason }))
  } catch (thrown) {
    // It is said to have been there lately, until it comes and goes again.
    log.warn('hub:session:left:unnoted', { agent: name, error: toError(thrown) })
  }
}

/** Why a connection is over that its peer ended, or that broke. */
export function whyLeft({ code, reason }: ConnectionClose): string {
  if (code === 1006) return 'the connection was lost'
  return reason === '' ? `closed with ${code}` : reason
}
