import type { Clock } from '../platform/clock.ts'

/** Runs steps of about a millisecond each, and lets everything else go on between them. */
export async function inPieces<T>(clock: Pick<Clock, 'defer'>, steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await new Promise<void>((resolve) => clock.defer(resolve))
  }
}
