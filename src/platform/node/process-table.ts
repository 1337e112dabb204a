import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { ProcessTable } from '../process-table.ts'

/** Linux keeps it in /proc; elsewhere `ps` is asked. */
export function createNodeProcessTable(): ProcessTable {
  return { identify: process.platform === 'linux' ? identifyByProc : identifyByPs }
}

let bootId: string | undefined

function identifyByProc(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The name of the program comes second, in parentheses, and may hold anything, spaces and parentheses included.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  const startTicks = fields[19]
  const ended = state === 'Z' || state === 'X'
  if (ended || startTicks === undefined) return undefined
  bootId ??= read('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return `${bootId}:${startTicks}`
}

function identifyByPs(pid: number): string | undefined {
  try {
    const output = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      // The time at which it started, for everybody alike: an agent, or a laptop, may be in another time zone.
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    })
    const [state = '', ...started] = output.trim().split(/\s+/)
    return started.length === 0 || state.startsWith('Z') ? undefined : started.join(' ')
  } catch {
    return undefined
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
