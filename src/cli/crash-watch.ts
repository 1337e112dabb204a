import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { toError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'
import type { Json } from '../json.ts'
import { formatCrashReport, type CrashFacts } from '../platform/crash-report.ts'
import type { Log } from '../platform/log.ts'
import { takeCrashReports, writeCrashReport } from '../platform/node/crash-files.ts'
import { memoryUsage } from '../platform/node/memory.ts'
import { writeToStandardError } from '../platform/node/standard-error.ts'
import type { Process } from '../platform/process.ts'
import type { RecentLines } from '../platform/recent-lines.ts'
import { redactStart } from '../platform/redact.ts'
import { ownVersion } from './version.ts'

const standardErrorLengthMax = 64 * 1024

export interface CrashWatchOptions {
  readonly log: Log
  readonly recent: RecentLines
  /** Where reports go. */
  readonly folder: string
  /** To be taken out besides what looks like one. */
  readonly secrets: readonly string[]
}

/**
 * The end of a process by a bug: an exception or a rejection that nobody caught, a commit that failed half-way. It is said in
 * the log, on standard error and in a report, then the process is over with exit code 70, and whoever supervises it starts
 * it again: nobody knows in what state the memory of such a process is.
 */
export class CrashWatch {
  readonly #options: CrashWatchOptions
  #crashing = false
  /** What the agent was at, for the report. */
  describe: () => Readonly<Record<string, Json>> = () => ({})
  /** A rejection that nobody caught: true where it has been dealt with as a failure of the turn that it came from. */
  isOfTurn: (error: Error) => boolean = () => false
  /** Tells whoever keeps the process running with which exit code it ends; at once, or not at all. */
  lastWord: (code: number) => void = () => undefined

  constructor(options: CrashWatchOptions) {
    this.#options = options
    process.on('unhandledRejection', (thrown) => {
      const error = toError(thrown)
      if (!this.#crashing && this.isOfTurn(error)) return
      this.crash('rejection', error)
    })
    process.on('uncaughtException', (thrown) => this.crash('exception', toError(thrown)))
  }

  /** The same port, whose `crash` leaves a report. */
  port(of: Process): Process {
    return { ...of, crash: (reason) => this.crash('commit', reason) }
  }

  /** Tells of the reports that processes before have left. */
  tellOfEarlier(): void {
    for (const file of takeCrashReports(this.#options.folder)) {
      this.#options.log.warn('process:crash:found', { report: file, ...summaryOf(file) })
    }
  }

  crash(kind: CrashFacts['kind'], error: Error): never {
    // What goes wrong while it is being told of is no reason to stop telling: whoever made it go on hears of it.
    if (this.#crashing) throw error
    this.#crashing = true
    // Nothing may run after this, what was registered for the exit included.
    process.removeAllListeners('exit')
    let report: string | undefined
    try {
      attempt(() => this.#options.log.error('process:crash', { kind, error }))
      attempt(() => (report = this.#report(kind, error)))
      attempt(() => say(error, this.#options.secrets, report))
      attempt(() => this.lastWord(exitCodes.crashed))
    } finally {
      process.exit(exitCodes.crashed)
    }
  }

  #report(kind: CrashFacts['kind'], error: Error): string | undefined {
    const { log, recent, folder, secrets } = this.#options
    const atMs = Date.now()
    const facts: CrashFacts = {
      atMs,
      kind,
      error,
      versions: {
        perdura: ownVersion(),
        node: process.versions.node,
        v8: process.versions.v8,
        system: `${process.platform} ${release()} ${process.arch}`,
      },
      pid: process.pid,
      uptimeMs: Math.round(process.uptime() * 1_000),
      memory: { ...memoryUsage() },
      state: this.#described(),
      lines: recent.lines,
    }
    try {
      return writeCrashReport(folder, atMs, process.pid, formatCrashReport(facts, secrets))
    } catch (thrown) {
      // A full disk, mostly. What it would have said is in the log, if that could be written.
      log.warn('process:crash:unreported', { error: toError(thrown) })
      return undefined
    }
  }

  #described(): Readonly<Record<string, Json>> {
    try {
      return this.describe()
    } catch (thrown) {
      return { unknown: toError(thrown).message }
    }
  }
}

/**
 * The same end while it is not known yet whose process this is, and where its log and its reports go: a definition may throw in
 * a timer while it is loaded. Returns what ends the watch, for a `CrashWatch` to go on with it.
 */
export function watchEarlyCrashes(secrets: readonly string[]): () => void {
  const crash = (thrown: unknown): never => {
    process.removeAllListeners('exit')
    try {
      attempt(() => say(toError(thrown), secrets))
    } finally {
      process.exit(exitCodes.crashed)
    }
  }
  process.on('unhandledRejection', crash)
  process.on('uncaughtException', crash)
  return () => {
    process.off('unhandledRejection', crash)
    process.off('uncaughtException', crash)
  }
}

function say(error: Error, secrets: readonly string[], report?: string): void {
  const { text } = redactStart(error.stack ?? error.message, standardErrorLengthMax, secrets)
  const where = report === undefined ? '' : `perdura: the report is ${report}\n`
  writeToStandardError(`perdura: ERR_INTERNAL: ${text}\n${where}`)
}

/** What cannot be done of it is left out, and the rest is done. */
function attempt(run: () => void): void {
  try {
    run()
  } catch {
    // There is nobody left to tell.
  }
}

/** What a report says in one line; nothing of one that cannot be read. */
function summaryOf(file: string): { readonly kind?: string; readonly message?: string } {
  try {
    const { kind, error } = JSON.parse(readFileSync(file, 'utf8')) as {
      readonly kind?: string
      readonly error?: { readonly message?: string }
    }
    return {
      ...(kind !== undefined && { kind }),
      ...(error?.message !== undefined && { message: error.message }),
    }
  } catch {
    return {}
  }
}
