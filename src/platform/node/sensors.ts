import fs from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Sensors } from '../sensors.ts'

/**
 * How often the event loop is looked at, ms. A stop is seen with its length less up to this; each look wakes the process,
 * and 5 a second cost 0.04 % of a core.
 */
const loopDelayResolutionMs = 200

/** Where the system lists the files that a process has open. */
const openFilesFolder = process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd'

export function createNodeSensors(): Sensors {
  const delays = monitorEventLoopDelay({ resolution: loopDelayResolutionMs })
  delays.enable()
  let openFilesMax: number | undefined
  return {
    read() {
      const { rss, heapUsed } = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      // Each interval that was measured has the one that was asked for in it.
      const loopDelayMaxMs = Math.max(0, delays.max / 1e6 - loopDelayResolutionMs)
      delays.reset()
      openFilesMax ??= readOpenFilesMax()
      return {
        rssBytes: rss,
        heapUsedBytes: heapUsed,
        cpuMs: (user + system) / 1_000,
        // Before the first interval is over there is no maximum.
        loopDelayMaxMs: Number.isFinite(loopDelayMaxMs) ? loopDelayMaxMs : 0,
        openFiles: countOpenFiles(openFilesMax),
        openFilesMax,
      }
    },
    close: () => void delays.disable(),
  }
}

function countOpenFiles(max: number | undefined): number | undefined {
  try {
    // The folder itself is one of them.
    return fs.readdirSync(openFilesFolder).length - 1
  } catch (error) {
    // There is none left to look with.
    const { code } = error as { code?: unknown }
    return code === 'EMFILE' || code === 'ENFILE' ? max : undefined
  }
}

function readOpenFilesMax(): number | undefined {
  try {
    const limits = fs.readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}
