import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

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

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
