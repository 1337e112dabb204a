import { failuresOf } from '../health/history/failures.ts'
import { createAppendFile } from '../platform/node/append-file.ts'
import { historyFiles } from './history-files.ts'

/** The start of a process is the wrong time to read what was. */
const afterMs = 4_000

/**
 * How often processes of the agent have ended unexpectedly within a window, by the history that its supervisor keeps: read
 * once, since what ends later is this process.
 */
export function countFailures(folder: string): (windowMs: number) => number | undefined {
  const startedMs = performance.now()
  let times: readonly number[] | undefined
  return (windowMs) => {
    if (performance.now() - startedMs < afterMs) return undefined
    times ??= read(folder)
    return times.filter((at) => Date.now() - at <= windowMs).length
  }
}

function read(folder: string): readonly number[] {
  try {
    return failuresOf(createAppendFile(historyFiles(folder).transitions).read())
  } catch {
    return []
  }
}
