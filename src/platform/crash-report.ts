import { isJsonObject, type Json } from '../json.ts'
import { cleanFields } from './log-line.ts'

/** What is known when a process ends by a bug. Lists and texts of any length: the report is bounded. */
export interface CrashFacts {
  /** Wall-clock ms. */
  readonly atMs: number
  /** Nobody caught an exception, or a promise's rejection; or a commit failed half-way. */
  readonly kind: 'exception' | 'rejection' | 'commit'
  readonly error: Error
  readonly versions: Readonly<Record<string, string>>
  readonly pid: number
  readonly uptimeMs: number
  /** Bytes, by kind. */
  readonly memory: Readonly<Record<string, number>>
  /** Of the agent: what ran, and how it stood. */
  readonly state: Readonly<Record<string, Json>>
  /** The last lines of the log, oldest first. */
  readonly lines: readonly string[]
}

/** Bytes of a report at most. */
const crashReportBytesMax = 256 * 1024
/** Of it, without what makes it readable, for all but the log. */
const headBytesMax = 160 * 1024

/**
 * A report of a crash as a JSON document: without secrets, like the log, and within `crashReportBytesMax`. Where it would be
 * larger, the oldest lines of the log are left out.
 */
export function formatCrashReport(facts: CrashFacts, knownSecrets: readonly string[] = []): string {
  const { atMs, kind, error, versions, pid, uptimeMs, memory, state, lines } = facts
  const head = cleanFields(
    {
      at: atMs,
      time: new Date(atMs).toISOString(),
      kind,
      error,
      versions,
      pid,
      uptime_ms: uptimeMs,
      memory,
      state,
    },
    knownSecrets,
    headBytesMax,
  )
  const log = lines.map(parseLine)
  for (;;) {
    const text = `${JSON.stringify({ ...head, log }, undefined, 2)}\n`
    if (Buffer.byteLength(text) <= crashReportBytesMax || log.length === 0) return text
    log.splice(0, Math.ceil(log.length / 4))
  }
}

function parseLine(line: string): Json {
  try {
    const value = JSON.parse(line) as Json
    return isJsonObject(value) ? value : line
  } catch {
    return line
  }
}
