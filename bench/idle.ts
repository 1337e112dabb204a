/**
 * What an agent costs that has nothing to do: the built-in agent in a process of its own, with its doors open, started as its
 * supervisor starts it; without a hub, and at one. Beside it a Node process that has nothing to do either.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AgentProcess, type AgentProcessOptions } from '../test/helpers/agent-process.ts'
import { BenchChild } from './lib/child.ts'
import { processMemory, processorMs } from './lib/process-memory.ts'
import { percentile, type BenchOptions, type BenchResult } from './lib/result.ts'
import type { HubMessage } from './programs/bench-hub.ts'

const programs = join(import.meta.dirname, 'programs')

interface Idle {
  readonly rssMb: number
  readonly rssMaxMb: number
  readonly pssMb: number
  readonly ussMb: number
  readonly cpuPercent: number
}

export async function run({ folder, quick }: BenchOptions): Promise<BenchResult> {
  if (!existsSync('/proc/self/smaps_rollup'))
    throw new Error('this benchmark reads /proc, which this system does not have')
  const seconds = quick ? 1 : 30
  const settleMs = quick ? 200 : 5_000
  const environment = { NODE_DISABLE_COMPILE_CACHE: undefined }
  const hub = new BenchChild<HubMessage>([join(programs, 'bench-hub.ts'), join(folder, 'hub')])
  const started: AgentProcess[] = []
  const bare = spawn(process.execPath, [join(programs, 'empty.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    const { url } = await hub.next('bench:listening')
    const alone = { target: 'Ada', home: join(folder, 'alone'), environment }
    const atHub = { target: 'Ada', home: join(folder, 'at-hub'), environment, more: ['--hub', url] }
    await startOnce(atHub)
    for (const options of [alone, atHub]) started.push(new AgentProcess(options))
    await Promise.all(started.map(({ ready }) => ready))
    await sleep(settleMs)
    const pids = [...started.map(({ pid }) => pid), bare.pid ?? 0]
    const [agent, hubAgent, empty] = (await Promise.all(pids.map((pid) => watch(pid, seconds)))) as [
      Idle,
      Idle,
      Idle,
    ]
    const baseline = figuresOf('agent', empty)
    return {
      name: 'idle',
      figures: { ...figuresOf('agent', agent), ...figuresOf('agent_at_hub', hubAgent), seconds },
      baseline: { ...baseline, ...figuresOf('agent_at_hub', empty) },
      ratio: {
        agent_rss_mb: agent.rssMb / empty.rssMb,
        agent_at_hub_rss_mb: hubAgent.rssMb / empty.rssMb,
      },
    }
  } finally {
    for (const agent of started) await agent.stop()
    bare.kill()
    await hub.stop()
  }
}

function figuresOf(prefix: string, idle: Idle): Record<string, number> {
  return {
    [`${prefix}_rss_mb`]: idle.rssMb,
    [`${prefix}_rss_max_mb`]: idle.rssMaxMb,
    [`${prefix}_pss_mb`]: idle.pssMb,
    [`${prefix}_uss_mb`]: idle.ussMb,
    [`${prefix}_cpu_percent`]: idle.cpuPercent,
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
    // The compiled code of its hub's part is written a second after the start.
    await sleep(1_500)
  } finally {
    await agent.stop()
  }
}

/** Looks at a process from outside, twice a second. */
async function watch(pid: number, seconds: number): Promise<Idle> {
  const startedMs = performance.now()
  const startedCpuMs = processorMs(pid)
  const seen: ReturnType<typeof processMemory>[] = []
  while (performance.now() - startedMs < seconds * 1_000) {
    seen.push(processMemory(pid))
    await sleep(500)
  }
  const elapsedMs = performance.now() - startedMs
  const middle = (of: 'rssMb' | 'pssMb' | 'ussMb'): number =>
    percentile(
      seen.map((one) => one[of]),
      0.5,
    )
  return {
    rssMb: middle('rssMb'),
    rssMaxMb: Math.max(...seen.map(({ rssMb }) => rssMb)),
    pssMb: middle('pssMb'),
    ussMb: middle('ussMb'),
    cpuPercent: ((processorMs(pid) - startedCpuMs) / elapsedMs) * 100,
  }
}
