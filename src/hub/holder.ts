import type { ResumeFrame } from '../protocol/frames.ts'
import { assertNotFenced, type Actor } from './publishing.ts'
import type { HubReader, HubTx } from './storage.ts'

/** Who has the agent's current generation. */
export interface Holder {
  readonly generation: number
  readonly instance: string
  readonly claim: string
  readonly start: number
  /** `released`: it has let go by itself. `ended`: its session was ended. What comes of it then changes nothing any more. */
  readonly standing: 'held' | 'released' | 'ended'
}

export type HolderDecision =
  /** It may act, under this generation. */
  | { readonly kind: 'take'; readonly generation: number }
  /** Another instance may be alive: ask it, and decide again. */
  | { readonly kind: 'probe'; readonly instance: string }
  /** A later process of the same folder has it. */
  | { readonly kind: 'outdated' }
  /** The session of this very process was ended: another one is for another process. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'fenced'; readonly generation: number }

/**
 * Decides who may act for an agent. `gone` says whether the holder's instance was found not to answer.
 *
 * The claim is what makes a crash harmless that falls between the hub's decision and the agent's own note of it: the next
 * process of the same folder comes with an older generation than it has been given, and with the claim it was given for.
 */
export function decideHolder(
  holder: Holder | undefined,
  frame: Pick<ResumeFrame, 'instance' | 'generation' | 'claim' | 'start' | 'takeover'>,
  gone: boolean,
): HolderDecision {
  if (holder === undefined) return { kind: 'take', generation: frame.generation + 1 }
  const next = Math.max(holder.generation, frame.generation) + 1
  const isSame = holder.instance === frame.instance
  if (isSame && holder.standing === 'ended') return { kind: 'ended' }
  // The hub does not know what the agent knows of it: it was put back, and what it believes about holders is of the past.
  if (frame.generation > holder.generation) return { kind: 'take', generation: next }
  // Nobody takes over from itself: one that was on its way for long would raise the generation over the next process.
  if (frame.takeover && !isSame) return { kind: 'take', generation: next }
  // Whoever has let go does not come back; what comes of it was on its way for long.
  if (isSame && holder.standing === 'released') return { kind: 'fenced', generation: holder.generation }
  // A `ready` that got lost must not lock out whom it was for.
  if (isSame) return { kind: 'take', generation: holder.generation }
  // It was sent by a process that is dead by now, and was on its way for long.
  if (frame.claim === holder.claim && frame.start < holder.start) return { kind: 'outdated' }
  if (frame.generation < holder.generation && frame.claim !== holder.claim) {
    return { kind: 'fenced', generation: holder.generation }
  }
  if (gone || holder.standing !== 'held') return { kind: 'take', generation: next }
  return { kind: 'probe', instance: holder.instance }
}

export async function readHolder(reader: HubReader, aiId: number): Promise<Holder | undefined> {
  return reader.get<Holder & Record<string, never>>(
    'SELECT generation, instance, claim, start, standing FROM holders WHERE ai_id = ?',
    aiId,
  )
}

/**
 * The holder lets go: from here on nothing that comes under its generation changes anything, and the next instance need not
 * wait until it is known to be gone. ERR_FENCED where it was not the holder any more.
 */
export async function release(tx: HubTx, actor: Actor): Promise<void> {
  await assertNotFenced(tx, actor)
  await tx.run("UPDATE holders SET standing = 'released' WHERE ai_id = ?", actor.aiId)
}

/** Ends what the holder may do, where this session is the one that it has. */
export async function endHolder(tx: HubTx, aiId: number, sessionId: string): Promise<void> {
  await tx.run("UPDATE holders SET standing = 'ended' WHERE ai_id = ? AND session_id = ?", aiId, sessionId)
}

/** Notes when and why the holder's connection ended that was made at `resumedAt`; nothing where there is a later one. */
export async function noteLeft(
  tx: HubTx,
  aiId: number,
  left: { readonly resumedAt: number; readonly at: number; readonly reason: string },
): Promise<void> {
  await tx.run(
    'UPDATE holders SET left_at = ?, left_reason = ? WHERE ai_id = ? AND resumed_at = ?',
    left.at,
    left.reason,
    aiId,
    left.resumedAt,
  )
}

/** When and why the agent's last connection ended; undefined while it is there, as far as is known. */
export async function readLeft(
  reader: HubReader,
  aiId: number,
): Promise<{ readonly at: number; readonly reason: string } | undefined> {
  const row = await reader.get<{ left_at: number | null; left_reason: string | null }>(
    'SELECT left_at, left_reason FROM holders WHERE ai_id = ?',
    aiId,
  )
  const { left_at: at = null, left_reason: reason = null } = row ?? {}
  return at === null ? undefined : { at, reason: reason ?? '' }
}
