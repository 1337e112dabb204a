/**
 * A herd whose connections drop at the same moment, and how it comes back: ten thousand agents on a simulated network and
 * clock (the session and the hub are the product's), and a thousand with real sockets, from a few processes, at a real hub.
 * The baseline is what the hub's admission allows.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { admissionLimits, type AdmissionLimits } from '../src/hub/admission/limits.ts'
import { FaultProxy } from '../test/helpers/fault-proxy.ts'
import { herdFigures, peakMax, type Attempt, type HerdReturn } from '../test/helpers/herd-figures.ts'
import { dropTogether } from '../test/simulation/herd/scenarios.ts'
import { BenchChild } from './lib/child.ts'
import type { BenchOptions, BenchResult } from './lib/result.ts'
import type { HubMessage } from './programs/bench-hub.ts'
import type { HerdMessage } from './programs/herd-agents.ts'

const programs = join(import.meta.dirname, 'programs')
const processes = 4
/** So long must a connection have lasted for the next delay to be short again. */
const stableMs = 31_000
/** A hub that is narrow enough for a thousand to wait for their turn. */
const narrow = { resumes: { perSecond: 100, burst: 100 }, newSessions: { perSecond: 100, burst: 200 } }

interface Sizes {
  readonly simulated: number
  readonly real: number
  readonly stableMs: number
}

export async function run({ folder, quick }: BenchOptions): Promise<BenchResult> {
  const sizes: Sizes = quick
    ? { simulated: 200, real: 20, stableMs: 0 }
    : { simulated: 10_000, real: 1_000, stableMs }
  const simulated = await dropTogether({ seed: 1, agents: sizes.simulated }, {})
  const usual = await withHerd({ folder: join(folder, 'usual'), sizes, admission: {} }, async (herd) => ({
    reset: await herd.reset(),
    restarted: await herd.restart(),
  }))
  const narrowed = await withHerd({ folder: join(folder, 'narrow'), sizes, admission: narrow }, (herd) =>
    herd.reset(),
  )
  const runs = [
    { name: 'simulated', herd: simulated, admission: {} },
    { name: 'real', herd: usual.reset, admission: {} },
    { name: 'real_restarted', herd: usual.restarted, admission: {} },
    { name: 'real_narrow', herd: narrowed, admission: narrow },
  ]
  const results = runs.map(({ name, herd, admission }) => ({
    name,
    herd,
    figures: herdFigures(herd),
    allowedMs: (herd.agents / admissionLimits(admission).resumes.perSecond) * 1_000,
  }))
  const of = (pick: (result: (typeof results)[number]) => Readonly<Record<string, number>>) =>
    Object.fromEntries(
      results.flatMap((result) =>
        Object.entries(pick(result)).map(([key, value]) => [`${result.name}_${key}`, value]),
      ),
    )
  return {
    name: 'herd',
    figures: of(({ herd, figures }) => ({
      agents: herd.agents,
      all_back_ms: herd.allBackMs,
      attempts_per_agent: figures.attemptsPerAgent,
      peak_per_100ms: figures.peak,
      mean_per_100ms: figures.mean,
      peak_to_mean: figures.peakToMean,
      echo: figures.echo,
    })),
    baseline: of(({ figures, allowedMs }) => ({
      all_back_ms: allowedMs,
      peak_per_100ms: peakMax(figures.mean),
    })),
    ratio: of(({ herd, figures, allowedMs }) => ({
      all_back: herd.allBackMs / allowedMs,
      peak: figures.peak / peakMax(figures.mean),
    })),
    histograms: Object.fromEntries(
      results.map(({ name, figures }) => [`${name}_attempts_per_second`, figures.perSecond]),
    ),
  }
}

interface HerdOptions {
  readonly folder: string
  readonly sizes: Sizes
  readonly admission: Partial<AdmissionLimits>
}

/** Real sessions at a real hub, with a proxy between them that can drop all connections at once. */
class RealHerd {
  readonly #options: HerdOptions
  readonly #proxy: FaultProxy
  #hub: BenchChild<HubMessage>
  readonly #agents: readonly BenchChild<HerdMessage>[]

  private constructor(options: HerdOptions, proxy: FaultProxy, hub: BenchChild<HubMessage>) {
    const { folder, sizes } = options
    this.#options = options
    this.#proxy = proxy
    this.#hub = hub
    this.#agents = Array.from({ length: processes }, (_, index) => {
      const url = `http://127.0.0.1:${proxy.port}`
      const count = String(sizes.real / processes)
      return new BenchChild([join(programs, 'herd-agents.ts'), folder, url, `herd${index}-`, count])
    })
  }

  static async gather(options: HerdOptions): Promise<RealHerd> {
    const proxy = await FaultProxy.open({ target: { port: 1 } })
    const herd = new RealHerd(options, proxy, startHub(options))
    try {
      await herd.#hubIsUp()
      await herd.#allOnline(0)
      // Their first logins are from before their sessions: they come back with new ones, as agents have that are not new.
      const againAt = now()
      proxy.reset()
      await herd.#allOnline(againAt)
      return herd
    } catch (error) {
      await herd.end()
      throw error
    }
  }

  /** All connections are reset, and the hub goes on. */
  async reset(): Promise<HerdReturn> {
    await this.#settle()
    const droppedAt = now()
    this.#proxy.reset()
    return this.#returnSince(droppedAt, droppedAt)
  }

  /** SIGKILL; counted from when the next process listens. */
  async restart(): Promise<HerdReturn> {
    await this.#settle()
    const droppedAt = now()
    await this.#hub.kill()
    this.#hub = startHub(this.#options)
    await this.#hubIsUp()
    return this.#returnSince(now(), droppedAt)
  }

  async end(): Promise<void> {
    await Promise.all(this.#agents.map((child) => child.stop()))
    await this.#hub.stop()
    await this.#proxy.close()
  }

  async #hubIsUp(): Promise<void> {
    const { url } = await this.#hub.next('bench:listening')
    this.#proxy.target = { port: Number(new URL(url).port) }
  }

  /** They have been online for long, and what they did before is forgotten. */
  async #settle(): Promise<void> {
    await sleep(this.#options.sizes.stableMs)
    await this.#attempts()
  }

  async #returnSince(at: number, droppedAt: number): Promise<HerdReturn> {
    const backAt = await this.#allOnline(at)
    const attempts = await this.#attempts()
    return {
      agents: this.#options.sizes.real,
      attempts: attempts.filter(({ ms }) => ms >= droppedAt).map(({ agent, ms }) => ({ agent, ms: ms - at })),
      allBackMs: backAt - at,
    }
  }

  /** When the last one had gone online after that; it is said whenever all of a process are. */
  async #allOnline(since: number): Promise<number> {
    const times = this.#agents.map(async (child) => {
      for (;;) {
        const { at } = await child.next('herd:online')
        if (at > since) return at
      }
    })
    return Math.max(...(await Promise.all(times)))
  }

  /** All since they were last asked for. */
  async #attempts(): Promise<Attempt[]> {
    for (const child of this.#agents) child.tell({ type: 'attempts' })
    const told = await Promise.all(this.#agents.map((child) => child.next('herd:attempts')))
    return told.flatMap(({ attempts }) => attempts)
  }
}

function startHub({ folder, admission }: HerdOptions): BenchChild<HubMessage> {
  return new BenchChild([
    join(programs, 'bench-hub.ts'),
    join(folder, 'hub'),
    '0',
    JSON.stringify({ admission }),
  ])
}

async function withHerd<T>(options: HerdOptions, use: (herd: RealHerd) => Promise<T>): Promise<T> {
  const herd = await RealHerd.gather(options)
  try {
    return await use(herd)
  } finally {
    await herd.end()
  }
}

function now(): number {
  return performance.timeOrigin + performance.now()
}
