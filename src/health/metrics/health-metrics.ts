import { checkNames } from '../finding.ts'
import type { HealthView } from '../monitor.ts'
import type { HealthReport, HealthState } from '../report.ts'
import type { Exposition } from './exposition.ts'

const healthStates: readonly HealthState[] = ['healthy', 'degraded', 'unhealthy']

export interface MeasuredHealth {
  /** As of the last sample, at most some seconds old. */
  readonly view: HealthView
  readonly report: HealthReport
  /** Changes of the overall state. */
  readonly changes: number
}

/** What is measured of every process, be it an agent's or a hub's. */
export function healthMetrics(page: Exposition, { view, report, changes }: MeasuredHealth): void {
  const { findings, figures } = view
  const { state, notReady } = report
  page
    .gauge('perdura_ready', 'Whether it takes in and handles.', notReady.length === 0 ? 1 : 0)
    .gauges(
      'perdura_health_state',
      'The overall state: 1 for the one that it is.',
      healthStates.map((one) => [{ state: one }, one === state ? 1 : 0]),
    )
    .gauges(
      'perdura_health_check_state',
      'Each check: 0 healthy, 1 degraded, 2 unhealthy.',
      checkNames.flatMap((check) => {
        const found = findings.find((finding) => finding.check === check)
        return found === undefined ? [] : [[{ check }, healthStates.indexOf(found.state)] as const]
      }),
    )
    .counter('perdura_health_changes_total', 'Changes of the overall state.', changes)
  if (figures === undefined) return
  const { process } = figures
  page
    .gauge('perdura_process_resident_memory_bytes', 'Resident memory.', process.rssBytes)
    .gauge('perdura_process_heap_used_bytes', 'Memory that JavaScript uses.', process.heapUsedBytes)
    .gauge(
      'perdura_process_memory_growth_bytes_per_second',
      'Trend of the resident memory.',
      perSecond(figures.memoryGrowthBytes),
    )
    .counter('perdura_process_cpu_seconds_total', 'Processor time.', seconds(process.cpuMs))
    .gauge('perdura_process_cpu_ratio', 'Part of a core over the last minute.', figures.cpu)
    .gauge('perdura_process_open_files', 'Files that are open.', process.openFiles)
    .gauge('perdura_process_open_files_limit', 'Files that may be open.', process.openFilesMax)
    .gauge(
      'perdura_event_loop_delay_max_seconds',
      'Longest stop of the event loop within the last sample.',
      seconds(process.loopDelayMaxMs),
    )
    .gauge('perdura_disk_free_bytes', 'Room on the disk of the home.', figures.diskFreeBytes)
    .gauge('perdura_restarts_recent', 'Unexpected ends within the window.', figures.restarts)
}

export function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1_000
}

function perSecond(anHour: number | undefined): number | undefined {
  return anHour === undefined ? undefined : anHour / 3_600
}
