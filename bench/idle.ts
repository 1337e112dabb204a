/**
 * What an agent costs that has nothing to do: the built-in agent in a process of its own, with its doors open, as
 * `perdura run` has it. Beside it a Node process that has nothing to do either.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AgentProcess, type AgentProcessOptions } from '../test/helpers/agent-process.ts'
import { percentile, type BenchOptions, type BenchResult } from './lib/result.ts'

// USER_HZ: the unit of the times in /proc, 100 a second on every Linux there is.
const ticksPerSecond = 100

interface Idle {
  readonly rssMb: number
  readonly rssMaxMb: number
  readonly cpuPercent: number
}

export async function run({ folder, quick }: BenchOptions): Promise<BenchResult> {
  if (!existsSync('/proc/self/stat'))
    throw new Error('this benchmark reads /proc, which this system does not have')
  const seconds = quick ? 1 : 30
  const settleMs = quick ? 200 : 5_000
  const options = { target: 'Ada', home: folder, environment: { NODE_DISABLE_COMPILE_CACHE: undefined } }
  await startOnce(options)
  const agent = new AgentProcess(options)
  const bare = spawn(process.execPath, [join(import.meta.dirname, 'programs', 'empty.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    await agent.ready
    await sleep(settleMs)
    const [measured, baseline] = await Promise.all([watch(agent.pid, seconds), watch(bare.pid ?? 0, seconds)])
    return {
      name: 'idle',
      figures: {
        agent_rss_mb: measured.rssMb,
        agent_rss_max_mb: measured.rssMaxMb,
        agent_cpu_percent: measured.cpuPercent,
        seconds,
      },
      baseline: {
        agent_rss_mb: baseline.rssMb,
        agent_rss_max_mb: baseline.rssMaxMb,
        agent_cpu_percent: baseline.cpuPercent,
      },
      ratio: { agent_rss_mb: measured.rssMb / baseline.rssMb },
    }
  } finally {
    await agent.stop()
    bare.kill()
  }
}

/**
 * After a change of the code the first start strips types, and keeps 30 MB for what does that. An installed package
 * never does, and a clone does not either while its code stays as it is.
 */
async function startOnce(options: AgentProcessOptions): Promise<void> {
  const agent = new AgentProcess(options)
  try {
    await agent.ready
  } finally {
    await agent.stop()
  }
}

/** Looks at a process from outside, twice a second. */
async function watch(pid: number, seconds: number): Promise<Idle> {
  const startedMs = performance.now()
  const startedTicks = cpuTicks(pid)
  const rssMb: number[] = []
  while (performance.now() - startedMs < seconds * 1_000) {
    rssMb.push(residentMb(pid))
    await sleep(500)
  }
  const elapsedSeconds = (performance.now() - startedMs) / 1_000
  const busySeconds = (cpuTicks(pid) - startedTicks) / ticksPerSecond
  return {
    rssMb: percentile(rssMb, 0.5),
    rssMaxMb: Math.max(...rssMb),
    cpuPercent: (busySeconds / elapsedSeconds) * 100,
  }
}

/** `VmRSS`, in units of 1,000,000 bytes; the kernel's kB has 1,024. */
function residentMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return (Number(kilobytes) * 1_024) / 1e6
}

/** utime and stime, fields 14 and 15 of proc(5); the name in field 2 may hold anything but ends with the last ")". */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
