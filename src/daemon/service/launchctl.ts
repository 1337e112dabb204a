import type { ProgramEnd } from './host.ts'
import { fileVariable, serviceVariable } from './mark.ts'

/*
 * What launchctl says, and what it ends with: mostly the number of an error of the system or of launchd, as `launchctl error <n>`
 * explains it. Its manual promises nothing about what `print` writes, so whatever is missing there is simply not known.
 */

/** A job, as far as `launchctl print` tells. */
export interface PrintedJob {
  /** In the words of launchd: `running`, `waiting`, `spawn scheduled`, `SIGTERMed`. */
  readonly state: string
  readonly pid: number | null
  /** How often it was started since it was loaded. */
  readonly runs: number | null
  /** How its last process ended; empty where none has. */
  readonly lastEnd: string
  /** Seconds that launchd gives it to stop, which may be less than its file says. */
  readonly exitTimeout: number | null
  /** The digest of the file that it was loaded from; undefined where that cannot be told, empty where that file had none. */
  readonly file: string | undefined
}

export function readJob(printed: string): PrintedJob {
  // Only what is of the job itself: the parts of it that stand below have states of their own.
  const field = (name: string): string | undefined =>
    new RegExp(`^\\t${name} = (.*)$`, 'm').exec(printed)?.[1]?.trim()
  const count = (name: string): number | null => {
    const value = field(name)
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : null
  }
  const variable = (name: string): string | undefined =>
    new RegExp(`^\\t\\t${name} => (.*)$`, 'm').exec(printed)?.[1]?.trim()
  const pid = count('pid')
  const code = field('last exit code')
  const signal = field('last terminating signal')
  return {
    state: field('state') ?? 'unknown',
    pid: pid !== null && pid > 0 ? pid : null,
    runs: count('runs'),
    // It says "(never exited)" of a job that runs its first time.
    lastEnd:
      signal !== undefined
        ? `ended last by ${signal}`
        : code !== undefined && /^-?\d/.test(code)
          ? `last exit code ${code}`
          : '',
    exitTimeout: count('exit timeout'),
    file: variable(serviceVariable) === undefined ? undefined : (variable(fileVariable) ?? ''),
  }
}

/** Whether the label is switched off, by what `launchctl print-disabled` says; older systems say `true` for it. */
export function isSwitchedOff(printed: string, label: string): boolean {
  const quoted = label.replaceAll('.', String.raw`\.`)
  return new RegExp(`"${quoted}" => (?:true|disabled)\\b`).test(printed)
}

/** There is no such job: 113 from `print` and `kickstart`, 3 (ESRCH) from `bootout`; or there is not even its domain. */
export function isMissing(end: ProgramEnd): boolean {
  return end.status === 113 || end.status === 3 || hasNoDomain(end)
}

/** 112 where nobody is logged in there, 125 where that domain has no jobs for this caller. */
export function hasNoDomain({ status }: ProgramEnd): boolean {
  return status === 112 || status === 125
}

/** Somebody else's job (1, EPERM), or one of the system (150): asking again would change nothing. */
export function isRefused({ status }: ProgramEnd): boolean {
  return status === 1 || status === 150
}

/**
 * 5 (EIO) says of a `bootstrap` that the label is taken, also by a job that is ended and not quite gone, which `print` does not show any
 * more; 37 (EALREADY) the latter. But 5 is also said of a file that launchd does not like.
 */
export function isInTheWay({ status }: ProgramEnd): boolean {
  return status === 5 || status === 37
}
