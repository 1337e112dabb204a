import fs from 'node:fs'
import type { Sensors } from '../sensors.ts'
import { memoryUsage } from './memory.ts'

/**
 * How often the event loop is looked at, ms. A stop is seen with its length less up to this; each look wakes the process,
 * and 5 a second cost less than 0.1 % of a core.
 */
const loopDelayResolutionMs = 200

/** Where the system lists the files that a process has open, and how many it may have. */
interface OpenFilesSource {
  readonly folder: string
  readonly max: () => number | undefined
}

const proc: OpenFilesSource = { folder: '/proc/self/fd', max: maxOfProc }

/** Of macOS and other systems without /proc. `/dev/fd` has the files of whoever looks. */
const devFd: OpenFilesSource = { folder: '/dev/fd', max: maxOfReport }

export interface NodeSensorsOptions {
  /** Default: whether there is one. */
  readonly hasProc?: boolean
}

export function createNodeSensors({
  hasProc = fs.existsSync(proc.folder),
}: NodeSensorsOptions = {}): Sensors {
  const source = hasProc ? proc : devFd
  let lookedMs = performance.now()
  let loopDelayMaxMs = 0
  let openFilesMax: number | undefined
  let isMaxAsked = false
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
      // Once: nothing but the process itself could change it, and nothing of ours does.
      if (!isMaxAsked) openFilesMax = source.max()
      isMaxAsked = true
      return {
        ...memoryUsage(),
        cpuMs: (user + system) / 1_000,
        loopDelayMaxMs: Math.max(0, delayMs),
        openFiles: countOpenFiles(source, openFilesMax),
        openFilesMax,
      }
    },
    close: () => clearInterval(timer),
  }
}

function countOpenFiles({ folder }: OpenFilesSource, max: number | undefined): number | undefined {
  try {
    // The folder itself is one of them.
    return fs.readdirSync(folder).length - 1
  } catch (error) {
    // There is none left to look with.
    const { code } = error as { code?: unknown }
    return code === 'EMFILE' || code === 'ENFILE' ? max : undefined
  }
}

function maxOfProc(): number | undefined {
  try {
    const limits = fs.readFileSync('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** From Node's report about itself, which takes milliseconds. Undefined where there is no limit. */
function maxOfReport(): number | undefined {
  // Node's types do not know the option yet.
  const report = process.report as typeof process.report & { excludeNetwork: boolean }
  const { excludeNetwork } = report
  try {
    // Or it looks up the name of whoever is connected.
    report.excludeNetwork = true
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
    const soft = userLimits?.open_files?.soft
    return typeof soft === 'number' && soft > 0 ? soft : undefined
  } catch {
    return undefined
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}
