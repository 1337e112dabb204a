import type { Clock } from '../platform/clock.ts'
import { PerduraError, toError } from '../errors.ts'
import type { Admission, Admitted } from './admission/admission.ts'
import type { HubStorage } from './storage.ts'

/** Is told what a hub does, while it does it: everything here is called often, and must be cheap. */
export interface HubWatch {
  /** An operation was brought to the disk, so long after it was asked for, its wait included. */
  wrote(durationMs: number): void
  /** An operation is over; `failed` where that was the hub's fault, and not that of who asked. */
  operated(failed: boolean): void
  /** Somebody came to the door: to connect, or to log in. */
  answered(answer: Admitted): void
}

/** The same storage, watched. */
export function watchedStorage(
  storage: HubStorage,
  clock: Pick<Clock, 'monotonicMs'>,
  watch: HubWatch,
): HubStorage {
  async function watched<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await work
      watch.operated(false)
      return result
    } catch (error) {
      watch.operated(isOwnFault(error))
      throw error
    }
  }
  return {
    async write(operation) {
      const startedMs = clock.monotonicMs()
      const result = await watched(storage.write(operation))
      watch.wrote(clock.monotonicMs() - startedMs)
      return result
    },
    read: (operation) => watched(storage.read(operation)),
    close: () => storage.close(),
  }
}

/** The same admission, watched. */
export function watchedAdmission(admission: Admission, watch: HubWatch): Admission {
  const told = (answer: Admitted): Admitted => {
    watch.answered(answer)
    return answer
  }
  return {
    admit: (caller) => told(admission.admit(caller)),
    admitLogin: (caller) => told(admission.admitLogin(caller)),
    spread: (count) => admission.spread(count),
  }
}

/** What a caller did wrong is a PerduraError that says so; all else the hub has to answer for. */
function isOwnFault(thrown: unknown): boolean {
  const error = toError(thrown)
  return !(error instanceof PerduraError) || error.code === 'ERR_HUB_STORAGE' || error.code === 'ERR_INTERNAL'
}
