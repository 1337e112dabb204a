import type { AgentDefinition, Context, FiredTimer, Message, Note } from '../../agent/definition.ts'
import { defineAgent } from '../../agent/define-agent.ts'
import { noteCharactersMax } from '../../agent/note-table.ts'
import { PerduraError } from '../../errors.ts'
import { isJsonObject } from '../../json.ts'
import { significantWords, words } from '../../store/words.ts'
import {
  firedAnswer,
  helpAnswer,
  incompleteAnswer,
  linesMax,
  listAnswer,
  passedAnswer,
  preview,
  recallAnswer,
  reportAnswer,
  saysAnswer,
  unknownAnswer,
  whichAnswer,
} from './answers.ts'
import { parseIntent } from './grammar.ts'
import type { Intent } from './grammar.ts'
import { passedMax, reflexSchema, reminderCharactersMax, remindersMax } from './state.ts'
import type { Passed, ReflexState, Reminder } from './state.ts'
import { formatTime, resolveWhen } from './time.ts'

type ReflexContext = Context<ReflexState>

const hopsMax = 8
/** Most notes that memory gives out at a time. */
const notesListedMax = 1_000

export interface ReflexOptions {
  /** Another agent, which is asked for a report after each start: two that meet can be seen to. */
  readonly greet?: string | undefined
}

/** Long enough for the other one to have come to the hub for the first time. */
const greetAfter = '3s'

/**
 * The mind that needs neither key nor network: it keeps what it is told, finds it again, reminds, and says what it
 * does not understand. Its grammar is fixed and documented in docs/reference/reflex.md.
 */
export function reflexAgent(name: string, { greet }: ReflexOptions = {}): AgentDefinition<ReflexState> {
  return defineAgent({
    name,
    state: { version: 1, schema: reflexSchema },
    limits: { hopsMax },

    async onStart(_start, ctx) {
      const now = ctx.now()
      if (greet !== undefined) await ctx.schedule(greetAfter, { greet })
      ctx.update((state) => {
        if (state.since === 0) state.since = now
      })
    },

    async onMessage(message, ctx) {
      ctx.update((state) => {
        state.handled += 1
      })
      // Answers to answers end here: neither done nor answered.
      if (message.hops >= hopsMax) return
      const passed = passedTo(message, ctx)
      if (passed !== undefined) {
        await passBack(passed, message, ctx)
        return
      }
      const intent = parseIntent(message.text, name)
      // What it does not understand in an automatic message is somebody's answer: answering it would go on for ever.
      if (message.hops > 0 && (intent.kind === 'unknown' || intent.kind === 'incomplete')) return
      await ctx.reply(await carryOut(intent, message, ctx))
    },

    async onTimer(timer, ctx) {
      const greeted = fieldOf(timer, 'greet')
      if (typeof greeted === 'string') {
        await ctx.send(greeted, 'report', { conversation: 'greeting' })
        return
      }
      const reminder = ctx.state.reminders.find(({ number }) => number === reminderNumber(timer))
      // It was cancelled while it waited in the inbox.
      if (reminder === undefined) return
      removeReminder(ctx, reminder.number)
      await ctx.send(reminder.to, firedAnswer(reminder.text, timer.lateMs), {
        conversation: reminder.conversation,
      })
    },
  })
}

/** Does what is asked and returns what to say. */
async function carryOut(intent: Intent, message: Message, ctx: ReflexContext): Promise<string> {
  switch (intent.kind) {
    case 'remember':
      return remember(intent.text, ctx)
    case 'recall':
      return recallAnswer(intent.query, await ctx.memory.recall(intent.query, 3))
    case 'remind':
      return remind(intent, message, ctx)
    case 'list': {
      const notes = intent.what === 'reminders' ? [] : await ctx.memory.list(linesMax + 1)
      return listAnswer(intent.what, notes, intent.what === 'notes' ? [] : remindersOf(message.from, ctx))
    }
    case 'forget':
      return forgetByWords(intent.query, ctx)
    case 'forget-note':
      return forgetById(intent.id, ctx)
    case 'forget-everything':
      return forgetEverything(intent.really, ctx)
    case 'cancel':
      return cancel(intent.reminder, message, ctx)
    case 'pass':
      return passOn(intent, message, ctx)
    case 'report': {
      const notes = await ctx.memory.list(notesListedMax)
      const { since, handled, reminders } = ctx.state
      const report = { notes: notes.length, reminders: reminders.length, handled: handled + 1, since }
      return reportAnswer(report, notesListedMax)
    }
    case 'help':
      return helpAnswer
    case 'incomplete':
      return incompleteAnswer(intent.command)
    case 'unknown':
      return unknownAnswer
  }
}

async function remember(text: string, ctx: ReflexContext): Promise<string> {
  if (text.length > noteCharactersMax) {
    return `That is too long: I keep texts of up to ${noteCharactersMax} characters, and this has ${text.length}.`
  }
  try {
    await ctx.memory.remember(text)
  } catch (thrown) {
    if (!(thrown instanceof PerduraError) || thrown.code !== 'ERR_MEMORY_FULL') throw thrown
    return 'My memory is full: let me forget something first.'
  }
  return `I will remember: ${preview(text)}`
}

async function remind(
  { when, text }: Extract<Intent, { kind: 'remind' }>,
  message: Message,
  ctx: ReflexContext,
): Promise<string> {
  const resolved = resolveWhen(when, ctx.now())
  if (resolved.kind === 'refused') return resolved.reason
  if (text.length > reminderCharactersMax) {
    return `That is too long: a reminder has up to ${reminderCharactersMax} characters, and this has ${text.length}.`
  }
  if (ctx.state.reminders.length >= remindersMax) {
    return `I keep ${remindersMax} reminders already: cancel some first.`
  }
  const number = ctx.state.reminderNext
  const { dueAt } = resolved
  const timer = await ctx.schedule(new Date(dueAt), { reminder: number })
  const { from: to, conversation } = message
  ctx.update((state) => {
    state.reminderNext = Math.max(state.reminderNext, number + 1)
    state.reminders.push({ number, text, to, conversation, dueAt, timer })
  })
  return `Reminder #${number} is set for ${formatTime(dueAt)}: ${preview(text)}`
}

async function cancel(number: number, message: Message, ctx: ReflexContext): Promise<string> {
  const reminder = remindersOf(message.from, ctx).find((each) => each.number === number)
  if (reminder === undefined) return `You have no reminder #${number}: "list reminders" shows yours.`
  await ctx.cancel(reminder.timer)
  removeReminder(ctx, number)
  return `Reminder #${number} is cancelled: ${preview(reminder.text)}`
}

/** In a conversation of its own, by which the answer is known again. */
async function passOn(
  { how, to, text }: Extract<Intent, { kind: 'pass' }>,
  message: Message,
  ctx: ReflexContext,
): Promise<string> {
  if (to.toLowerCase() === ctx.agent.name.toLowerCase()) return 'That is me: write it without my name.'
  const number = ctx.state.passNext
  const conversation = `${ctx.agent.name}-${number}`
  await ctx.send(to, text, { conversation })
  ctx.update((state) => {
    state.passNext = Math.max(state.passNext, number + 1)
    const passed = { conversation, agent: to, asker: message.from, askedIn: message.conversation }
    state.passed = [...state.passed, passed].slice(-passedMax)
  })
  return passedAnswer(how, to, text)
}

/** What the message answers, if this one passed it on. */
function passedTo({ from, conversation }: Message, ctx: ReflexContext): Passed | undefined {
  return ctx.state.passed.find((each) => each.agent === from && each.conversation === conversation)
}

/** Once: whatever else comes in that conversation is read like any other message. */
async function passBack(passed: Passed, message: Message, ctx: ReflexContext): Promise<void> {
  const { asker, askedIn, conversation } = passed
  ctx.update((state) => {
    state.passed = state.passed.filter((each) => each.conversation !== conversation)
  })
  await ctx.send(asker, saysAnswer(message.from, message.text), { conversation: askedIn })
}

/** One that certainly is meant, or asks back: forgetting cannot be undone. */
async function forgetByWords(query: string, ctx: ReflexContext): Promise<string> {
  const found = await ctx.memory.recall(query, 5)
  if (found.length === 0) return recallAnswer(query, [])
  const named = found.filter(({ text }) => sameWords(text, query))
  const covering = found.filter(({ text }) => coversWords(text, query))
  const [meant] = named.length === 1 ? named : covering.length === 1 ? covering : []
  return meant === undefined ? whichAnswer(found) : forgetNote(meant, ctx)
}

async function forgetById(id: number, ctx: ReflexContext): Promise<string> {
  const notes = await ctx.memory.list(notesListedMax)
  const note = notes.find((each) => each.id === id)
  if (note !== undefined) return forgetNote(note, ctx)
  // An older note than memory lists cannot be shown, but it can be forgotten.
  if (id > 0 && notes.length === notesListedMax) await ctx.memory.forget([id])
  return `I keep no note #${id} now.`
}

async function forgetNote(note: Note, ctx: ReflexContext): Promise<string> {
  await ctx.memory.forget([note.id])
  return `I have forgotten: ${preview(note.text)}`
}

async function forgetEverything(really: boolean, ctx: ReflexContext): Promise<string> {
  const notes = await ctx.memory.list(notesListedMax)
  if (notes.length === 0) return listAnswer('notes', [], [])
  if (!really) return 'That cannot be undone. To forget every note, write: forget everything, really.'
  await ctx.memory.forget(notes.map((note) => note.id))
  if (notes.length < notesListedMax) return 'I have forgotten every note.'
  return `I have forgotten my ${notesListedMax} newest notes; write it again for the others.`
}

/** Everybody sees and cancels the reminders that go to them. Next first. */
function remindersOf(who: string, ctx: ReflexContext): Reminder[] {
  return ctx.state.reminders
    .filter(({ to }) => to === who)
    .sort((a, b) => a.dueAt - b.dueAt || a.number - b.number)
}

function removeReminder(ctx: ReflexContext, number: number): void {
  ctx.update((state) => {
    state.reminders = state.reminders.filter((each) => each.number !== number)
  })
}

function reminderNumber(timer: FiredTimer): unknown {
  return fieldOf(timer, 'reminder')
}

function fieldOf({ payload }: FiredTimer, name: string): unknown {
  return isJsonObject(payload) ? payload[name] : undefined
}

function sameWords(text: string, query: string): boolean {
  return words(text).join(' ') === words(query).join(' ')
}

/** Whether every word of the query is in the text, give or take an ending. */
function coversWords(text: string, query: string): boolean {
  const there = words(text)
  return significantWords(query).every((asked) =>
    there.some(
      (word) =>
        word === asked ||
        (asked.length > 2 && word.length > 2 && (word.startsWith(asked) || asked.startsWith(word))),
    ),
  )
}
