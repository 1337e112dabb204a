/**
 * What the reflex mind says. No answer sounds like a request to another reflex agent, so that two of them never keep
 * each other talking: notes that would are quoted after a statement.
 */
import type { Note } from '../../agent/definition.ts'
import { formatDuration } from '../../duration.ts'
import { soundsLikeRequest } from './grammar.ts'
import type { Intent } from './grammar.ts'
import type { Reminder } from './state.ts'
import { formatTime } from './time.ts'

const commands = `  remember that <text>
  recall <words>, or any question
  remind me in <duration> to <text>
  remind me at <time> to <text>
  list notes, list reminders
  forget <words>, forget #<number>
  cancel reminder #<number>
  tell <agent> <text>, ask <agent> <question>
  report
  help`

export const helpAnswer = `I understand:\n${commands}\nTimes are written: 90s, 10 minutes, 2h; 17:30, tomorrow at 9:00, 2026-12-01 09:00.`
export const unknownAnswer = `I do not understand that. I understand:\n${commands}`

/** What to add to a command that was cut short. */
export function incompleteAnswer(command: Extract<Intent, { kind: 'incomplete' }>['command']): string {
  return `I need more. Write: ${examples[command]}.`
}

const examples = {
  remember: 'remember that the key is under the mat',
  recall: 'recall the key',
  remind: 'remind me in 10 minutes to take the bread out, or: remind me tomorrow at 9:00 to call Ada',
  forget: 'forget the key, or: forget #3',
  cancel: 'cancel reminder #2; "list reminders" shows the numbers',
  tell: 'tell Bo that the tea is ready',
  ask: 'ask Bo where the key is',
} as const

/** The notes as sentences, best first. */
export function recallAnswer(query: string, notes: readonly Note[]): string {
  if (notes.length === 0) return `I know nothing about "${preview(query, 80)}".`
  const answer = notes.map((note) => toSentence(note.text)).join('\n')
  return soundsLikeRequest(answer) ? `I remember: ${answer}` : answer
}

export function listAnswer(
  what: Extract<Intent, { kind: 'list' }>['what'],
  notes: readonly Note[],
  reminders: readonly Reminder[],
): string {
  const parts: string[] = []
  if (what !== 'reminders') parts.push(section('notes', notes.map(noteLine), 'newest first'))
  if (what !== 'notes') parts.push(section('reminders', reminders.map(reminderLine), 'next first'))
  return parts.join('\n')
}

/** Asks back which note is meant. */
export function whichAnswer(notes: readonly Note[]): string {
  return `I am not sure which note you mean:\n${notes.map(noteLine).join('\n')}\nWrite the number: forget #${notes[0]?.id ?? 1}.`
}

export interface Report {
  readonly notes: number
  readonly reminders: number
  readonly handled: number
  /** Wall-clock ms. */
  readonly since: number
}

/** `notesMax`: at this number there may be more than were counted. */
export function reportAnswer({ notes, reminders, handled, since }: Report, notesMax: number): string {
  const kept = notes >= notesMax ? `${notesMax} or more notes` : count(notes, 'note')
  const pending = count(reminders, 'reminder')
  return `I keep ${kept} and ${pending}, and have handled ${count(handled, 'message')} since ${formatTime(since)}.`
}

export function firedAnswer(text: string, lateMs: number): string {
  return lateMs > 60_000 ? `Reminder (${formatDuration(lateMs)} late): ${text}` : `Reminder: ${text}`
}

/** What was passed on, so that nobody takes it for a request. */
export function passedAnswer(how: 'tell' | 'ask', to: string, text: string): string {
  return `I have ${how === 'tell' ? 'told' : 'asked'} ${to}: ${preview(text)}`
}

/** What another agent said to what it was told or asked. */
export function saysAnswer(from: string, text: string): string {
  return `${from} says: ${text}`
}

/** The beginning of a text, on one line, never cut within a character. */
export function preview(text: string, charactersMax = 200): string {
  let shown = ''
  let characters = 0
  for (const { segment } of new Intl.Segmenter().segment(text.trim())) {
    if (characters === charactersMax) return `${shown.replace(/\s+/gu, ' ')}…`
    shown += segment
    characters += 1
  }
  return shown.replace(/\s+/gu, ' ')
}

/** Lines that one list shows. */
export const linesMax = 20

function section(name: string, lines: readonly string[], order: string): string {
  if (lines.length === 0) return `I keep no ${name}.`
  const more = lines.length > linesMax ? `\nThere are more ${name}.` : ''
  return `My ${name}, ${order}:\n${lines.slice(0, linesMax).join('\n')}${more}`
}

function noteLine(note: Note): string {
  return `  #${note.id} ${preview(note.text)}`
}

function reminderLine(reminder: Reminder): string {
  return `  #${reminder.number} ${formatTime(reminder.dueAt)}: ${preview(reminder.text)}`
}

/** With a capital in front and a full stop behind, where the text ends in a word. An address is left as it is. */
function toSentence(text: string): string {
  const [first = '', ...rest] = text
  const sentence = first.toUpperCase() + rest.join('')
  const last = /\S+$/u.exec(sentence.slice(-200))?.[0] ?? ''
  return /[\p{L}\p{N}\p{M})\]"'”’»]$/u.test(last) && !/[/@]/u.test(last) ? `${sentence}.` : sentence
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
