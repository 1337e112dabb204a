import { parseDuration } from '../duration.ts'
import { PerduraError } from '../errors.ts'

/**
 * The moment that `--since` means, wall-clock ms: so long ago (`2h`), or a time as ISO 8601 has it, with or without its time
 * of day (`2026-11-28`, `2026-11-28T09:30`). Without a zone it is of this machine's. Throws ERR_USAGE.
 */
export function parseSince(text: string, nowMs: number): number {
  const trimmed = text.trim()
  if (/^\d+(?:\.\d+)?[a-z]+$/.test(trimmed)) {
    try {
      return nowMs - parseDuration(trimmed)
    } catch {
      throw notATime(text)
    }
  }
  const day = /^(\d{4})-(\d\d)-(\d\d)$/.exec(trimmed)
  // Of a day alone the language takes the one in Greenwich.
  const moment = day === null ? isoTime(trimmed) : localDay(Number(day[1]), Number(day[2]), Number(day[3]))
  if (moment === undefined || Number.isNaN(moment)) throw notATime(text)
  return moment
}

function isoTime(text: string): number | undefined {
  const isIso = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?$/.test(text)
  return isIso ? Date.parse(text.replace(' ', 'T')) : undefined
}

function localDay(year: number, month: number, day: number): number | undefined {
  const date = new Date(year, month - 1, day)
  // The 31st of April would be the 1st of May.
  return date.getMonth() === month - 1 && date.getDate() === day ? date.getTime() : undefined
}

function notATime(text: string): PerduraError {
  return new PerduraError(
    'ERR_USAGE',
    `--since takes a duration such as 2h or a time such as 2026-11-28T09:30, not ${JSON.stringify(text)}`,
  )
}
