/**
 * Durable messages through a hub, from one agent's outbox to the end of the other's turn: how many in a second, and how
 * long one takes. Agents in pairs play balls to and fro; the two of a pair are in different processes, and the hub is one
 * more. Beside it the least that a durable relay costs: the same bytes appended and synced by a sender, a relay and a
 * recipient, over one loopback WebSocket.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { measureBareRelay } from './lib/bare-relay.ts'
import { BenchChild } from './lib/child.ts'
import { percentile, type BenchOptions, type BenchResult } from './lib/result.ts'
import type { HubMessage } from './programs/bench-hub.ts'
import type { RelayEvent, RelayMessage } from './programs/relay-agents.ts'

const programs = join(import.meta.dirname, 'programs')

interface Setting {
  readonly agents: number
  readonly pairs: number
  /** Processes of each side. */
  readonly processes: number
  /** Messages under way for each pair where as many as possible are to get through. */
  readonly balls: number
}

const settings: readonly Setting[] = [
  { agents: 1, pairs: 1, processes: 1, balls: 64 },
  { agents: 10, pairs: 5, processes: 1, balls: 32 },
  { agents: 100, pairs: 50, processes: 2, balls: 8 },
]
const quickSettings: readonly Setting[] = settings.map((setting) => ({
  ...setting,
  pairs: Math.min(setting.pairs, 2),
  processes: 1,
  balls: 4,
}))

interface Played {
  readonly perSecond: number
  /** From commit to commit, ms. */
  readonly inboxMs: readonly number[]
  /** From the sender's commit to the end of the turn, ms. */
  readonly handledMs: readonly number[]
  /** Of both agents together. */
  readonly commitsPerMessage: number
  readonly hubCpuPercent: number
  readonly hubRssMb: number
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  const figures: Record<string, number> = {}
  // Once before and once after, so that both see the machine as what they are compared with saw it.
  const bare = [await measureBareRelay(options)]
  for (const setting of options.quick ? quickSettings : settings) {
    const { one, many } = await measure(options, setting)
    const { agents } = setting
    figures[`messages_per_second_${agents}`] = many.perSecond
    for (const [name, fraction] of percentiles) {
      figures[`latency_${name}_ms_${agents}`] = percentile(one.handledMs, fraction)
    }
    for (const [name, fraction] of percentiles) {
      figures[`inbox_latency_${name}_ms_${agents}`] = percentile(one.inboxMs, fraction)
    }
    figures[`commits_per_message_${agents}`] = many.commitsPerMessage
    if (agents === 1) figures['commits_per_message_alone'] = one.commitsPerMessage
    figures[`hub_cpu_percent_${agents}`] = many.hubCpuPercent
    figures[`hub_rss_mb_${agents}`] = many.hubRssMb
    if (agents === 1) bare.push(await measureBareRelay(options))
  }
  figures['hub_rss_mb'] = figures['hub_rss_mb_100'] ?? Number.NaN
  const bareMs = bare.flatMap(({ latencyMs }) => latencyMs)
  const baseline = {
    // The better of both: what the machine can do when it has time.
    messages_per_second_1: percentile(
      bare.map(({ perSecond }) => perSecond),
      1,
    ),
    latency_p50_ms_1: percentile(bareMs, 0.5),
    latency_p95_ms_1: percentile(bareMs, 0.95),
    latency_p99_ms_1: percentile(bareMs, 0.99),
  }
  const ratioOf = (key: keyof typeof baseline): number => (figures[key] ?? Number.NaN) / baseline[key]
  return {
    name: 'relay',
    figures,
    baseline,
    ratio: {
      messages_per_second_1: ratioOf('messages_per_second_1'),
      latency_p50_1: ratioOf('latency_p50_ms_1'),
      latency_p95_1: ratioOf('latency_p95_ms_1'),
      latency_p99_1: ratioOf('latency_p99_ms_1'),
    },
  }
}

const percentiles = [
  ['p50', 0.5],
  ['p95', 0.95],
  ['p99', 0.99],
] as const

/** A hub of its own for each setting, so that its memory is of that alone. */
async function measure(
  { folder, quick }: BenchOptions,
  setting: Setting,
): Promise<{ readonly one: Played; readonly many: Played }> {
  const own = join(folder, `agents-${setting.agents}`)
  const profile = process.env['BENCH_HUB_PROFILE']
  const options = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile]
  const hub = new BenchChild<HubMessage>([...options, join(programs, 'bench-hub.ts'), join(own, 'hub')])
  const sides: BenchChild<RelayMessage>[] = []
  try {
    const { url } = await hub.next('bench:listening')
    for (let group = 0; group < setting.processes; group += 1) {
      const pairs = String(Math.max(1, Math.round(setting.pairs / setting.processes)))
      const [left, right] = [`left${group}-`, `right${group}-`]
      for (const [mine, other] of [
        [left, right],
        [right, left],
      ] as const) {
        sides.push(
          new BenchChild([join(programs, 'relay-agents.ts'), join(own, 'home'), url, mine, other, pairs]),
        )
      }
    }
    await Promise.all(sides.map((side) => side.next('bench:online')))
    const one = await play(hub, sides, { balls: 1, quick })
    const many = await play(hub, sides, { balls: setting.balls, quick })
    return { one, many }
  } finally {
    await Promise.all(sides.map((side) => side.stop()))
    await hub.stop()
  }
}

async function play(
  hub: BenchChild<HubMessage>,
  sides: readonly BenchChild<RelayMessage>[],
  { balls, quick }: { readonly balls: number; readonly quick: boolean },
): Promise<Played> {
  // Every other one serves: the left sides.
  for (const [index, side] of sides.entries()) side.tell({ type: 'play', balls: index % 2 === 0 ? balls : 0 })
  await sleep(quick ? 300 : 3_000)
  const before = await usageOf(hub)
  const from = Date.now()
  await sleep(quick ? 500 : 8_000)
  const to = Date.now()
  const after = await usageOf(hub)
  for (const side of sides) side.tell({ type: 'stop' })
  const played = await Promise.all(sides.map((side) => side.next('bench:played')))
  const sent = new Map(played.flatMap((side) => side.sent))
  const within = (events: readonly RelayEvent[]): RelayEvent[] =>
    events.filter(([, at]) => at >= from && at < to)
  const latencies = (events: readonly RelayEvent[]): number[] =>
    events.flatMap(([stroke, at]) => {
      const sentAt = sent.get(stroke)
      return sentAt === undefined ? [] : [at - sentAt]
    })
  const commits = played.reduce((sum, side) => sum + side.commits, 0)
  const strokes = played.reduce((sum, side) => sum + side.handled.length, 0)
  const handled = within(played.flatMap((side) => side.handled))
  return {
    perSecond: handled.length / ((to - from) / 1_000),
    inboxMs: latencies(within(played.flatMap((side) => side.taken))),
    handledMs: latencies(handled),
    commitsPerMessage: commits / strokes,
    hubCpuPercent: ((after.cpuMs - before.cpuMs) / (to - from)) * 100,
    hubRssMb: after.rssBytes / 1e6,
  }
}

async function usageOf(hub: BenchChild<HubMessage>): Promise<Extract<HubMessage, { type: 'bench:usage' }>> {
  hub.tell({ type: 'usage' })
  return hub.next('bench:usage')
}
