import { readFileSync } from 'node:fs'

/** Of a process, in units of 1,000,000 bytes. */
export interface ProcessMemory {
  /** All that is resident, with what it shares with other processes: code of Node above all. */
  readonly rssMb: number
  /** The same with each shared page divided by those who share it. */
  readonly pssMb: number
  /** What nobody else has: what one more such process really costs. */
  readonly ussMb: number
}

/** From /proc/<pid>/smaps_rollup; the kernel's kB has 1,024 bytes. */
export function processMemory(pid: number): ProcessMemory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mb = (field: string): number =>
    (Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1_024) / 1e6
  return { rssMb: mb('Rss'), pssMb: mb('Pss'), ussMb: mb('Private_Clean') + mb('Private_Dirty') }
}

/** Processor time that all threads of a process have had so far, ms; from /proc/<pid>/stat. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // utime and stime, fields 14 and 15 of proc(5); the name in field 2 may hold anything but ends with the last ")".
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}

// USER_HZ: 100 a second on every Linux there is.
const msPerTick = 10
