import type { StandardSchemaV1 } from '@standard-schema/spec'

/** What the reflex mind keeps besides its notes. */
export interface ReflexState {
  /** Wall-clock ms of the first start; 0 before. */
  since: number
  /** Messages that were handled. */
  handled: number
  /** Number of the next reminder: never given twice. */
  reminderNext: number
  /** Those that have not fired, at most `remindersMax`. */
  reminders: Reminder[]
}

export interface Reminder {
  readonly number: number
  readonly text: string
  readonly to: string
  readonly conversation: string
  readonly dueAt: number
  readonly timer: string
}

export const remindersMax = 1_000
/** Characters of a reminder's text: all reminders are one value of the state, which is written whole. */
export const reminderCharactersMax = 1_000

/** A Standard Schema by hand: the reflex mind needs no validation library in its process. */
export const reflexSchema: StandardSchemaV1<unknown, ReflexState> = {
  '~standard': { version: 1, vendor: 'perdura', validate },
}

function validate(value: unknown): StandardSchemaV1.Result<ReflexState> {
  if (!isRecord(value)) return { issues: [{ message: 'must be an object' }] }
  const { since = 0, handled = 0, reminderNext = 1, reminders = [] } = value
  const issues = [
    ...(isCount(since) ? [] : [issue('since')]),
    ...(isCount(handled) ? [] : [issue('handled')]),
    ...(isCount(reminderNext) ? [] : [issue('reminderNext')]),
    ...(Array.isArray(reminders) && reminders.length <= remindersMax && reminders.every(isReminder)
      ? []
      : [issue('reminders')]),
  ]
  if (issues.length > 0) return { issues }
  return { value: { since, handled, reminderNext, reminders } as ReflexState }
}

function isReminder(value: unknown): value is Reminder {
  if (!isRecord(value) || !isCount(value['number']) || !isCount(value['dueAt'])) return false
  return ['text', 'to', 'conversation', 'timer'].every((key) => typeof value[key] === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function issue(key: string): StandardSchemaV1.Issue {
  return { message: 'is not what the reflex mind writes', path: [key] }
}
