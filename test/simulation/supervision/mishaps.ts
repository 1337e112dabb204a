import type { SeededRandom } from '../../../src/testing/index.ts'

/** What befalls the daemon, its children and their machine, besides what is wrong with the children's programs. */
export const mishapKinds = [
  'daemon:killed',
  'daemon:killed within',
  'daemon:upgraded',
  'daemon:stopped',
  'daemon:suspended',
  'daemon:twice',
  'child:suspended',
  'child:out of memory',
  'children:out of memory',
  'clock:jump',
  'disk:fills',
  'machine:reboot',
  'machine:sleep',
] as const

export type MishapKind = (typeof mishapKinds)[number]

export interface Mishaps {
  readonly kinds: readonly MishapKind[]
  /** Between two of them, ms. */
  readonly gapMs: number
  /** Whether children have defects. */
  readonly defects: boolean
  /** Whether somebody wants something every few seconds. */
  readonly restless: boolean
  /** Only starts are asked for. */
  readonly quiet: boolean
}

/** Each seed has a mixture of its own: one kind can hide another. */
export function drawMishaps(random: SeededRandom): Mishaps {
  return {
    kinds: mishapKinds.filter((kind) => random.chance(kind === 'disk:fills' ? 0.2 : 0.35)),
    gapMs: random.pick([3_000, 10_000, 30_000]),
    defects: random.chance(0.7),
    restless: random.chance(0.4),
    quiet: random.chance(0.3),
  }
}
