import type { Random } from '../platform/random.ts'

/**
 * Everything that a simulation draws comes from one seed. A part that draws on its own takes a fork, so that one
 * more draw in one part changes nothing in another, and a failing seed stays the same failure while its cause is
 * looked for.
 */
export interface SeededRandom extends Random {
  /** Where the numbers come from: the seed and the labels of the forks on the way, `42/disk/faults`. */
  readonly name: string
  /** An independent source. The same label again gives a further one: `disk`, `disk#2`, … */
  fork(label: string): SeededRandom
  /** True with this probability. */
  chance(probability: number): boolean
  /** An integer from `min` to `max`, both included. */
  int(min: number, max: number): number
  pick<T>(values: readonly T[]): T
  /** The same values in another order. */
  shuffle<T>(values: readonly T[]): T[]
}

export function createSeededRandom(seed: number | string): SeededRandom {
  return create(String(seed))
}

function create(name: string): SeededRandom {
  const next = sfc32(seedWords(name))
  const forks = new Map<string, number>()

  const fraction = (): number => next() / 2 ** 32
  const int = (min: number, max: number): number => {
    if (!(min <= max)) throw new RangeError(`no integer from ${min} to ${max}`)
    return min + Math.floor(fraction() * (max - min + 1))
  }
  const bytes = (count: number): Uint8Array => {
    const result = new Uint8Array(count)
    for (let index = 0; index < count; index += 1) result[index] = next() >>> 24
    return result
  }

  return {
    name,
    bytes,
    uuid: () => uuidOf(bytes(16)),
    fraction,
    chance: (probability) => fraction() < probability,
    int,
    pick(values) {
      if (values.length === 0) throw new RangeError('nothing to pick from')
      return values[int(0, values.length - 1)]!
    },
    shuffle(values) {
      const result = [...values]
      for (let index = result.length - 1; index > 0; index -= 1) {
        const other = int(0, index)
        const kept = result[index]!
        result[index] = result[other]!
        result[other] = kept
      }
      return result
    },
    fork(label) {
      const occurrence = (forks.get(label) ?? 0) + 1
      forks.set(label, occurrence)
      return create(occurrence === 1 ? `${name}/${label}` : `${name}/${label}#${occurrence}`)
    },
  }
}

/** Four words from a name: 32-bit FNV-1a with a different start for each, mixed as in MurmurHash3. */
function seedWords(name: string): readonly [number, number, number, number] {
  const word = (start: number): number => {
    let hash = 0x811c9dc5 ^ start
    for (let index = 0; index < name.length; index += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return hash ^ (hash >>> 16)
  }
  return [word(1), word(2), word(3), word(4)]
}

/** sfc32, "small fast counting", of PractRand by Chris Doty-Humphrey; unsigned 32-bit integers. */
function sfc32([first, second, third, fourth]: readonly [number, number, number, number]): () => number {
  let a = first
  let b = second
  let c = third
  let counter = fourth
  const next = (): number => {
    const result = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + result) | 0
    return result >>> 0
  }
  for (let round = 0; round < 15; round += 1) next()
  return next
}

/** Version 4 (RFC 9562). */
function uuidOf(bytes: Uint8Array): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
