/**
 * How long a killed agent is away: from SIGKILL, in the middle of a turn, to that turn done by the next process
 * (`killed_to_ready`); and at a hub and under the daemon, to the session resumed (`killed_to_resumed`). With a journal of
 * 10,000 records; started again by the product's own supervisor. Beside it an empty Node script under the same supervisor, which is the
 * least that a restart can cost, and under PM2 where `bench/peers` is installed.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ProcessMessage } from '../src/cli/process-messages.ts'
import { openAgent } from '../src/index.ts'
import { BenchChild } from './lib/child.ts'
import { underDaemon } from './lib/daemon.ts'
import { hasPm2, measurePm2 } from './lib/pm2.ts'
import { percentile, type BenchOptions, type BenchResult } from './lib/result.ts'
import { Supervised } from './lib/supervised.ts'
import type { HubMessage } from './programs/bench-hub.ts'
import resuming, { type ResumingMessage, type ResumingPayload } from './programs/resuming-agent.ts'

const programs = join(import.meta.dirname, 'programs')
const perdura = join(import.meta.dirname, '..', 'bin', 'perdura.mjs')
const stepsPerTurn = 100

interface Restart {
  readonly totalMs: number
  /** From the kill to the beginning of the next process. */
  readonly processMs: number
  /** Node itself, the modules, the definition. */
  readonly loadMs: number
  /** Lock, database, journal, recovery. */
  readonly openMs: number
  /** From then to the end of the turn. */
  readonly turnMs: number
}

export async function run({ folder, quick }: BenchOptions): Promise<BenchResult> {
  const kills = quick ? 2 : 30
  const records = await prepareJournal(folder, quick ? 100 : 10_000)
  const restarts = await measureAgent(folder, kills)
  const resumed = await measureSession(folder, kills)
  const emptyMs = await measureEmpty(kills)
  const pm2Ms = hasPm2() ? await measurePm2(folder, kills) : []
  const totals = restarts.map(({ totalMs }) => totalMs)
  const resumedMs = resumed.map(({ totalMs }) => totalMs)
  const median = (part: (restart: Restart) => number): number => percentile(restarts.map(part), 0.5)
  const figures = {
    killed_to_resumed_p50_ms: percentile(resumedMs, 0.5),
    killed_to_resumed_p95_ms: percentile(resumedMs, 0.95),
    session_median_ms: percentile(
      resumed.map(({ sessionMs }) => sessionMs),
      0.5,
    ),
    killed_to_ready_p50_ms: percentile(totals, 0.5),
    killed_to_ready_p95_ms: percentile(totals, 0.95),
    process_start_median_ms: median(({ processMs }) => processMs),
    load_median_ms: median(({ loadMs }) => loadMs),
    open_median_ms: median(({ openMs }) => openMs),
    first_turn_median_ms: median(({ turnMs }) => turnMs),
    kills,
    journal_records: records,
  }
  const [emptyP50, emptyP95] = [percentile(emptyMs, 0.5), percentile(emptyMs, 0.95)]
  return {
    name: 'restart',
    figures,
    baseline: {
      killed_to_resumed_p50_ms: emptyP50,
      killed_to_resumed_p95_ms: emptyP95,
      killed_to_ready_p50_ms: emptyP50,
      killed_to_ready_p95_ms: emptyP95,
      ...(pm2Ms.length > 0 && {
        pm2_killed_to_started_p50_ms: percentile(pm2Ms, 0.5),
        pm2_killed_to_started_p95_ms: percentile(pm2Ms, 0.95),
      }),
    },
    ratio: {
      killed_to_resumed_p50: figures.killed_to_resumed_p50_ms / emptyP50,
      killed_to_resumed_p95: figures.killed_to_resumed_p95_ms / emptyP95,
      killed_to_ready_p50: figures.killed_to_ready_p50_ms / emptyP50,
      killed_to_ready_p95: figures.killed_to_ready_p95_ms / emptyP95,
    },
  }
}

/** Gives the agent a past: turns of a hundred recorded steps each. Returns the records of its journal. */
async function prepareJournal(home: string, wanted: number): Promise<number> {
  const agent = await openAgent(resuming, { home })
  const records = (): number =>
    agent.reader.get<{ sequence: number }>('SELECT sequence FROM journal_position')?.sequence ?? 0
  for (let turn = 1; records() < wanted; turn += 1) {
    const done = new Promise((resolve) => agent.on('turn:done', resolve))
    const payload: ResumingPayload = { steps: stepsPerTurn, hold: false }
    await agent.ingest({ id: `past-${turn}`, payload: { ...payload } })
    await done
  }
  const reached = records()
  await agent.close()
  return reached
}

async function measureAgent(home: string, kills: number): Promise<Restart[]> {
  const log = join(home, 'agents', 'Resuming', 'agent.log')
  const agent = new Supervised<ProcessMessage | ResumingMessage>(
    [perdura, 'run', join(programs, 'resuming-agent.ts'), '--port', '0', '--home', home, '--quiet'],
    'ready',
  )
  try {
    const restarts: Restart[] = []
    // The first two are not counted: they fill the caches, as the earlier life of an agent has done.
    for (let kill = -2; kill < kills; kill += 1) {
      const { ingressUrl } = await agent.next('ready')
      await hold(ingressUrl, `kill-${kill}`)
      await agent.next('bench:holding')
      // While nothing else goes on; and at first until compiled code has been written to its cache.
      await sleep(kill < 0 ? 1_500 : 20)
      const killedAt = agent.kill()
      const { bornAt } = await agent.next('bench:resumed')
      await agent.next('activity', ({ lines }) => lines.some((line) => line.kind === 'done'))
      if (kill >= 0) restarts.push(readRestart(readFileSync(log, 'utf8'), killedAt, bornAt))
    }
    return restarts
  } finally {
    await agent.stop()
  }
}

/** Posts a message whose turn does not end in this process. */
async function hold(ingressUrl: string, key: string): Promise<void> {
  const payload: ResumingPayload = { steps: 0, hold: true }
  const { status } = await fetch(ingressUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key, connection: 'close' },
    body: JSON.stringify(payload),
  })
  if (status !== 202) throw new Error(`the agent answered ${status}`)
}

/** The agent's own log has the times of what it did last. */
function readRestart(log: string, killedAt: number, bornAt: number): Restart {
  const lines = log
    .trimEnd()
    .split('\n')
    .slice(-20)
    .map((line) => JSON.parse(line) as { time: string; event: string; recoveryMs?: number })
  const last = (event: string): { at: number; recoveryMs?: number } => {
    const line = lines.findLast((one) => one.event === event)
    if (line === undefined) throw new Error(`the agent's log has no ${event}`)
    return { ...line, at: Date.parse(line.time) }
  }
  const { at: readyAt, recoveryMs: openMs = Number.NaN } = last('agent:start:ready')
  const doneAt = last('turn:done').at
  return {
    totalMs: doneAt - killedAt,
    processMs: bornAt - killedAt,
    loadMs: readyAt - openMs - bornAt,
    openMs,
    turnMs: doneAt - readyAt,
  }
}

/** The same agent under the daemon, at a hub of its own, killed while it is online. */
async function measureSession(
  home: string,
  kills: number,
): Promise<{ readonly totalMs: number; readonly sessionMs: number }[]> {
  const hub = new BenchChild<HubMessage>([join(programs, 'bench-hub.ts'), join(home, 'hub')])
  try {
    const { url } = await hub.next('bench:listening')
    const file = join(programs, 'resuming-agent.ts')
    return await underDaemon({ home, name: 'Resuming', file, hub: url }, async (agent) => {
      const restarts = []
      for (let kill = -2; kill < kills; kill += 1) {
        if (kill < 0) await sleep(1_500)
        const restart = await agent.killed()
        if (kill >= 0) restarts.push(restart)
      }
      return restarts
    })
  } finally {
    await hub.stop()
  }
}

async function measureEmpty(kills: number): Promise<number[]> {
  type EmptyMessage = { readonly type: 'bench:there'; readonly at: number }
  const empty = new Supervised<EmptyMessage>([join(programs, 'empty.mjs')], 'bench:there')
  try {
    await empty.next('bench:there')
    const restartsMs: number[] = []
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(20)
      const killedAt = empty.kill()
      const { at } = await empty.next('bench:there')
      restartsMs.push(at - killedAt)
    }
    return restartsMs
  } finally {
    await empty.stop()
  }
}
