import fs from 'node:fs'
import type { Sensors } from '../sensors.ts'
import { memoryUsage } from './memory.ts'

/**
 * How often the event loop is looked at, ms. A stop is seen with its length less up to this; each look wakes the process,
 * and 5 a second cost less than 0.1 % of a core.
 */
const loopDelayResolutionMs = 200

/** Where the system lists the files that a process has open. */
const openFilesFolder = process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd'

export function createNodeSensors(): Sensors {
  let lookedMs = performance.now()
  let loopDelayMaxMs = 0
  let openFilesMax: number | undefined
  // Node's own histogram of this costs half as much, and is blind after each reset until it has looked twice.
  const timer = setInterval(look, loopDelayResolutionMs)
  timer.unref()

  function look(): void {
    const nowMs = performance.now()
    loopDelayMaxMs = Math.max(loopDelayMaxMs, nowMs - lookedMs - loopDelayResolutionMs)
    lookedMs = nowMs
  }

  return {
    read() {
      // What it has been kept from until now counts as well.
      const delayMs = Math.max(loopDelayMaxMs, performance.now() - lookedMs - loopDelayResolutionMs)
      loopDelayMaxMs = 0
      lookedMs = Math.max(lookedMs, performance.now() - loopDelayResolutionMs)
      const { user, system } = process.cpuUsage()
      openFilesMax ??= readOpenFilesMax()
      return {
        ...memoryUsage(),
        cpuMs: (user + system) / 1_000,
        loopDelayMaxMs: Math.max(0, delayMs),
        openFiles: countOpenFiles(openFilesMax),
        openFilesMax,
      }
    },
    close: () => clearInterval(timer),
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
