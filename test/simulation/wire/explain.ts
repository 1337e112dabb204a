import { describeViolations } from '../workload/explain.ts'
import type { WireSeedResult } from './run.ts'

/** What went wrong in a seed of hub and agents, and how to see it again. */
export function explainWire(result: WireSeedResult): string {
  return describeViolations(result, 'wire')
}
