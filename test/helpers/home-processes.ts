import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNodeLocks } from '../../src/platform/node/locks.ts'

export interface HomeProcess {
  readonly pid: number
  readonly command: string
}

/**
 * Every process that was started for this home, whoever its parent is by now and whatever its records say: known by
 * PERDURA_HOME in its environment. Only Linux can tell. One that has ended and that nobody has asked about is none.
 */
export function processesOf(home: string): HomeProcess[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => {
      const environment = read(`/proc/${pid}/environ`)?.split('\0') ?? []
      if (!environment.includes(`PERDURA_HOME=${home}`)) return []
      const command = (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim()
      return [{ pid, command }]
    })
}

/** Ends them all: again and again, since one that keeps others running may have started one meanwhile. */
export async function killProcessesOf(home: string): Promise<void> {
  for (let left = processesOf(home); left.length > 0; left = processesOf(home)) {
    // What starts others first.
    const daemons = left.filter(({ command }) => command.includes(' daemon '))
    for (const { pid } of [...daemons, ...left]) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It is gone already.
      }
    }
    await sleep(10)
  }
}

/** What is alive of a home, in words: processes, and locks. Records of processes that were killed are evidence. */
export function livingLeftoversOf(home: string): string[] {
  return leftoversOf(home).filter((text) => text.startsWith('process ') || text.endsWith('is locked'))
}

/** What a clean stop must not leave in a home, in words: processes, sockets, records of processes, locks. */
export function leftoversOf(home: string): string[] {
  const locks = createNodeLocks()
  const files = existsSync(home) ? readdirSync(home, { recursive: true, withFileTypes: true }) : []
  return [
    ...processesOf(home).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...files.flatMap((entry) => {
      const path = join(entry.parentPath, entry.name)
      if (entry.isSocket() || entry.name.endsWith('.pid')) return [path]
      if (entry.name !== 'lock.db') return []
      const lock = locks.tryLock(path)
      lock?.release()
      return lock === undefined ? [`${path} is locked`] : []
    }),
  ]
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
