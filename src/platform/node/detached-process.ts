import { spawn } from 'node:child_process'
import fs from 'node:fs'
import type { ChildExit } from '../child.ts'
import { isAlive, type ProcessIdentity, type ProcessTable } from '../process-table.ts'
import { openOutputFile } from './output-file.ts'
import { signalProcess } from './signal-process.ts'

export interface DetachedCommand {
  readonly file: string
  readonly arguments: readonly string[]
  /** The whole environment of the process. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingFolder: string
  /** Where its output goes, appended. */
  readonly outputFile: string
}

/** A process that lives on when this one ends: a session of its own, and no pipe between the two. */
export interface DetachedProcess {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined
  /** False when it is gone. */
  signal(name: NodeJS.Signals): boolean
  /** Looks at once whether it is gone: something suggests it. */
  look(): void
  /** It is no longer watched, and lives on; `onExit` is not called any more. */
  leave(): void
}

/**
 * How often an adopted process is looked for, ms. It is nobody's child, so that nothing tells of its end for certain; what
 * mostly does is that its connection closes, and then it is looked for at once, and again until it has had time to go.
 */
const pollMs = 1_000
const hurriedMs = 10
const hurriedLooksMax = 20

/** Calls `onExit` exactly once, also when it could not be started; never before this returns. */
export function startDetached(command: DetachedCommand, onExit: (exit: ChildExit) => void): DetachedProcess {
  let left = false
  const finish = (exit: ChildExit): void => {
    if (!left) onExit(exit)
    left = true
  }
  const fail = (error: Error): DetachedProcess => {
    setImmediate(() => finish({ code: null, signal: null, error }))
    return { pid: undefined, signal: () => false, look: () => undefined, leave: () => (left = true) }
  }
  // Said of the program otherwise, which is there.
  if (!fs.existsSync(command.workingFolder))
    return fail(new Error(`its working folder ${command.workingFolder} is gone`))
  let output: number
  try {
    output = openOutputFile(command.outputFile)
  } catch (error) {
    return fail(error as Error)
  }
  try {
    const child = spawn(command.file, command.arguments, {
      cwd: command.workingFolder,
      env: command.environment,
      stdio: ['ignore', output, output],
      detached: true,
      windowsHide: true,
    })
    child.unref()
    child.on('error', (error) => {
      // Also told of signals that could not be delivered.
      if (child.pid === undefined) finish({ code: null, signal: null, error })
    })
    child.on('exit', (code, signal) => finish({ code, signal }))
    return {
      pid: child.pid,
      signal: (name) => child.exitCode === null && child.signalCode === null && child.kill(name),
      look: () => undefined,
      leave: () => (left = true),
    }
  } finally {
    fs.closeSync(output)
  }
}

/**
 * Watches a process that another one started. Signals go to it only as long as the process table knows it by the same
 * identity. How it ended is not to be known, so that code and signal are null.
 */
export function adoptProcess(
  process: ProcessIdentity,
  table: ProcessTable,
  onExit: (exit: ChildExit) => void,
): DetachedProcess {
  let left = false
  const leave = (): void => {
    left = true
    clearInterval(timer)
  }
  const isGone = (): boolean => {
    if (left) return true
    if (isAlive(table, process)) return false
    leave()
    onExit({ code: null, signal: null })
    return true
  }
  const timer = setInterval(isGone, pollMs)
  timer.unref()
  // What makes one look is mostly its end, which takes some ms more.
  const look = (looks = hurriedLooksMax): void => {
    if (!isGone() && looks > 0) setTimeout(() => look(looks - 1), hurriedMs).unref()
  }
  return {
    pid: process.pid,
    signal(name) {
      return !left && signalProcess(table, process, name)
    },
    look: () => look(),
    leave,
  }
}
