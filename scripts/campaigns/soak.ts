import type { MemberFigures, SoakReport } from '../../test/chaos/soak/soak.ts'
import { runSoak } from '../../test/chaos/soak/soak.ts'
import { median, type Slope } from '../../test/chaos/soak/slope.ts'
import type { Campaign } from './campaign.ts'

const minute = 60_000
/** Of the agents' time, as `perdura health` reports it. */
const availabilityMin = 0.999
/** MB and descriptors an hour that count as none: below what can be told apart in an hour. */
const flat = { rss: 1, descriptors: 1 }

/** One fault every minute, under the daemon, with the limits of the product but for how soon a hang is noticed. */
export const campaign: Campaign = async (say, { minutes = 60, agents = 10 }) => {
  const report = await runSoak({
    durationMs: minutes * minute,
    agents,
    faultEveryMs: minute,
    paceMs: 1_000,
    sampleEveryMs: 5_000,
    settleMs: 2 * minute,
    patienceMs: 120_000,
    warm: true,
    settings: { supervision: { hang_after: '3s', memory_max: '256MiB' } },
    say,
  })
  return {
    document: documentOf(report),
    header: [
      'process',
      'lives',
      'MB, median',
      'MB, most',
      'MB an hour',
      'files, most',
      'files an hour',
      'CPU, %',
    ],
    rows: report.members.map(rowOf),
    notes: notesOf(report),
    failures: failuresOf(report),
  }
}

function rowOf(member: MemberFigures): string[] {
  return [
    `${member.name} (${member.role})`,
    String(member.lives),
    member.rssMedianMb.toFixed(0),
    member.rssMaxMb.toFixed(0),
    describeSlope(member.rssSlope),
    String(member.descriptorsMax),
    describeSlope(member.descriptorSlope),
    member.cpuPercent.toFixed(2),
  ]
}

function describeSlope(slope: Slope | undefined): string {
  return slope === undefined
    ? '–'
    : `${slope.slope.toFixed(1)} (${slope.low.toFixed(1)} to ${slope.high.toFixed(1)})`
}

function notesOf(report: SoakReport): string[] {
  const { messages, lost, duplicated, reordered, struck, disk, durationMs } = report
  const [start, end] = (['startMb', 'endMb'] as const).map((key) =>
    Object.values(disk).reduce((sum, part) => sum + part[key], 0),
  ) as [number, number]
  const idle = disk['agents/Idle']
  const byFault = Map.groupBy(struck, ({ fault }) => fault)
  const healed = [...byFault].map(
    ([fault, times]) =>
      `${fault} ${times.length} times, ${(median(times.map(({ healedMs }) => healedMs)) / 1_000).toFixed(1)} s`,
  )
  return [
    `${(durationMs / minute).toFixed(0)} minutes, ${struck.length} faults, ${messages} messages: ${lost} lost, ${duplicated} doubled, ${reordered} out of order.`,
    `Availability: ${describeAvailability(report)}.`,
    `From a fault until everybody was online again, median: ${healed.join('; ')}.`,
    `Disk: ${start.toFixed(1)} MB at the start, ${end.toFixed(1)} MB at the end, ${(((end - start) * 1_000) / Math.max(1, messages)).toFixed(2)} kB for each message; the idle agent's folder ${idle?.startMb.toFixed(2)} MB and ${idle?.endMb.toFixed(2)} MB.`,
  ]
}

function describeAvailability({ availability }: SoakReport): string {
  const all = [...availability.values()]
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length
  const percent = (share: number): string => `${(share * 100).toFixed(3)} %`
  return `${percent(mean)} of the agents' time, ${percent(Math.min(...all))} of the worst one's`
}

function failuresOf(report: SoakReport): string[] {
  const { availability, members, findings } = report
  const mean = [...availability.values()].reduce((sum, one) => sum + one, 0) / availability.size
  const growing = (slope: Slope | undefined, most: number): boolean =>
    slope !== undefined && slope.low > 0 && slope.slope > most
  return [
    ...findings,
    ...(mean >= availabilityMin ? [] : [`availability: ${describeAvailability(report)}`]),
    ...members.flatMap(({ name, rssSlope, descriptorSlope }) => [
      ...(growing(rssSlope, flat.rss) ? [`${name} grows by ${describeSlope(rssSlope)} MB an hour`] : []),
      ...(growing(descriptorSlope, flat.descriptors)
        ? [`${name} opens ${describeSlope(descriptorSlope)} more files an hour`]
        : []),
    ]),
  ]
}

function documentOf(report: SoakReport): object {
  const { messages, lost, duplicated, reordered, durationMs, struck, members, disk, availability } = report
  const slope = (of: Slope | undefined): object | null => of ?? null
  return {
    duration_ms: Math.round(durationMs),
    messages,
    lost,
    duplicated,
    reordered,
    availability: Object.fromEntries(availability),
    faults: struck.map(({ fault, victim, healedMs }) => ({ fault, victim, healed_ms: Math.round(healedMs) })),
    processes: members.map((member) => ({
      name: member.name,
      role: member.role,
      lives: member.lives,
      rss_median_mb: member.rssMedianMb,
      rss_max_mb: member.rssMaxMb,
      rss_mb_per_hour: slope(member.rssSlope),
      descriptors_max: member.descriptorsMax,
      descriptors_per_hour: slope(member.descriptorSlope),
      cpu_percent: member.cpuPercent,
    })),
    disk_mb: Object.fromEntries(
      Object.entries(disk).map(([part, { startMb, endMb }]) => [part, { start: startMb, end: endMb }]),
    ),
  }
}
