import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toError } from '../../../src/errors.ts'
import { CommandLine } from '../../helpers/command-line.ts'
import { killProcessesOf, leftoversOf } from '../../helpers/home-processes.ts'
import { faults, type Fault } from './faults.ts'
import { Fleet, type FleetOptions, type Role } from './fleet.ts'
import { diskBytes, Gauge, look } from './gauges.ts'
import { judge, type Ledger, type Verdict } from './ledger.ts'
import { median, slopeOf, type Slope } from './slope.ts'

export interface SoakOptions extends FleetOptions {
  /** For how long faults are inflicted, ms. */
  readonly durationMs: number
  /** So many faults at most. Default: as many as there is time for. */
  readonly faultsMax?: number
  /** From one fault to the next, ms; more where it took longer until all was well. */
  readonly faultEveryMs: number
  /** What is inflicted, in this order, again and again. Default: all. */
  readonly faults?: readonly Fault[]
  readonly sampleEveryMs: number
  /** What the start of a process says about its memory is left out for so long, ms. */
  readonly settleMs: number
  readonly say?: (line: string) => void
}

export interface Struck {
  readonly fault: string
  readonly victim: string
  /** From the fault to the moment when all were well again, ms. */
  readonly healedMs: number
}

export interface MemberFigures {
  readonly name: string
  readonly role: Role | 'daemon' | 'hub'
  readonly lives: number
  readonly rssMedianMb: number
  readonly rssMaxMb: number
  /** MB an hour. */
  readonly rssSlope: Slope | undefined
  readonly descriptorsMax: number
  /** An hour. */
  readonly descriptorSlope: Slope | undefined
  readonly cpuPercent: number
}

export interface SoakReport extends Verdict {
  readonly durationMs: number
  readonly struck: readonly Struck[]
  readonly members: readonly MemberFigures[]
  readonly disk: Readonly<Record<string, { readonly startMb: number; readonly endMb: number }>>
  /** By agent, from 0 to 1. */
  readonly availability: ReadonlyMap<string, number>
}

/** Keeps a fleet at work, strikes it at regular times, and says what became of it. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const cli = new CommandLine(mkdtempSync(join(tmpdir(), 'perdura-soak-')))
  const fleet = new Fleet(cli, options)
  try {
    return await new Soak(cli, fleet, options).execute()
  } finally {
    await fleet.traffic.abandon()
    await killProcessesOf(cli.home)
    await fleet.close()
    await cli.close()
  }
}

class Soak {
  readonly #cli: CommandLine
  readonly #fleet: Fleet
  readonly #options: SoakOptions
  readonly #findings: string[] = []
  readonly #struck: Struck[] = []
  readonly #gauges = new Map<string, Gauge>()
  #poisoned = new Map<string, number>()

  constructor(cli: CommandLine, fleet: Fleet, options: SoakOptions) {
    this.#cli = cli
    this.#fleet = fleet
    this.#options = options
  }

  async execute(): Promise<SoakReport> {
    const fleet = this.#fleet
    await fleet.start()
    this.#options.say?.('all are online')
    const startedMs = performance.now()
    const calm = new AbortController()
    fleet.traffic.start()
    const sampling = this.#sample(calm.signal)
    await sleep(Math.min(this.#options.settleMs, this.#options.faultEveryMs))
    const diskAtStart = this.#disk()
    await this.#strike(startedMs)
    await fleet.healed()
    const availability = await this.#availability(startedMs)
    await fleet.settle()
    calm.abort()
    await sampling
    const diskAtEnd = this.#disk()
    for (const [agent, poisoned] of this.#poisoned) {
      const dead = fleet.members.dead(agent)
      if (dead !== poisoned)
        this.#findings.push(`${agent} set ${dead} messages aside, and ${poisoned} were poisonous`)
    }
    await this.#stop()
    const verdict = judge(fleet.traffic.expected(), this.#ledgers())
    return {
      ...verdict,
      durationMs: performance.now() - startedMs,
      struck: this.#struck,
      members: [...this.#gauges].map(([name, gauge]) => this.#figures(name, gauge)),
      disk: Object.fromEntries(
        Object.entries(diskAtStart).map(([part, startMb]) => [
          part,
          { startMb, endMb: diskAtEnd[part] ?? 0 },
        ]),
      ),
      availability,
      findings: [...this.#findings, ...fleet.traffic.complaints, ...verdict.findings],
    }
  }

  /** One fault after the other, each at another victim, with all well in between. */
  async #strike(startedMs: number): Promise<void> {
    const { durationMs, faultEveryMs, faultsMax = Infinity, say, faults: chosen = faults } = this.#options
    const workers = this.#fleet.named('worker')
    for (let count = 0; count < faultsMax && performance.now() - startedMs < durationMs; count += 1) {
      const beganMs = performance.now()
      const fault = chosen[count % chosen.length] as Fault
      // Which fault comes to which worker moves on with each round.
      const worker = workers[(count + Math.floor(count / chosen.length)) % workers.length] ?? ''
      const victim = fault.target === 'agent' ? worker : fault.target
      const before = await this.#fleet.processes()
      try {
        await fault.inflict(this.#fleet, victim)
        if (fault.replaces) await this.#replaced(victim, before.get(victim))
        if (fault.name === 'poison') await this.#setAside(victim)
        await this.#fleet.healed()
      } catch (error) {
        this.#findings.push(`${fault.name} at ${victim}: ${toError(error).message}`)
      }
      const healedMs = performance.now() - beganMs
      this.#struck.push({ fault: fault.name, victim, healedMs })
      say?.(`${fault.name} at ${victim}: well again after ${(healedMs / 1_000).toFixed(1)} s`)
      await sleep(Math.max(0, beganMs + faultEveryMs - performance.now()))
      this.#compare(fault, victim, before, await this.#fleet.processes())
    }
  }

  async #replaced(victim: string, before: string | undefined): Promise<void> {
    await this.#fleet.until(`${victim} has another process`, async () => {
      const now = (await this.#fleet.processes()).get(victim)
      return now !== undefined && now !== before
    })
  }

  async #setAside(victim: string): Promise<void> {
    const count = (this.#poisoned.get(victim) ?? 0) + 1
    this.#poisoned.set(victim, count)
    await this.#fleet.until(
      `${victim} has set the message aside`,
      () => this.#fleet.members.dead(victim) >= count,
    )
  }

  /** Nobody but the victim has another process than before. */
  #compare(
    fault: Fault,
    victim: string,
    before: ReadonlyMap<string, string | undefined>,
    after: ReadonlyMap<string, string | undefined>,
  ): void {
    for (const [member, process] of after) {
      const isOther = process !== before.get(member)
      if (isOther === (member === victim && fault.replaces)) continue
      const what =
        process === undefined ? 'does not answer' : isOther ? 'has another process' : 'has the same process'
      this.#findings.push(`${member} ${what} after ${fault.name} at ${victim}`)
    }
  }

  async #sample(signal: AbortSignal): Promise<void> {
    const { members, roles } = this.#fleet
    while (!signal.aborted) {
      for (const name of ['daemon', 'hub', ...roles.keys()]) {
        const pid = members.pidOf(name)
        const sample = pid === undefined ? undefined : look(pid, performance.now())
        if (pid === undefined || sample === undefined) continue
        let gauge = this.#gauges.get(name)
        if (gauge === undefined) this.#gauges.set(name, (gauge = new Gauge()))
        gauge.add(pid, sample)
      }
      await sleep(this.#options.sampleEveryMs, undefined, { signal }).catch(() => undefined)
    }
  }

  #figures(name: string, gauge: Gauge): MemberFigures {
    const { settleMs } = this.#options
    const stretchMs = 60_000
    const hourly = (slope: Slope | undefined): Slope | undefined =>
      slope && {
        slope: slope.slope * 3_600_000,
        low: slope.low * 3_600_000,
        high: slope.high * 3_600_000,
        points: slope.points,
      }
    return {
      name,
      role: this.#fleet.roles.get(name) ?? (name === 'hub' ? 'hub' : 'daemon'),
      lives: gauge.lives,
      rssMedianMb: median(gauge.values('rssMb', settleMs)),
      rssMaxMb: Math.max(...gauge.values('rssMb')),
      rssSlope: hourly(slopeOf(gauge.series('rssMb', settleMs), stretchMs)),
      descriptorsMax: Math.max(...gauge.values('descriptors')),
      descriptorSlope: hourly(slopeOf(gauge.series('descriptors', settleMs), stretchMs)),
      cpuPercent: gauge.cpuPercent(settleMs) ?? Number.NaN,
    }
  }

  /** MB. */
  #disk(): Record<string, number> {
    const { home } = this.#cli
    const folders = ['daemon', 'hub', ...[...this.#fleet.roles.keys()].map((name) => join('agents', name))]
    return Object.fromEntries(folders.map((folder) => [folder, diskBytes(join(home, folder)) / 1e6]))
  }

  /** As a person asks for it, of the time since the soak began. */
  async #availability(startedMs: number): Promise<Map<string, number>> {
    // Not a second more: what was before, the start of all, is no outage of the soak. A minute is the least that can be asked for.
    const seconds = Math.max(60, Math.floor((performance.now() - startedMs) / 1_000))
    const { agents } = await this.#cli.json(['health', '--all', '--since', `${seconds}s`])
    const reports = agents as { readonly agent: string; readonly availability_percent: number | null }[]
    return new Map(
      reports.map(({ agent, availability_percent: percent }) => [agent, (percent ?? Number.NaN) / 100]),
    )
  }

  async #stop(): Promise<void> {
    await this.#fleet.stop()
    for (const left of leftoversOf(this.#cli.home)) this.#findings.push(`left behind: ${left}`)
  }

  #ledgers(): Map<string, Ledger> {
    return new Map(
      this.#fleet.named('worker', 'steady').flatMap((name) => {
        const ledger = this.#fleet.members.ledger(name)
        return ledger === undefined ? [] : [[name, ledger] as const]
      }),
    )
  }
}
