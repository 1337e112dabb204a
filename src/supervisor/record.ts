import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import { endReasons, shortened, type ChildMode, type EndReason, type EndRecord } from './exits.ts'
import { endsMax, noPast, type PastFigures } from './history.ts'

/** Version of the document that this code writes. */
const recordVersion = 1

/**
 * What a supervisor leaves to the next one about a child: what was to be started, whether it is wanted, which process
 * there is, and its past. One JSON document, replaced whole.
 */
export interface SupervisionRecord {
  /** What is to be started, as whoever starts it understands it; the supervisor keeps it and does not look inside. */
  readonly launch: JsonObject
  readonly wanted: 'running' | 'stopped'
  /** Where it stands when there is no process although one is wanted; null while it goes on. */
  readonly outcome: 'failed' | 'finished' | null
  readonly process: ProcessRecordFacts | null
  /** Of the boot in which this was written; null where the system does not tell. */
  readonly bootId: string | null
  readonly past: PastFigures
}

export interface ProcessRecordFacts {
  /** Null while it is being started: there may be one that nobody knows yet. */
  readonly pid: number | null
  readonly identity: string | null
  readonly mode: ChildMode
  readonly ready: boolean
  /** Why it was asked to end, where it was. */
  readonly asked: EndReason | null
  /** Wall-clock ms. */
  readonly startedAt: number
}

export type RecordReading =
  | { readonly status: 'read'; readonly record: SupervisionRecord }
  /** It holds what this code did not write; it is to be kept, and what could be made of it, if anything, is here. */
  | {
      readonly status: 'foreign'
      readonly reason: string
      readonly record: SupervisionRecord | undefined
    }

/**
 * Reads the document. What is missing in it, or is of another kind than expected, gets its default: a supervisor that
 * does not start over a detail would be worse than a count that is lost. Of a newer version everything is taken that
 * looks as it does here.
 */
export function readRecord(text: string): RecordReading {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { status: 'foreign', reason: 'it is no JSON', record: undefined }
  }
  if (!isJsonObject(value)) return { status: 'foreign', reason: 'it is no JSON object', record: undefined }
  const { version } = value
  if (typeof version !== 'number')
    return { status: 'foreign', reason: 'it has no version', record: undefined }
  const record = recordOf(value)
  if (record === undefined) {
    return { status: 'foreign', reason: 'it does not say what is to be started', record: undefined }
  }
  if (version === recordVersion) return { status: 'read', record }
  return { status: 'foreign', reason: `it is of version ${version}, not ${recordVersion}`, record }
}

/** The document, as it stands in the file. */
export function writeRecord(record: SupervisionRecord): string {
  const { launch, wanted, outcome, process, bootId, past } = record
  const { safeMode } = past
  const document = {
    version: recordVersion,
    wanted,
    launch,
    outcome,
    process: process && {
      pid: process.pid,
      identity: process.identity,
      mode: process.mode,
      ready: process.ready,
      asked: process.asked,
      started_at: process.startedAt,
    },
    boot_id: bootId,
    restarts: past.restarts,
    ends_by_reason: past.counts,
    last_ends: past.ends.map(({ livedMs, ...end }) => ({ ...end, lived_ms: livedMs })),
    failures_in_a_row: past.failuresInARow,
    setbacks_in_a_row: past.setbacksInARow,
    failed_at: past.failedAt,
    safe_mode: { level: safeMode.level, ...safeMode.period },
    crash_looping: past.crashLooping,
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

function recordOf(value: JsonObject): SupervisionRecord | undefined {
  const { launch, wanted, outcome } = value
  if (!isJsonObject(launch)) return undefined
  return {
    launch,
    wanted: wanted === 'stopped' ? 'stopped' : 'running',
    outcome: outcome === 'failed' || outcome === 'finished' ? outcome : null,
    process: processOf(value['process']),
    bootId: textOrNull(value['boot_id']),
    past: pastOf(value),
  }
}

function processOf(value: Json | undefined): ProcessRecordFacts | null {
  if (!isJsonObject(value)) return null
  const pid = value['pid']
  return {
    pid: isCount(pid) && pid > 0 ? pid : null,
    identity: textOrNull(value['identity']),
    mode: value['mode'] === 'safe' ? 'safe' : 'normal',
    ready: value['ready'] === true,
    asked: isReason(value['asked']) ? value['asked'] : null,
    startedAt: count(value['started_at']),
  }
}

function pastOf(value: JsonObject): PastFigures {
  const ends = list(value['last_ends']).flatMap((end) => endOf(end))
  const safeMode = isJsonObject(value['safe_mode']) ? value['safe_mode'] : {}
  const { since, until } = safeMode
  return {
    restarts: count(value['restarts']),
    counts: countsOf(value['ends_by_reason']),
    ends: ends.slice(-endsMax),
    failuresInARow: count(value['failures_in_a_row']),
    setbacksInARow: count(value['setbacks_in_a_row']),
    failedAt: list(value['failed_at']).filter(isCount),
    safeMode: {
      level: count(safeMode['level']),
      period: isCount(since) && isCount(until) ? { since, until } : noPast.safeMode.period,
    },
    crashLooping: value['crash_looping'] === true,
  }
}

function countsOf(value: Json | undefined): PastFigures['counts'] {
  if (!isJsonObject(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([reason, times]) =>
      isReason(reason) && isCount(times) ? [[reason, times]] : [],
    ),
  )
}

function endOf(value: Json): EndRecord[] {
  if (!isJsonObject(value)) return []
  const { at, reason, code, signal, pid, mode, said, lived_ms: livedMs } = value
  if (!isCount(at) || !isReason(reason)) return []
  return [
    {
      at,
      reason,
      code: isCount(code) ? code : null,
      signal: textOrNull(signal),
      pid: isCount(pid) ? pid : null,
      livedMs: isCount(livedMs) ? livedMs : null,
      mode: mode === 'safe' ? 'safe' : 'normal',
      said: typeof said === 'string' ? shortened(said) : null,
    },
  ]
}

function isReason(value: unknown): value is EndReason {
  return endReasons.some((reason) => reason === value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function count(value: Json | undefined): number {
  return isCount(value) ? value : 0
}

function textOrNull(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}
