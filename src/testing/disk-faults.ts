import type { SeededRandom } from './random.ts'

export type DiskOperationKind =
  | 'make-folder'
  | 'list'
  | 'exists'
  | 'create'
  | 'open'
  | 'read'
  | 'write'
  | 'write-part'
  | 'sync'
  | 'close'
  | 'rename'
  | 'remove'
  | 'sync-folder'

/** One thing that the disk is asked to do; a `write-part` is the point between two sectors of a longer write. */
export interface DiskOperation {
  readonly kind: DiskOperationKind
  readonly path: string
  readonly offset: number
  readonly length: number
}

export type DiskErrorCode = 'EIO' | 'ENOSPC' | 'EROFS' | 'EACCES' | 'EMFILE'

/** How likely each fault is, per operation that it can befall; what is left out does not happen. */
export interface DiskFaultRates {
  /** EIO from a write; a part of it may have been done. */
  readonly writeError?: number
  /** ENOSPC from a write or a creation. */
  readonly noSpace?: number
  /** EIO from a sync; what it was to write counts as clean and never gets to the medium. */
  readonly syncError?: number
  /** EIO from a read. */
  readonly readError?: number
  /** One bit flips for good in what is about to be read. */
  readonly bitRot?: number
  /** The operation takes up to `slowMsMax` (default 5,000), and everything waits. */
  readonly slow?: number
  readonly slowMsMax?: number
}

export interface DiskFault {
  readonly error?: DiskErrorCode
  readonly bitRot?: boolean
  readonly stallMs?: number
}

interface Injection {
  readonly kind: DiskOperationKind
  readonly error: DiskErrorCode
  readonly matches: (operation: DiskOperation) => boolean
}

/** Decides what goes wrong: by rates, drawn from a seed, or by what a test asked for. */
export class DiskFaultPlan {
  rates: DiskFaultRates = {}
  readonly #random: SeededRandom
  #injections: Injection[] = []

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** The next operation of this kind (that matches) fails with `error`, once. */
  failNext(
    kind: DiskOperationKind,
    error: DiskErrorCode,
    matches: (operation: DiskOperation) => boolean = () => true,
  ): void {
    this.#injections.push({ kind, error, matches })
  }

  /** Ends all faults, by rates and by injection. */
  clear(): void {
    this.rates = {}
    this.#injections = []
  }

  next(operation: DiskOperation): DiskFault {
    const { kind } = operation
    const injected = this.#injections.findIndex((one) => one.kind === kind && one.matches(operation))
    if (injected >= 0) return { error: this.#injections.splice(injected, 1)[0]!.error }
    const { slow, slowMsMax = 5_000, noSpace, writeError, syncError, readError, bitRot } = this.rates
    const stallMs = this.#hits(slow) ? this.#random.int(1, slowMsMax) : 0
    if ((kind === 'write' || kind === 'create') && this.#hits(noSpace)) return { error: 'ENOSPC', stallMs }
    if (kind === 'write' && this.#hits(writeError)) return { error: 'EIO', stallMs }
    if ((kind === 'sync' || kind === 'sync-folder') && this.#hits(syncError)) return { error: 'EIO', stallMs }
    if (kind === 'read' && this.#hits(readError)) return { error: 'EIO', stallMs }
    if (kind === 'read' && this.#hits(bitRot)) return { bitRot: true, stallMs }
    return { stallMs }
  }

  #hits(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.#random.chance(rate)
  }
}
