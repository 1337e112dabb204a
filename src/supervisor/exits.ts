import { exitCodes } from '../exit-codes.ts'
import type { ChildExit } from '../platform/child.ts'
import { redactText } from '../platform/redact.ts'

/** Why a process ended, as its supervisor sees it. */
export type EndReason = (typeof endReasons)[number]

export const endReasons = [
  /** By itself, with exit code 0. */
  'exited',
  /** By itself, with another one. */
  'crashed',
  /** By a signal that its supervisor did not send: somebody's `kill`, the system out of memory, a bug of the program. */
  'killed',
  /** It could not be started. */
  'not-started',
  /** While nobody watched, or without a word by which it could be told. */
  'lost',
  /** With exit code 78. */
  'refused',
  /** Killed, since nothing was heard of it. */
  'hung',
  /** Killed, since it did not become ready. */
  'start-timeout',
  /** Asked to end, since there was work and nothing of it advanced. */
  'stalled',
  /** Asked to end, since it held more memory than it may. */
  'memory',
  /** Killed, since somebody wanted to see it killed. */
  'kill-asked',
  /** Asked to end, since somebody wants another one: a restart, a deployment. */
  'restart',
  /** It said before that it would, in favour of the next one. */
  'handover',
  /** Asked to end, since its safe mode is over. */
  'safe-mode-over',
  /** Asked to end, and no other one is wanted. */
  'stop',
  /** With the machine. */
  'reboot',
] as const

/** Those that say something bad about the child. The others were asked for, or say nothing. */
const failures: ReadonlySet<EndReason> = new Set([
  'exited',
  'crashed',
  'killed',
  'not-started',
  'lost',
  'hung',
  'start-timeout',
  'stalled',
])

export function isFailure(reason: EndReason): boolean {
  return failures.has(reason)
}

/** What an end that nobody asked for was. */
export function reasonOf({ code, signal, error }: ChildExit): EndReason {
  if (error !== undefined) return 'not-started'
  if (signal !== null) return 'killed'
  if (code === null) return 'lost'
  if (code === exitCodes.doNotRestart) return 'refused'
  return code === 0 ? 'exited' : 'crashed'
}

/** What an end is put down to: what was asked for, unless it has said that starting it again is of no use. */
export function attributed(own: EndReason, asked: EndReason | undefined): EndReason {
  return own === 'refused' && asked !== 'stop' && asked !== 'restart' ? own : (asked ?? own)
}

/** An end, as it is kept. */
export interface EndRecord {
  /** Wall-clock ms. */
  readonly at: number
  readonly reason: EndReason
  readonly code: number | null
  readonly signal: string | null
  readonly pid: number | null
  /** How long the process was there, ms; null where nobody knows. */
  readonly livedMs: number | null
  readonly mode: ChildMode
  /** What it said of it itself, or what was seen of it before it was killed, without secrets; null where nothing was. */
  readonly said: string | null
}

/** Of each end so much is kept, characters; there are twenty of them in a record that is written with each change. */
const saidMax = 1_000
/** What is longer is nothing that anybody wrote for a person. */
const readMax = 65_536

/** A text as it is kept with an end. */
export function shortened(text: string): string {
  return redactText(text.slice(0, readMax)).slice(0, saidMax).toWellFormed()
}

/** In `safe` no mind is called: a process that says and shows what it has, and takes what comes. */
export type ChildMode = 'normal' | 'safe'
