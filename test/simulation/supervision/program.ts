import type { SeededRandom } from '../../../src/testing/index.ts'

/** What is wrong with the program of a child for a while. */
export type Defect = (typeof defects)[number]

const defects = [
  /** Ends with 1 before it is ready. */
  'crash-at-start',
  /** Ends with 1 some time after it was ready, without having done anything. */
  'crash-later',
  /** Ends with 1 some time after it was ready; it does turns until then. */
  'crash-at-work',
  /** Cannot be started at all. */
  'not-started',
  /** Never gets ready. */
  'endless-start',
  /** Its event loop stops some time after it was ready. */
  'hang',
  /** Holds more and more memory. */
  'leak',
  /** Says that nothing advances. */
  'stall',
  /** Does not end when asked to. */
  'deaf',
  /** Ends with 0, unasked. */
  'quits',
  /** Says that starting it again is of no use. */
  'refuses',
  /** As `crash-at-start`, also without its mind. */
  'broken',
] as const

/** A time, virtual ms, in which processes that are started have a defect. */
export interface Episode {
  readonly fromMs: number
  readonly untilMs: number
  readonly defect: Defect
}

/** Which episodes befall a child; none begins after `endMs`. */
export function drawEpisodes(random: SeededRandom, endMs: number): Episode[] {
  const episodes: Episode[] = []
  let atMs = random.int(0, 20_000)
  while (atMs < endMs) {
    const lastsMs = random.chance(0.3) ? random.int(30_000, 90_000) : random.int(500, 10_000)
    const untilMs = Math.min(endMs, atMs + lastsMs)
    // What refuses stays down until somebody starts it, and nothing else happens to it meanwhile.
    const defect = random.pick(defects)
    if (defect !== 'refuses' || random.chance(0.5)) episodes.push({ fromMs: atMs, untilMs, defect })
    atMs = untilMs + random.int(500, 40_000)
  }
  return episodes
}

export function defectAt(episodes: readonly Episode[], ms: number): Defect | undefined {
  return episodes.find(({ fromMs, untilMs }) => fromMs <= ms && ms < untilMs)?.defect
}

/** Without its mind most of what is wrong with a program does not happen. */
export function holdsInSafeMode(defect: Defect): boolean {
  return defect === 'broken' || defect === 'deaf' || defect === 'not-started'
}
