/** One agent asks for a connection. */
export interface Attempt {
  readonly agent: string
  readonly ms: number
}

/** What a herd did after its connections had dropped together, at 0 ms. */
export interface HerdReturn {
  readonly agents: number
  /** All since the drop; in a hub's absence too, and then before 0 ms, where it is counted from its return. */
  readonly attempts: readonly Attempt[]
  /** When the last of them was online again, ms. */
  readonly allBackMs: number
}

export interface HerdFigures {
  readonly attemptsPerAgent: number
  /** Attempts in the busiest bin of 100 ms, and in one in the mean. */
  readonly peak: number
  readonly mean: number
  readonly peakToMean: number
  /**
   * The strongest echo of the bins in themselves, from 1 s to 31 s later, beyond what chance makes: near 1 where they repeat
   * exactly, 0 where nobody keeps step.
   */
  readonly echo: number
  /** Attempts in each second. */
  readonly perSecond: readonly number[]
}

const binMs = 100

/**
 * Figures of the time from `fromMs` to `toMs`. By default it begins when everybody has tried once: the first attempts are to
 * be soon, at a random moment within a second, and that is no wave of those who have been refused.
 */
export function herdFigures(
  { agents, attempts, allBackMs }: HerdReturn,
  {
    fromMs = triedMs(attempts) + binMs,
    toMs = allBackMs,
  }: { readonly fromMs?: number; readonly toMs?: number } = {},
): HerdFigures {
  const since = attempts.map(({ ms }) => ms).filter((ms) => ms >= 0)
  const bins = countsOf(since, { fromMs, toMs, widthMs: binMs })
  const mean = bins.reduce((sum, count) => sum + count, 0) / bins.length
  const peak = Math.max(0, ...bins)
  return {
    attemptsPerAgent: since.length / agents,
    peak,
    mean,
    peakToMean: mean === 0 ? 0 : peak / mean,
    echo: echoOf(bins, mean),
    perSecond: countsOf(since, { fromMs: 0, toMs: Math.max(toMs, 1_000), widthMs: 1_000 }),
  }
}

/** When everybody had tried once, ms; 0 where that was before. */
function triedMs(attempts: readonly Attempt[]): number {
  const first = new Map<string, number>()
  for (const { agent, ms } of attempts) first.set(agent, Math.min(first.get(agent) ?? Infinity, ms))
  return Math.max(0, ...first.values())
}

/**
 * What the busiest bin may have where everybody draws for himself: six standard deviations above the mean of a Poisson
 * distribution are exceeded in one of some hundred million bins.
 */
export function peakMax(mean: number): number {
  return mean + 6 * Math.sqrt(mean) + 6
}

function countsOf(
  timesMs: readonly number[],
  { fromMs, toMs, widthMs }: { readonly fromMs: number; readonly toMs: number; readonly widthMs: number },
): number[] {
  const counts = Array.from({ length: Math.max(1, Math.ceil((toMs - fromMs) / widthMs)) }, () => 0)
  for (const ms of timesMs) {
    const bin = Math.floor((ms - fromMs) / widthMs)
    if (ms >= fromMs && bin < counts.length) counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts
}

const echoFromBins = 1_000 / binMs
const echoToBins = 31_000 / binMs

/**
 * Autocorrelation, of lags for which there are at least as many pairs of bins as are skipped. Of independent bins it has a
 * standard deviation of one by the root of the pairs; four of them are taken off.
 */
function echoOf(bins: readonly number[], mean: number): number {
  const variance = bins.reduce((sum, count) => sum + (count - mean) ** 2, 0) / bins.length
  if (variance === 0) return 0
  let strongest = 0
  for (let lag = echoFromBins; lag <= Math.min(echoToBins, bins.length / 2); lag += 1) {
    let sum = 0
    for (let at = lag; at < bins.length; at += 1) {
      sum += ((bins[at] ?? 0) - mean) * ((bins[at - lag] ?? 0) - mean)
    }
    const pairs = bins.length - lag
    strongest = Math.max(strongest, sum / pairs / variance - 4 / Math.sqrt(pairs))
  }
  return strongest
}
