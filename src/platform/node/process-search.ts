import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import type { ProcessIdentity, ProcessTable } from '../process-table.ts'

export interface ProcessSearch {
  readonly processes: ProcessTable
  /** The variables that every process that is looked for was started with. */
  readonly variables: readonly string[]
  /** What stands in the command line of each of them: what has only inherited the variables is not one. */
  readonly program: string
}

/** A process with what it was started with under the variables that were asked for. */
export interface FoundProcess extends ProcessIdentity {
  readonly values: readonly string[]
}

/**
 * The processes of this user that were started with these variables, whatever they do now: also one that is suspended, or
 * hangs, or has not got so far as to say anything. Undefined where that is not to be known: there is no /proc, or one of them
 * cannot be looked into. 145 processes took 7 ms on a busy machine.
 */
export function searchProcesses({
  processes,
  variables,
  program,
}: ProcessSearch): FoundProcess[] | undefined {
  if (process.platform !== 'linux') return undefined
  let pids: string[]
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return undefined
  }
  const found = new Map<number, FoundProcess>()
  for (const name of pids) {
    const environment = environmentOf(name, program)
    if (environment === hidden) return undefined
    if (environment === undefined) continue
    const values = variables.flatMap((variable) => valueOf(environment, variable) ?? [])
    const pid = Number(name)
    if (values.length < variables.length) continue
    const identity = processes.identify(pid)
    if (identity !== undefined && isOwn(name) && runs(name, program))
      found.set(pid, { pid, identity, values })
  }
  // What a process starts is a copy of it, with all that it has, until the other program begins.
  return [...found.values()].filter(({ pid }) => !found.has(parentOf(pid) ?? 0))
}

/**
 * Whether what a process knows as `path` is the folder that is known as `own` here: one of a container may mean another one
 * by the same path, and one folder may have several paths. Where there is no such folder any more, the path has to be the
 * same, among the same mounts.
 */
export function seesFolder(pid: number, path: string, own: string): boolean {
  try {
    const here = statSync(own, { bigint: true, throwIfNoEntry: false })
    if (here === undefined)
      return path === own && readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt')
    const there = statSync(`/proc/${pid}/root${path}`, { bigint: true })
    return there.dev === here.dev && there.ino === here.ino
  } catch {
    return false
  }
}

const hidden = Symbol('hidden')

/** Undefined for one that is gone, or cannot be looked into and is another user's or another program. */
function environmentOf(pid: string, program: string): string | typeof hidden | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    // Out of descriptors, say: nothing is known then.
    if (code !== 'EACCES' && code !== 'EPERM') return hidden
    return isOwn(pid) && runs(pid, program) ? hidden : undefined
  }
}

function valueOf(environment: string, variable: string): string | undefined {
  const text = environment.startsWith(`${variable}=`) ? `\0${environment}` : environment
  const start = text.indexOf(`\0${variable}=`)
  if (start === -1) return undefined
  const [value = ''] = text.slice(start + variable.length + 2).split('\0', 1)
  return Buffer.from(value, 'latin1').toString('utf8')
}

/** By the user that it acts as: root may look into everybody's. */
function isOwn(pid: string): boolean {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]
  return uid !== undefined && Number(uid) === process.geteuid?.()
}

function runs(pid: string, program: string): boolean {
  return read(`/proc/${pid}/cmdline`).includes(program)
}

function parentOf(pid: number): number | undefined {
  const parent = /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]
  return parent === undefined ? undefined : Number(parent)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
