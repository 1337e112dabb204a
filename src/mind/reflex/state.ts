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
  /** Number of the next thing that is passed on. */
  passNext: number
  /** What was passed on and not answered, the oldest first, at most `passedMax`. */
  passed: Passed[]
}

export interface Reminder {
  readonly number: number
  readonly text: string
  readonly to: string
  readonly conversation: string
  readonly dueAt: number
  readonly timer: string
}

/** Something that another agent was told or asked, in a conversation of its own. */
export interface Passed {
  readonly conversation: string
  readonly agent: string
  /** Who gets the answer, and in which conversation. */
  readonly asker: string
  readonly askedIn: string
}

/** Older ones are forgotten: their answers are not passed back. */
export const passedMax = 100

export const remindersMax = 1_000
/** Characters of a reminder's text: all reminders are one value of the state, which is written whole. */
export const reminderCharactersMax = 1_000

/** A Standard Schema by hand: the reflex mind needs no validation library in its process. */
export const reflexSchema: StandardSchemaV1<unknown, ReflexState> = {
  '~standard': { version: 1, vendor: 'perdura', validate },
}

function validate(value: unknown): StandardSchemaV1.Result<ReflexState> {
  if (!isRecord(value)) return { issues: [{ message: 'must be an object' }] }
  const { since = 0, handled = 0, reminderNext = 1, reminders = [], passNext = 1, passed = [] } = value
  const issues = [
    ...(isCount(since) ? [] : [issue('since')]),
    ...(isCount(handled) ? [] : [issue('handled')]),
    ...(isCount(reminderNext) ? [] : [issue('reminderNext')]),
    ...(Array.isArray(reminders) && reminders.length <= remindersMax && reminders.every(isReminder)
      ? []
      : [issue('reminders')]),
    ...(isCount(passNext) ? [] : [issue('passNext')]),
    ...(Array.isArray(passed) && passed.length <= passedMax && passed.every(isPassed)
      ? []
      : [issue('passed')]),
  ]
  if (issues.length > 0) return { issues }
  return { value: { since, handled, reminderNext, reminders, passNext, passed } as ReflexState }
}

function isReminder(value: unknown): value is Reminder {
  if (!isRecord(value) || !isCount(value['number']) || !isCount(value['dueAt'])) return false
  return ['text', 'to', 'conversation', 'timer'].every((key) => typeof value[key] === 'string')
}

function isPassed(value: unknown): value is Passed {
  if (!isRecord(value)) return false
  return ['conversation', 'agent', 'asker', 'askedIn'].every((key) => typeof value[key] === 'string')
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
