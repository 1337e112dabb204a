import type { SeededRandom } from './random.ts'

export const sectorBytes = 512

interface Content {
  sizeBytes: number
  /** Sectors that are not all zeros; an array is never changed once it is in here. */
  readonly sectors: Map<number, Uint8Array>
}

const zeroSector = new Uint8Array(sectorBytes)

/** What became of the sectors that were not synced when the power failed. */
export interface PowerCutCounts {
  old: number
  new: number
  torn: number
  sizeKeptOld: number
}

/**
 * A file as the system holds it: what programs see (cached), and what the medium has (durable). A sector that was
 * written is dirty until it is synced. Until then the system may write it back whenever it likes, in any order, and a
 * power cut leaves of each dirty sector the old content, the new, or a torn one.
 */
export class SectorFile {
  readonly #cached: Content = { sizeBytes: 0, sectors: new Map() }
  readonly #durable: Content = { sizeBytes: 0, sectors: new Map() }
  readonly #dirty = new Set<number>()

  get sizeBytes(): number {
    return this.#cached.sizeBytes
  }

  get dirtySectors(): number {
    return this.#dirty.size
  }

  read(offset: number, length: number): Buffer {
    return readContent(this.#cached, offset, length)
  }

  /** What would be there if the power failed now and nothing that was not synced had been written back. */
  readDurable(): Buffer {
    return readContent(this.#durable, 0, this.#durable.sizeBytes)
  }

  /** Writes into the cache. Now and then an earlier unsynced version of a sector is written back just before. */
  write(offset: number, bytes: Uint8Array, random: SeededRandom): void {
    let position = offset
    let rest = bytes
    while (rest.length > 0) {
      const index = Math.floor(position / sectorBytes)
      const start = position % sectorBytes
      const part = rest.subarray(0, sectorBytes - start)
      this.#writeSector(index, start, part, random)
      position += part.length
      rest = rest.subarray(part.length)
    }
    this.#cached.sizeBytes = Math.max(this.#cached.sizeBytes, position)
  }

  sync(): void {
    for (const index of this.#dirty) putSector(this.#durable, index, getSector(this.#cached, index))
    this.#dirty.clear()
    this.#durable.sizeBytes = this.#cached.sizeBytes
  }

  /**
   * A sync that failed as it does on Linux: the error is reported once, the pages count as clean, and the next sync
   * succeeds without having written them. Programs go on seeing the new content until the power fails.
   */
  failSync(): void {
    this.#dirty.clear()
  }

  /** Flips one bit, on the medium and in the cache: the sector reads differently from now on. */
  flipBit(offset: number, bit: number): void {
    const index = Math.floor(offset / sectorBytes)
    for (const content of [this.#cached, this.#durable]) {
      const sector = getSector(content, index).slice()
      sector[offset % sectorBytes]! ^= 1 << bit
      putSector(content, index, sector)
    }
  }

  powerCut(random: SeededRandom, counts: PowerCutCounts): void {
    if (this.#durable.sizeBytes !== this.#cached.sizeBytes) {
      // The size may lag behind the content, or be ahead of it: a file of zeros, or with nothing in it.
      if (random.chance(0.5)) this.#durable.sizeBytes = this.#cached.sizeBytes
      else counts.sizeKeptOld += 1
    }
    const mood = random.pick(['mixed', 'mixed', 'old', 'new'] as const)
    for (const index of [...this.#dirty].toSorted((one, other) => one - other)) {
      const fate = mood === 'mixed' ? random.pick(['old', 'new', 'torn'] as const) : mood
      counts[fate] += 1
      if (fate === 'old') continue
      const fresh = getSector(this.#cached, index)
      if (fate === 'new') {
        putSector(this.#durable, index, fresh)
        continue
      }
      const torn = getSector(this.#durable, index).slice()
      torn.set(fresh.subarray(0, random.int(1, sectorBytes - 1)))
      putSector(this.#durable, index, torn)
    }
    this.#dirty.clear()
    truncate(this.#durable)
    this.#cached.sizeBytes = this.#durable.sizeBytes
    this.#cached.sectors.clear()
    for (const [index, sector] of this.#durable.sectors) this.#cached.sectors.set(index, sector)
  }

  #writeSector(index: number, start: number, part: Uint8Array, random: SeededRandom): void {
    const before = getSector(this.#cached, index)
    const dirty = this.#dirty.has(index)
    if (dirty && random.chance(0.25)) putSector(this.#durable, index, before)
    const after = before.slice()
    after.set(part, start)
    putSector(this.#cached, index, after)
    // Zeros over what never was written: the same whether they get there or not.
    if (!dirty && Buffer.compare(after, getSector(this.#durable, index)) === 0) return
    this.#dirty.add(index)
  }
}

function readContent(content: Content, offset: number, length: number): Buffer {
  const result = Buffer.alloc(Math.max(0, Math.min(length, content.sizeBytes - offset)))
  for (let filled = 0; filled < result.length;) {
    const position = offset + filled
    const start = position % sectorBytes
    const sector = getSector(content, Math.floor(position / sectorBytes))
    const part = sector.subarray(start, start + Math.min(sectorBytes - start, result.length - filled))
    result.set(part, filled)
    filled += part.length
  }
  return result
}

function getSector(content: Content, index: number): Uint8Array {
  return content.sectors.get(index) ?? zeroSector
}

function putSector(content: Content, index: number, sector: Uint8Array): void {
  if (Buffer.compare(sector, zeroSector) === 0) content.sectors.delete(index)
  else content.sectors.set(index, sector)
}

/** Nothing beyond the end: a file that grows again has zeros there. */
function truncate(content: Content): void {
  const last = Math.floor(content.sizeBytes / sectorBytes)
  for (const index of content.sectors.keys()) {
    if (index < last) continue
    const sector = content.sectors.get(index)!.slice()
    sector.fill(0, index === last ? content.sizeBytes % sectorBytes : 0)
    putSector(content, index, sector)
  }
}
