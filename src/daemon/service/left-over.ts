import type { ProcessTable } from '../../platform/process-table.ts'
import type { ServiceHost } from './host.ts'

const pollMs = 100

/** The control group of a process as systemd knows it; undefined where that cannot be told. */
export function controlGroupOf(host: Pick<ServiceHost, 'read'>, pid: number | 'self'): string | undefined {
  let text: string | undefined
  try {
    text = host.read(`/proc/${pid}/cgroup`)
  } catch {
    return undefined // it has ended while it was read
  }
  // In the new hierarchy, which has number 0; a machine that has the old one only has systemd's own, which has a name.
  const paths = ['0::', ':name=systemd:'].map((mark) => {
    const line = (text ?? '').split('\n').find((candidate) => candidate.includes(mark))
    return line?.slice(line.indexOf(mark) + mark.length)
  })
  return paths.find((path) => path !== undefined && path !== '/')
}

/** Processes of a control group and of those below it, this one apart. */
export function processesIn(host: Pick<ServiceHost, 'read' | 'list'>, group: string): number[] {
  return host
    .list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      if (pid === process.pid) return false
      const other = controlGroupOf(host, pid)
      return other === group || other?.startsWith(`${group}/`) === true
    })
}

/**
 * Ends what is left in a control group: asked at first, which lets agents finish as with `stop`, after `waitMs` killed. Returns
 * the processes that there were.
 */
export async function sweep(
  host: ServiceHost,
  table: ProcessTable,
  group: string,
  waitMs: number,
): Promise<number[]> {
  const told = new Map<number, string>()
  for (let passedMs = 0; ; passedMs += pollMs) {
    const left = processesIn(host, group).filter((pid) => table.identify(pid) !== undefined)
    if (left.length === 0) return [...told.keys()]
    for (const pid of left) {
      const identity = table.identify(pid)
      if (identity === undefined) continue
      if (passedMs >= waitMs) host.signal(pid, 'SIGKILL')
      else if (told.get(pid) !== identity) host.signal(pid, 'SIGTERM')
      told.set(pid, identity)
    }
    // What SIGKILL does not end waits for a disk that does not answer: the manager sees it, and it is not for us to wait.
    if (passedMs >= waitMs + 5_000) return [...told.keys()]
    await host.sleep(pollMs)
  }
}
