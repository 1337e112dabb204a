import { PerduraError } from '../errors.ts'
import type { Lock, Locks } from '../platform/locks.ts'
import type { Owner } from './owner.ts'

/** The locks of one machine: what a dead process held is free. */
export class SimulatedLocks {
  readonly #holders = new Map<string, { readonly owner: Owner }>()

  for(owner: Owner): Locks {
    const tryLock = (path: string): Lock | undefined => {
      owner.check()
      const holder = this.#holders.get(path)
      if (holder?.owner.alive === true) return undefined
      const own = { owner }
      this.#holders.set(path, own)
      return {
        release: () => {
          if (this.#holders.get(path) === own) this.#holders.delete(path)
        },
      }
    }
    return {
      tryLock,
      // Nothing else runs while a thread waits, so whoever has it here has it across an `await`, and would for ever.
      lock(path) {
        const lock = tryLock(path)
        if (lock !== undefined) return lock
        throw new PerduraError('ERR_STORE_BUSY', `${path} is held by another process`)
      },
    }
  }
}
