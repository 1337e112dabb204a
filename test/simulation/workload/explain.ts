import type { SeedResult } from './run.ts'

const shownMax = 10

interface Judged {
  readonly seed: number
  readonly violations: readonly { readonly invariant: string; readonly message: string }[]
  readonly lastLines: readonly string[]
}

/** What went wrong in a seed, and how to see it again. */
export function explain(result: SeedResult): string {
  return describeViolations(result, 'agent')
}

export function describeViolations({ seed, violations, lastLines }: Judged, world: string): string {
  const shown = violations
    .slice(0, shownMax)
    .map(({ invariant, message }) => `  ${invariant}: ${message.slice(0, 300)}`)
  const more = violations.length > shownMax ? [`  … and ${violations.length - shownMax} more`] : []
  return [
    `seed ${seed} violates ${violations.length} invariants:`,
    ...shown,
    ...more,
    'the last that happened:',
    ...lastLines.slice(-12).map((line) => `  ${line.slice(0, 200)}`),
    `to replay it: npm run simulate -- --world ${world} --seeds 1 --seed ${seed}`,
  ].join('\n')
}
