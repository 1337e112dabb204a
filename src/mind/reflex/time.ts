/**
 * Times as the reflex mind takes them: "in 10 minutes", "in 1h 30m", "at 17:30", "tomorrow at 9:00",
 * "at 2026-12-01 09:00". Parsing yields what was written, without a clock; `resolveWhen` finds the instant, in the
 * local time zone of the process.
 */

/** A time as it was written. */
export type When =
  | { readonly kind: 'after'; readonly delayMs: number }
  | {
      readonly kind: 'at'
      readonly day:
        | 'today'
        | 'tomorrow'
        | { readonly year: number; readonly month: number; readonly day: number }
      /** 0 to 99, as written; midnight is 0, and 5 pm is 17. */
      readonly hour: number
      readonly minute: number
    }

export type Resolved =
  | { readonly kind: 'time'; readonly dueAt: number }
  /** Why there is no such time, and what to write instead: sentences for the person. */
  | { readonly kind: 'refused'; readonly reason: string }

/** Five years. */
const delayMaxMs = 1_826 * 86_400_000

const numbers = [
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
]
const unitsMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const amount = `(?:\\d{1,6}(?:\\.\\d{1,3})?\\s*|(?:half an?|an?|${numbers.join('|')})\\s+)`
const unit = '(?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)(?![\\p{L}\\p{N}])'
/** As in "1h30m": a unit may be followed by a digit. */
const unitInside = unit.replace('\\p{L}\\p{N}', '\\p{L}')
const span = `${amount}${unitInside}`
const duration = `${span}(?:(?:\\s*,\\s*|\\s+and\\s+|\\s*)${span})*(?:\\s+and\\s+a\\s+half)?(?![\\p{L}\\p{N}])`
const clock = '\\d{1,2}:\\d{2}(?:\\s*[ap]m)?(?![\\p{L}\\p{N}:])|\\d{1,2}\\s*[ap]m(?![\\p{L}\\p{N}])'
const date = '\\d{4}-\\d{2}-\\d{2}'

const forms = [
  `in\\s+${duration}`,
  `(?:(?:at|on)\\s+)?${date}(?:(?:T|,?\\s+(?:at\\s+)?)(?:${clock}))?(?![\\p{L}\\p{N}])`,
  `(?:today|tomorrow),?\\s+(?:at\\s+)?(?:${clock})`,
  `(?:at\\s+)?(?:${clock})(?:\\s+(?:today|tomorrow)(?![\\p{L}\\p{N}]))?`,
  `tomorrow(?![\\p{L}\\p{N}])`,
].join('|')
const spans = new RegExp(`(${amount})([a-z])[a-z]*`, 'gu')
const leading = new RegExp(`^(?<when>${forms})[,:]?(?:\\s+|$)`, 'iu')
const trailing = new RegExp(`^(?<text>.+?)[,]?\\s+(?<when>${forms})[.!?]*$`, 'isu')

/** The time that a text begins with, and the text after it. */
export function parseLeadingWhen(text: string): { readonly when: When; readonly rest: string } | undefined {
  const match = leading.exec(text)
  if (match?.groups === undefined) return undefined
  return { when: parseWhen(match.groups['when'] ?? ''), rest: text.slice(match[0].length).trim() }
}

/** The time that a text ends with, and the text before it. */
export function parseTrailingWhen(text: string): { readonly when: When; readonly rest: string } | undefined {
  // No form of a time is longer, and a long text need not be tried at each of its words.
  const tail = Math.max(0, text.length - 120)
  const match = trailing.exec(text.slice(tail))
  if (match?.groups === undefined) return undefined
  const rest = text.slice(0, tail) + (match.groups['text'] ?? '')
  return { when: parseWhen(match.groups['when'] ?? ''), rest: rest.trim() }
}

/** Finds the instant, or says why there is none. `now` is wall-clock ms. */
export function resolveWhen(when: When, now: number): Resolved {
  if (when.kind === 'after') {
    if (when.delayMs < 1_000) return refused('That is now: write a time of at least one second.')
    return bounded(now + when.delayMs, now)
  }
  const { hour, minute } = when
  if (hour > 23 || minute > 59) {
    return refused('That is no time of day: write 17:30 or 5:30 pm.')
  }
  const today = new Date(now)
  const day =
    typeof when.day === 'object'
      ? when.day
      : {
          year: today.getFullYear(),
          month: today.getMonth() + 1,
          day: today.getDate() + (when.day === 'tomorrow' ? 1 : 0),
        }
  const at = new Date(day.year, day.month - 1, day.day, hour, minute)
  if (
    typeof when.day === 'object' &&
    (at.getFullYear() !== day.year || at.getMonth() !== day.month - 1 || at.getDate() !== day.day)
  ) {
    return refused(`There is no ${formatDay(day)} in the calendar.`)
  }
  if (at.getHours() !== hour || at.getMinutes() !== minute) {
    return refused(
      `There is no ${pad(hour)}:${pad(minute)} on that day, because the clocks change: choose another time.`,
    )
  }
  if (at.getTime() > now) return bounded(at.getTime(), now)
  const passed = `${formatTime(at.getTime())} has passed: it is ${formatTime(now)} now.`
  return refused(
    when.day === 'today'
      ? `${passed} For the next day write "tomorrow at ${pad(hour)}:${pad(minute)}".`
      : passed,
  )
}

/** The instant in local time with its zone: `2026-12-01 09:00 UTC+01:00`; with seconds where there are any. */
export function formatTime(at: number): string {
  const date = new Date(at)
  const day = formatDay({ year: date.getFullYear(), month: date.getMonth() + 1, day: date.getDate() })
  const seconds = date.getSeconds() === 0 ? '' : `:${pad(date.getSeconds())}`
  const east = -date.getTimezoneOffset()
  const zone = `${east < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(east) / 60))}:${pad(Math.abs(east) % 60)}`
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}${seconds} UTC${zone}`
}

/** Takes what one of the forms matched. */
function parseWhen(written: string): When {
  const text = written.toLowerCase()
  if (/^in\s/.test(text)) return { kind: 'after', delayMs: parseSpan(text.slice(2)) }
  const [, year, month, day] = /(\d{4})-(\d{2})-(\d{2})/.exec(text) ?? []
  const [hour, minute] = parseClock(year === undefined ? text : text.slice(text.indexOf(year) + 10))
  if (year !== undefined) {
    return { kind: 'at', day: { year: Number(year), month: Number(month), day: Number(day) }, hour, minute }
  }
  return { kind: 'at', day: text.includes('tomorrow') ? 'tomorrow' : 'today', hour, minute }
}

/** Nine in the morning where only a day is named. 13 pm and 0 am stay impossible: 99. */
function parseClock(text: string): [hour: number, minute: number] {
  const [, hours, minutes = '0', half] = /(\d{1,2})(?::(\d{2}))?\s*([ap]m)?/.exec(text) ?? []
  if (hours === undefined) return [9, 0]
  const hour = Number(hours)
  if (half === undefined) return [hour, Number(minutes)]
  if (hour < 1 || hour > 12) return [99, Number(minutes)]
  return [(hour % 12) + (half === 'pm' ? 12 : 0), Number(minutes)]
}

function parseSpan(text: string): number {
  const whole = text.replace(/\s+and\s+a\s+half$/, '')
  let totalMs = 0
  let unitMs = 0
  for (const [, written = '', name = ''] of whole.matchAll(spans)) {
    unitMs = unitsMs[name] ?? 0
    totalMs += parseAmount(written.trim()) * unitMs
  }
  return Math.round(whole === text ? totalMs : totalMs + unitMs / 2)
}

function parseAmount(written: string): number {
  if (written.startsWith('half')) return 0.5
  if (/^an?$/.test(written)) return 1
  return numbers.includes(written) ? numbers.indexOf(written) + 1 : Number(written)
}

function bounded(dueAt: number, now: number): Resolved {
  if (dueAt - now <= delayMaxMs) return { kind: 'time', dueAt }
  return refused('That is too far ahead: I take times within five years.')
}

function refused(reason: string): Resolved {
  return { kind: 'refused', reason }
}

function formatDay({ year, month, day }: { year: number; month: number; day: number }): string {
  return `${String(year).padStart(4, '0')}-${pad(month)}-${pad(day)}`
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
