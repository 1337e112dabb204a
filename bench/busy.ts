/**
 * Whether the memory of an agent that always has something to do stays where it is: an agent in a process of its own,
 * which is handed messages for ten minutes. Beside it the same without what a supervisor gives its process: the bound of
 * V8's space for young objects, and what glibc's allocator is told.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AgentProcess } from '../test/helpers/agent-process.ts'
import { processMemory, processorMs } from './lib/process-memory.ts'
import { percentile, type BenchOptions, type BenchResult } from './lib/result.ts'

const perSecond = 15
const kilobyte = 'x'.repeat(1_000)

export async function run({ folder, quick }: BenchOptions): Promise<BenchResult> {
  if (!existsSync('/proc/self/smaps_rollup'))
    throw new Error('this benchmark reads /proc, which this system does not have')
  const minutes = quick ? 0.05 : 10
  const environment = { NODE_DISABLE_COMPILE_CACHE: undefined }
  const target = join(import.meta.dirname, 'programs', 'busy-agent.ts')
  const start = (plain: boolean): AgentProcess =>
    new AgentProcess({ target, home: join(folder, String(plain)), environment, plain })
  // The first one after a change of the code strips types, and keeps 30 MB for what does that.
  await startOnce(start(false))
  const agents = [false, true].map(start)
  try {
    await Promise.all(agents.map(({ ready }) => ready))
    const [figures, baseline] = (await Promise.all(agents.map((agent) => load(agent, minutes)))) as [
      Record<string, number>,
      Record<string, number>,
    ]
    return {
      name: 'busy',
      figures,
      baseline,
      ratio: {
        rss_mb_last_minute: Number(figures['rss_mb_last_minute']) / Number(baseline['rss_mb_last_minute']),
        cpu_ms_per_message: Number(figures['cpu_ms_per_message']) / Number(baseline['cpu_ms_per_message']),
      },
    }
  } finally {
    for (const agent of agents) await agent.stop()
  }
}

async function startOnce(agent: AgentProcess): Promise<void> {
  try {
    await agent.ready
  } finally {
    await agent.stop()
  }
}

/** Hands it messages at a steady pace, and looks at it once a second. */
async function load(agent: AgentProcess, minutes: number): Promise<Record<string, number>> {
  const startedMs = performance.now()
  const startedCpuMs = processorMs(agent.pid)
  const seen: { readonly minute: number; readonly rssMb: number; readonly ussMb: number }[] = []
  let messages = 0
  const late: Promise<void>[] = []
  for (let second = 0; second < minutes * 60; second += 1) {
    for (let count = 0; count < perSecond; count += 1) late.push(post(agent, `busy-${(messages += 1)}`))
    await Promise.all(late.splice(0))
    seen.push({ minute: second / 60, ...processMemory(agent.pid) })
    await sleep(Math.max(0, startedMs + (second + 1) * 1_000 - performance.now()))
  }
  const cpuMs = processorMs(agent.pid) - startedCpuMs
  const between = (from: number, to: number, of: 'rssMb' | 'ussMb'): number =>
    percentile(
      seen.filter(({ minute }) => minute >= from && minute < to).map((one) => one[of]),
      0.5,
    )
  // In the first fifth caches fill, and V8 compiles what is run often.
  const warm = minutes / 5
  const last = Math.max(0, minutes - 1)
  return {
    rss_mb_when_warm: between(warm, warm + Math.max(minutes / 10, 1 / 60), 'rssMb'),
    rss_mb_last_minute: between(last, minutes, 'rssMb'),
    rss_mb_max: Math.max(...seen.map(({ rssMb }) => rssMb)),
    uss_mb_last_minute: between(last, minutes, 'ussMb'),
    cpu_ms_per_message: cpuMs / messages,
    messages,
    minutes,
  }
}

/** Half of them are large: what they leave free is of many sizes. */
async function post(agent: AgentProcess, key: string): Promise<void> {
  const size = Number(key.slice(5)) % 2 === 0 ? 1 : 1 + (Number(key.slice(5)) % 20)
  const body = JSON.stringify({ text: key + kilobyte.repeat(size) })
  for (;;) {
    const response = await fetch(agent.ingressUrl ?? '', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body,
    })
    await response.arrayBuffer()
    if (response.status === 202) return
    // Its inbox is full, on a machine that cannot keep up.
    if (response.status !== 429) throw new Error(`the agent answered ${response.status}`)
    await sleep(1_000)
  }
}
