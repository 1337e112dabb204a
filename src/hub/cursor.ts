import { assertNotFenced, settleClaim, type Actor } from './publishing.ts'
import { advanceAcked, readStream } from './streams.ts'
import type { HubTx } from './storage.ts'

export type AckOutcome = 'moved' | 'known' | 'beyond' | 'resume_again'

/** Everything up to `position` is on the agent's disk. An acknowledgement that is late or repeated changes nothing. */
export async function acknowledge(
  tx: HubTx,
  actor: Actor,
  { epoch, position }: { readonly epoch: string; readonly position: number },
  now: number,
): Promise<AckOutcome> {
  await assertNotFenced(tx, actor)
  await settleClaim(tx, actor)
  const stream = await readStream(tx, actor.aiId)
  if (stream.epoch !== epoch) return 'resume_again'
  if (position > stream.top) return 'beyond'
  if (position <= stream.acked) return 'known'
  await advanceAcked(tx, actor.aiId, { from: stream.acked, to: position, now })
  return 'moved'
}
