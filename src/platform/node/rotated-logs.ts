import fs from 'node:fs'
import path from 'node:path'

/*
 * A log is a file that is appended to, `agent.log`, and what was set aside of it, each under the next number:
 * `agent.log.000017`, and once it is compressed `agent.log.000017.gz`. A number stays with its lines: nothing is renamed to
 * make room, so whoever reads knows a file again, and a kill between two renames cannot put one in the place of another.
 */

/** A file that was set aside, under either name or for a moment under both, with the same lines. */
export interface RotatedLog {
  readonly sequence: number
  readonly plain: string | undefined
  readonly compressed: string | undefined
}

/** Those that there are, the oldest first. */
export function listRotated(log: string): RotatedLog[] {
  const folder = path.dirname(log)
  const prefix = `${path.basename(log)}.`
  const found = new Map<number, { plain?: string; compressed?: string }>()
  for (const name of namesIn(folder)) {
    const [, digits, end] = (name.startsWith(prefix) && numbered.exec(name.slice(prefix.length))) || []
    if (digits === undefined) continue
    const sequence = Number(digits)
    const entry = found.get(sequence) ?? {}
    entry[end === undefined ? 'plain' : 'compressed'] = path.join(folder, name)
    found.set(sequence, entry)
  }
  return [...found]
    .map(([sequence, { plain, compressed }]) => ({ sequence, plain, compressed }))
    .toSorted((a, b) => a.sequence - b.sequence)
}

/** Leftovers of compressions that did not come to their end. */
export function listTemporary(log: string): string[] {
  const folder = path.dirname(log)
  const prefix = `${path.basename(log)}.`
  return namesIn(folder)
    .filter((name) => name.startsWith(prefix) && temporary.test(name.slice(prefix.length)))
    .map((name) => path.join(folder, name))
}

/**
 * Makes an empty file under the next number, for the log to be renamed to. Made exclusively: of two processes that set
 * files aside at the same moment each has a number of its own, and neither overwrites what the other one keeps.
 */
export function reserveNext(log: string): string {
  let sequence = (listRotated(log).at(-1)?.sequence ?? 0) + 1
  for (; ; sequence += 1) {
    const target = `${log}.${String(sequence).padStart(6, '0')}`
    try {
      fs.closeSync(fs.openSync(target, 'wx', 0o600))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw error
    }
    // Another process had it, and has compressed it since we looked.
    if (!fs.existsSync(compressedName(target))) return target
    fs.rmSync(target, { force: true })
  }
}

export function compressedName(plain: string): string {
  return `${plain}.gz`
}

/** Of this process alone: another one may be compressing the same file. */
export function temporaryName(plain: string): string {
  return `${compressedName(plain)}.${process.pid}.tmp`
}

const numbered = /^(\d{6,15})(\.gz)?$/
const temporary = /^\d{6,15}\.gz\.\d+\.tmp$/

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
