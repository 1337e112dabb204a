import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { ProcessUsage, UsageTable } from '../process-usage.ts'
import { readPs } from '../ps-output.ts'

/** Linux keeps it in /proc; elsewhere `ps` is asked. */
export function createNodeUsageTable(): UsageTable {
  return { measure: process.platform === 'linux' ? measureByProc : measureByPs }
}

/** Of the times in /proc: USER_HZ, which is 100 on every machine that Node runs on. */
const tickMs = 10

function measureByProc(pids: readonly number[]): ReadonlyMap<number, ProcessUsage> {
  const found = new Map<number, ProcessUsage>()
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`)
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]
    if (stat === undefined || resident === undefined) continue
    // The name of the program comes second, in parentheses, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state = ''] = fields
    const ticks = Number(fields[11]) + Number(fields[12])
    if (!Number.isFinite(ticks)) continue
    found.set(pid, { rssBytes: Number(resident) * 1_024, cpuMs: ticks * tickMs, suspended: state === 'T' })
  }
  return found
}

/** Longest time for one answer of `ps`, ms. */
const psTimeoutMs = 2_000

function measureByPs(pids: readonly number[]): ReadonlyMap<number, ProcessUsage> {
  if (pids.length === 0) return new Map()
  try {
    const output = execFileSync('ps', ['-o', 'pid=,stat=,rss=,time=', '-p', pids.join(',')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: psTimeoutMs,
      env: { ...process.env, LC_ALL: 'C' },
    })
    return readPs(output)
  } catch (error) {
    // With some of them gone it says so by its exit code, and has printed the others.
    const { stdout } = error as { readonly stdout?: unknown }
    return typeof stdout === 'string' ? readPs(stdout) : new Map()
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
