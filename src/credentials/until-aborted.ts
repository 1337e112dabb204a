import { PerduraError, toError } from '../errors.ts'

/** The promise's outcome, or a rejection as soon as the signal aborts; the promise itself goes on. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(
        new PerduraError('ERR_HUB_UNREACHABLE', 'waiting for a token was called off', {
          cause: signal.reason,
        }),
      )
    }
    const settle = (act: () => void): void => {
      signal.removeEventListener('abort', abort)
      act()
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
    promise.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(toError(error))),
    )
  })
}
