import path from 'node:path'
import type { SimulatedClock } from './clock.ts'
import { isDeath } from './death.ts'
import { DiskFaultPlan, type DiskErrorCode, type DiskOperation } from './disk-faults.ts'
import { Folder, FolderTree, type Place } from './folder-tree.ts'
import type { Owner } from './owner.ts'
import type { SeededRandom } from './random.ts'
import { SectorFile, sectorBytes } from './sector-file.ts'
import { systemError } from './system-error.ts'

/** Called around every operation; it may end the process right there (`process.dieHere()`), or change the faults. */
export type DiskHook = (operation: DiskOperation) => void

/** The file that an operation works on, and what it writes there. */
export interface DiskSubject {
  readonly file?: SectorFile
  readonly bytes?: Uint8Array
}

/** Points inside one write at which it may be interrupted, at most. */
const partsMax = 16

/** What is behind the ports of all processes: folders, files and room, and what befalls each operation on them. */
export class Medium {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly faults: DiskFaultPlan
  readonly tree = new FolderTree()
  readonly reached = new Map<string, number>()
  beforeOperation: DiskHook | undefined
  afterOperation: DiskHook | undefined
  capacityBytes: number
  /** Handles from before a power cut are void. */
  powerCuts = 0

  constructor(clock: SimulatedClock, random: SeededRandom, capacityBytes: number) {
    this.clock = clock
    this.random = random.fork('content')
    this.faults = new DiskFaultPlan(random.fork('faults'))
    this.capacityBytes = capacityBytes
  }

  /** Runs one operation of a process, with everything that may befall it. */
  perform<T>(owner: Owner, operation: DiskOperation, act: () => T, subject: DiskSubject = {}): T {
    owner.check()
    this.count(`operation:${operation.kind}`)
    this.#meet(this.beforeOperation, 'before', owner, operation)
    const { error, bitRot, stallMs = 0 } = this.faults.next(operation)
    if (stallMs > 0) {
      this.count(`slow:${operation.kind}`)
      this.clock.stall(stallMs)
    }
    if (error !== undefined) this.#fail(error, operation, subject)
    if (bitRot === true && subject.file !== undefined)
      this.rot(subject.file, operation.offset, operation.length)
    const result = act()
    this.#meet(this.afterOperation, 'after', owner, operation)
    return result
  }

  /** Writes sector by sector, so that a death in between leaves a part of it. */
  write(owner: Owner, target: string, file: SectorFile, offset: number, bytes: Uint8Array): void {
    const growth = offset + bytes.length - file.sizeBytes
    const room = growth > 0 ? this.freeBytes() : Infinity
    const fitting = growth > room ? bytes.subarray(0, Math.max(0, bytes.length - (growth - room))) : bytes
    const sectors = Math.ceil(((offset % sectorBytes) + fitting.length) / sectorBytes)
    const stride = sectorBytes * Math.max(1, Math.ceil(sectors / partsMax))
    for (let start = 0; start < fitting.length;) {
      const end = Math.min(fitting.length, start + stride - ((offset + start) % sectorBytes))
      if (start > 0) {
        const part = {
          kind: 'write-part',
          path: target,
          offset: offset + start,
          length: end - start,
        } as const
        this.#meet(this.beforeOperation, 'before', owner, part)
      }
      file.write(offset + start, fitting.subarray(start, end), this.random)
      start = end
    }
    if (fitting.length < bytes.length) {
      this.count('full:write')
      throw systemError('ENOSPC', 'write', target)
    }
  }

  /** Flips one bit in a region of a file. */
  rot(file: SectorFile, offset: number, length: number): void {
    const end = Math.min(offset + length, file.sizeBytes)
    if (end <= offset) return
    file.flipBit(this.random.int(offset, end - 1), this.random.int(0, 7))
    this.count('rot:bit')
  }

  freeBytes(): number {
    const used = this.tree.files().reduce((sum, { file }) => sum + file.sizeBytes, 0)
    return Math.max(0, this.capacityBytes - used)
  }

  count(what: string, times = 1): void {
    if (times > 0) this.reached.set(what, (this.reached.get(what) ?? 0) + times)
  }

  file(target: string): SectorFile {
    const node = this.tree.find(target)
    if (node instanceof SectorFile) return node
    throw systemError(node instanceof Folder ? 'EISDIR' : 'ENOENT', 'open', target)
  }

  folder(target: string, syscall: string): Folder {
    const node = this.tree.find(target)
    if (node instanceof Folder) return node
    throw systemError(node === undefined ? 'ENOENT' : 'ENOTDIR', syscall, target)
  }

  place(target: string, syscall: string): Place {
    const place = this.tree.place(path.posix.normalize(target))
    if (place !== undefined) return place
    throw systemError('ENOENT', syscall, target)
  }

  #meet(hook: DiskHook | undefined, when: 'before' | 'after', owner: Owner, operation: DiskOperation): void {
    try {
      hook?.(operation)
      owner.check()
    } catch (error) {
      if (isDeath(error)) this.count(`death:${when}:${operation.kind}`)
      throw error
    }
  }

  /** A failed write may have been done in part, and a failed sync makes the next one lie. */
  #fail(error: DiskErrorCode, operation: DiskOperation, { file, bytes }: DiskSubject): never {
    this.count(`fault:${error}:${operation.kind}`)
    if (operation.kind === 'sync') file?.failSync()
    if (operation.kind === 'write' && file !== undefined && bytes !== undefined) {
      const part = bytes.subarray(0, this.random.int(0, Math.max(0, bytes.length - 1)))
      if (operation.offset + part.length <= file.sizeBytes) file.write(operation.offset, part, this.random)
    }
    throw systemError(error, operation.kind, operation.path)
  }
}
