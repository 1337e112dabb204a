import type { JsonObject } from '../json.ts'
import type { CheckName } from './finding.ts'
import type { HealthView } from './monitor.ts'
import type { HealthReport } from './report.ts'

/** How a process finds itself, with all that was looked at: for its owner. */
export function reportJson({
  report,
  view,
}: {
  readonly report: HealthReport
  readonly view: HealthView
}): JsonObject {
  const { state, notReady, reasons } = report
  return {
    state,
    ready: notReady.length === 0,
    not_ready: [...notReady],
    reasons: reasons.map(({ check, state, text }) => ({ check, state, text })),
    checks: view.findings.map(({ check, state, value, threshold, text }) => ({
      check,
      state,
      value,
      threshold: threshold !== undefined && Number.isFinite(threshold) ? threshold : null,
      text,
    })),
    not_measured: notMeasured(view),
  }
}

/** What applies to every process, and the system does not say: a check that is missing is not one that is well. */
function notMeasured({ figures }: HealthView): CheckName[] {
  if (figures === undefined) return []
  const { diskFreeBytes, process } = figures
  const { openFiles, openFilesMax } = process
  const found: CheckName[] = []
  if (diskFreeBytes === undefined) found.push('disk')
  if (openFiles === undefined || openFilesMax === undefined) found.push('open_files')
  return found
}
