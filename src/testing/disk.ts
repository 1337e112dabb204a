import type { Disk } from '../platform/disk.ts'
import type { SimulatedClock } from './clock.ts'
import type { DiskFaultPlan } from './disk-faults.ts'
import { createDiskPort } from './disk-port.ts'
import { SimulatedLocks } from './locks.ts'
import { Medium, type DiskHook } from './medium.ts'
import type { Owner } from './owner.ts'
import type { SeededRandom } from './random.ts'
import { SectorFile, type PowerCutCounts } from './sector-file.ts'

export interface SimulatedDiskOptions {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  /** Room on the disk; a write that needs more fails with ENOSPC. Default 64 GiB. */
  readonly capacityBytes?: number
}

/**
 * A disk that outlives the processes that use it, and forgets what was not synced when the power fails. A process
 * gets its own view with `for(process)`; when the process dies, its view is dead and what it wrote stays cached. The
 * other methods are the host's: they need no living process, and meet no faults.
 */
export class SimulatedDisk {
  /** Of the files on it; a lock is gone with the process that has it. */
  readonly locks = new SimulatedLocks()
  readonly #medium: Medium

  constructor(options: SimulatedDiskOptions) {
    this.#medium = new Medium(options.clock, options.random, options.capacityBytes ?? 64 * 1024 ** 3)
  }

  /** The disk as one process has it. */
  for(owner: Owner): Disk {
    return createDiskPort(this.#medium, owner)
  }

  /** What goes wrong with its operations. */
  get faults(): DiskFaultPlan {
    return this.#medium.faults
  }

  /** How often each kind of operation, fault and death was met: for tests of what the tests have covered. */
  get reached(): ReadonlyMap<string, number> {
    return this.#medium.reached
  }

  set beforeOperation(hook: DiskHook | undefined) {
    this.#medium.beforeOperation = hook
  }

  set afterOperation(hook: DiskHook | undefined) {
    this.#medium.afterOperation = hook
  }

  set capacityBytes(bytes: number) {
    this.#medium.capacityBytes = bytes
  }

  get freeBytes(): number {
    return this.#medium.freeBytes()
  }

  /**
   * The power fails: each unsynced sector is independently old, new or torn, each folder keeps a first part of its
   * unsynced changes, and the rest is gone. Kill the processes first.
   */
  powerCut(random: SeededRandom = this.#medium.random): void {
    const medium = this.#medium
    medium.powerCuts += 1
    const lostChanges = medium.tree.powerCut(random)
    const counts: PowerCutCounts = { old: 0, new: 0, torn: 0, sizeKeptOld: 0 }
    for (const { file } of medium.tree.files()) file.powerCut(random, counts)
    medium.count('power:cut')
    for (const fate of ['old', 'new', 'torn'] as const) medium.count(`power:sector:${fate}`, counts[fate])
    medium.count('power:size:old', counts.sizeKeptOld)
    medium.count('power:folder:lost', lostChanges)
  }

  /** Bit rot: flips `bits` bits (default 1), somewhere in the file or in a region of it. */
  corrupt(
    target: string,
    region: { readonly offset?: number; readonly length?: number; readonly bits?: number } = {},
  ): void {
    const file = this.#medium.file(target)
    const { offset = 0, length = file.sizeBytes, bits = 1 } = region
    if (offset >= file.sizeBytes) throw new RangeError(`nothing to corrupt in ${target} at ${offset}`)
    for (let count = 0; count < bits; count += 1) this.#medium.rot(file, offset, length)
  }

  /** What programs read in a file. */
  content(target: string): Buffer {
    const file = this.#medium.file(target)
    return file.read(0, file.sizeBytes)
  }

  /** What is on the medium, if the file is: its entries on the way synced, and its content as far as it is. */
  durableContent(target: string): Buffer | undefined {
    const node = this.#medium.tree.findDurable(target)
    return node instanceof SectorFile ? node.readDurable() : undefined
  }

  /** Paths of all files that programs see. */
  files(): string[] {
    return this.#medium.tree.files().map(({ path }) => path)
  }
}
