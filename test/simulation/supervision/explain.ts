import { describeViolations } from '../workload/explain.ts'
import type { SupervisionSeedResult } from './run.ts'

/** What went wrong in a seed of supervision, and how to see it again. */
export function explainSupervision(result: SupervisionSeedResult): string {
  return describeViolations(result, 'supervision')
}
