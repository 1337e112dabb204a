/**
 * What lies between the end of an agent's deadline and the moment when whoever supervises it kills it, ms: for effects
 * under way, the last state, and the connections. A third of a short time-out.
 */
const marginMsMax = 5_000

/** How long turns and what they send may take, where the process is killed after `stopTimeoutMs`; whole ms. */
export function drainWithin(stopTimeoutMs: number): number {
  return Math.floor(stopTimeoutMs - Math.min(marginMsMax, stopTimeoutMs / 3))
}
