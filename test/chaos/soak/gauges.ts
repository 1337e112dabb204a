import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Series } from './slope.ts'

// USER_HZ: the unit of the times in /proc, 100 a second on every Linux there is.
const ticksPerSecond = 100

export interface Sample {
  /** Monotonic ms. */
  readonly at: number
  readonly rssMb: number
  readonly descriptors: number
  readonly cpuSeconds: number
}

/** One process, as /proc sees it; undefined where it is gone. */
export function look(pid: number, at: number): Sample | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    if (kilobytes === undefined) return undefined
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // utime and stime, fields 14 and 15 of proc(5); the name in field 2 may hold anything but ends with the last ")".
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      at,
      rssMb: (Number(kilobytes) * 1_024) / 1e6,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    }
  } catch {
    return undefined
  }
}

/** What is measured of one member: a life for each of its processes. */
export class Gauge {
  readonly #lives: { readonly pid: number; readonly samples: Sample[] }[] = []

  add(pid: number, sample: Sample): void {
    let life = this.#lives.at(-1)
    if (life?.pid !== pid) {
      life = { pid, samples: [] }
      this.#lives.push(life)
    }
    life.samples.push(sample)
  }

  get lives(): number {
    return this.#lives.length
  }

  /** Without the first `settleMs` of each life, in which a process reads in its code and fills its caches. */
  series(key: 'rssMb' | 'descriptors', settleMs: number): Series[] {
    return this.#settled(settleMs).map((samples) => samples.map(({ at, [key]: value }) => ({ at, value })))
  }

  values(key: 'rssMb' | 'descriptors', settleMs = 0): number[] {
    return this.series(key, settleMs).flatMap((life) => life.map(({ value }) => value))
  }

  /** Of one core, over the settled parts of all lives; undefined where there are none. */
  cpuPercent(settleMs: number): number | undefined {
    let [busy, elapsed] = [0, 0]
    for (const samples of this.#settled(settleMs)) {
      const [first, last] = [samples[0], samples.at(-1)]
      if (first === undefined || last === undefined) continue
      busy += last.cpuSeconds - first.cpuSeconds
      elapsed += (last.at - first.at) / 1_000
    }
    return elapsed === 0 ? undefined : (busy / elapsed) * 100
  }

  #settled(settleMs: number): Sample[][] {
    return this.#lives
      .map(({ samples }) => samples.filter(({ at }) => at - (samples[0]?.at ?? at) >= settleMs))
      .filter(({ length }) => length > 0)
  }
}

/** Bytes that the files below a folder occupy on the disk, as `du` counts them. What vanishes meanwhile is not counted. */
export function diskBytes(path: string): number {
  try {
    const entry = lstatSync(path)
    const own = entry.blocks * 512
    if (!entry.isDirectory()) return own
    return readdirSync(path).reduce((sum, name) => sum + diskBytes(join(path, name)), own)
  } catch {
    return 0
  }
}
