import { toError } from '../errors.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log, LogFields } from '../platform/log.ts'

/** One stage of an agent's end: what it is called, and what it does; what it returns goes to the log with it. */
export type Stage = readonly [name: string, run: () => Promise<LogFields | void> | LogFields | void]

/**
 * Runs the stages of an agent's end, one after the other, and logs each with its time. One that fails keeps none of those
 * after it from saving what is theirs; returns the failures.
 */
export async function runStages(
  { clock, log }: { readonly clock: Pick<Clock, 'monotonicMs'>; readonly log: Log },
  stages: readonly Stage[],
): Promise<Error[]> {
  const failures: Error[] = []
  for (const [stage, run] of stages) {
    const startedMs = clock.monotonicMs()
    const duration = (): number => Math.round(clock.monotonicMs() - startedMs)
    try {
      const found = await run()
      log.info('agent:stop:stage', { stage, durationMs: duration(), ...found })
    } catch (thrown) {
      const error = toError(thrown)
      failures.push(error)
      log.error('agent:stop:stage', { stage, durationMs: duration(), error })
    }
  }
  return failures
}

/** Several failures of one end, reported together. */
export function stopFailure(what: string, failures: readonly Error[]): Error {
  const [first] = failures
  if (first !== undefined && failures.length === 1) return first
  const texts = failures.map(({ message }) => message).join('; ')
  return new AggregateError(failures, `${what} stopped with ${failures.length} failures: ${texts}`)
}
