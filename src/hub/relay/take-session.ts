import type { ResumeFrame } from '../../protocol/frames.ts'
import type { ResumeOutcome } from '../resume.ts'
import type { Relay } from './relay.ts'

export interface SessionRequest {
  readonly aiId: number
  readonly frame: ResumeFrame
  /** Whoever has gone while the holder was asked must not take the place of one that is only slow. */
  readonly stillWanted: () => boolean
}

/**
 * Takes an agent back into its session; where another instance has it, that one is asked whether it is there, and
 * `probe` says that it is, or that yet another came first. Undefined where nobody waits for it any more.
 */
export async function takeSession(
  relay: Relay,
  { aiId, frame, stillWanted }: SessionRequest,
): Promise<ResumeOutcome | undefined> {
  const { storage, parts, clock, random } = relay
  const attempt = (goneInstance: string | undefined): Promise<ResumeOutcome> =>
    storage.write((tx) => parts.resume(tx, { aiId, frame, goneInstance, now: clock.now(), random }))
  const outcome = await attempt(undefined)
  if (outcome.kind !== 'probe' || (await isAlive(relay, aiId, outcome.instance))) return outcome
  return stillWanted() ? attempt(outcome.instance) : undefined
}

async function isAlive({ registry, limits }: Relay, aiId: number, instance: string): Promise<boolean> {
  const holder = registry.session(aiId)
  return holder?.instance === instance && (await holder.answers(limits.probeMs))
}
