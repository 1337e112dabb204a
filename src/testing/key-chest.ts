import { createHash } from 'node:crypto'
import type { KeyChest } from '../platform/key-chest.ts'

/** A storage key that is always there, and the same for a home in every run. */
export function createSimulatedKeyChest(home: string): KeyChest {
  const bytes = createHash('sha256').update(`storage key of ${home}`).digest()
  return {
    open: () => ({ keeper: 'file', bytes }),
    find: (keeper) => (keeper === 'file' ? { keeper, bytes } : undefined),
    protect: () => undefined,
  }
}
