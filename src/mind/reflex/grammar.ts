/**
 * The grammar of the reflex mind: a text becomes one intent, without looking at anything but the text and the agent's
 * name. docs/reference/reflex.md is normative; it is small on purpose and does not grow into a conversation.
 */
import { stopWords, words } from '../../store/words.ts'
import { parseLeadingWhen, parseTrailingWhen } from './time.ts'
import type { When } from './time.ts'

export type Intent =
  | { readonly kind: 'remember'; readonly text: string }
  | { readonly kind: 'recall'; readonly query: string }
  | { readonly kind: 'remind'; readonly when: When; readonly text: string }
  | { readonly kind: 'list'; readonly what: 'notes' | 'reminders' | 'all' }
  | { readonly kind: 'forget'; readonly query: string }
  | { readonly kind: 'forget-note'; readonly id: number }
  | { readonly kind: 'forget-everything'; readonly really: boolean }
  | { readonly kind: 'cancel'; readonly reminder: number }
  /** Something for another agent; its answer goes back to who asked. */
  | { readonly kind: 'pass'; readonly how: 'tell' | 'ask'; readonly to: string; readonly text: string }
  | { readonly kind: 'report' }
  | { readonly kind: 'help' }
  /** A command whose object is missing or not understood. */
  | {
      readonly kind: 'incomplete'
      readonly command: 'remember' | 'recall' | 'remind' | 'forget' | 'cancel' | 'tell' | 'ask'
    }
  | { readonly kind: 'unknown' }

const unknown: Intent = { kind: 'unknown' }

/** What the statements of reflex agents begin with that quote a text: never a request, whatever they quote. */
const statement =
  /^(?:reminder(?![\p{L}\p{N}])|i (?:will remember|remember|have forgotten|have (?:told|asked) [\p{L}\p{N}_-]{1,64}):|my (?:notes|reminders),|[\p{L}\p{N}_-]{1,64} says:)/iu

const questionWords = 'where what when who which how why is are do does did can'
const question = new RegExp(`^(?:${questionWords.replaceAll(' ', '|')})(?![\\p{L}\\p{N}])`, 'iu')
/** A command in the form of a question: the other ones would be questions about notes. */
const asked =
  /^(?:can|could|would|will) you (?:please )?(?=(?:remind me|list|forget|cancel|report|help|remember that|ask|tell(?! me))(?!\S))/iu
/** What stands before the question proper. */
const leadIn = /^(?:do|can|could|would|will) you (?:please )?(?:know|remember|recall|tell me)\s+(?=\S)/iu
const ends = /[\s.!?？؟]/u

/** The intent of a text that was addressed to the agent of this name. */
export function parseIntent(text: string, agentName: string): Intent {
  return parse(text, (addressed) => addressed.toLowerCase() === agentName.toLowerCase())
}

/** Whether a reflex agent of any name could take the text for something to answer: such a text is not sent as it is. */
export function soundsLikeRequest(text: string): boolean {
  return parse(text, () => true).kind !== 'unknown' || parse(text, () => false).kind !== 'unknown'
}

function parse(given: string, isName: (addressed: string) => boolean): Intent {
  // Direction marks and other invisible characters stand before right-to-left text.
  const text = given.replace(/^[\p{Cf}\s]+/u, '').trim()
  if (statement.test(text)) return unknown
  const plain = stripPoliteness(text, isName)
  return parseCommand(plain) ?? parseQuestion(plain) ?? unknown
}

/** Without "Ada, ", "hello Ada ", "please " in front, "can you " before a command, and ", please" behind. */
function stripPoliteness(given: string, isName: (addressed: string) => boolean): string {
  const tail = Math.max(0, given.length - 40)
  let text = given.slice(0, tail) + given.slice(tail).replace(/,\s*please([.!?]*)$/iu, '$1')
  for (let turn = 0; turn < 4; turn += 1) {
    const before = text
    text = text.replace(/^please(?:\s*,\s*|\s+)/iu, '')
    if (asked.test(text)) text = withoutEnd(text.replace(asked, ''))
    const called = /^(?:(hey|hi|hello|ok|okay),?\s+)?@?([\p{L}\p{N}_-]{1,64})(\s*[,:!]\s*|\s+|$)/iu.exec(text)
    const [all = '', greeting, name = '', end = ''] = called ?? []
    const marked = greeting !== undefined || text.startsWith('@') || end.trim() !== ''
    if (marked && isName(name)) text = text.slice(all.length)
    if (text === before) return text
  }
  return text
}

function parseCommand(text: string): Intent | undefined {
  const [, verb = '', after = ''] = /^(\p{L}+)(?:[,:]?\s+([\s\S]*)|[.!?:,]*)$/u.exec(text) ?? []
  const object = after.trim()
  switch (verb.toLowerCase()) {
    case 'remember':
      return parseRemember(object)
    case 'recall':
      return parseRecall(object)
    case 'remind':
      return parseRemind(object)
    case 'list':
      return parseList(object)
    case 'forget':
      return parseForget(object)
    case 'cancel':
      return parseCancel(object)
    case 'tell':
    case 'ask':
      return parsePass(verb.toLowerCase() === 'tell' ? 'tell' : 'ask', object)
    case 'report':
    case 'status':
      return object === '' ? { kind: 'report' } : undefined
    case 'help':
      return /^(?:me)?[.!?]*$/iu.test(object) ? { kind: 'help' } : undefined
    default:
      return undefined
  }
}

function parseRemember(object: string): Intent {
  const text = object.replace(/^that\s+/iu, '')
  return /^(?:that)?[.!?]*$/iu.test(text)
    ? { kind: 'incomplete', command: 'remember' }
    : { kind: 'remember', text }
}

function parseRecall(object: string): Intent {
  const query = withoutEnd(object)
  return words(query).length === 0 ? { kind: 'incomplete', command: 'recall' } : { kind: 'recall', query }
}

function parseRemind(object: string): Intent | undefined {
  if (object === '') return { kind: 'incomplete', command: 'remind' }
  const [, after] = /^me(?![\p{L}\p{N}])[,:]?\s*([\s\S]*)$/iu.exec(object) ?? []
  if (after === undefined) return undefined
  const found = parseLeadingWhen(after) ?? parseTrailingWhen(after)
  const text = found?.rest.replace(/^(?:to|that|about|of)(?:\s+|$)/iu, '') ?? ''
  if (found === undefined || words(text).length === 0) return { kind: 'incomplete', command: 'remind' }
  return { kind: 'remind', when: found.when, text }
}

function parseList(object: string): Intent | undefined {
  const form = /^(?:(?:all\s+)?(?:(?:my|your|the)\s+)?(notes|reminders|all|everything))?[.!?]*$/iu
  const match = form.exec(object)
  if (match === null) return undefined
  const what = match[1]?.toLowerCase()
  return { kind: 'list', what: what === 'notes' || what === 'reminders' ? what : 'all' }
}

function parseForget(object: string): Intent {
  const plain = withoutEnd(object)
  const [, id] = /^(?:note\s+)?#(\d{1,15})$/iu.exec(plain) ?? []
  if (id !== undefined) return { kind: 'forget-note', id: Number(id) }
  if (/^(?:everything|all)(?:,?\s+really)?$/iu.test(plain)) {
    return { kind: 'forget-everything', really: /really$/iu.test(plain) }
  }
  const query = plain.replace(/^(?:that|about)(?:\s+|$)/iu, '')
  // "Forget it" means no note.
  const vague = words(query).every((word) => stopWords.has(word))
  return vague ? { kind: 'incomplete', command: 'forget' } : { kind: 'forget', query }
}

function parseCancel(object: string): Intent | undefined {
  const [, number] = /^(?:the\s+)?(?:reminder\s*)?#?(\d{1,15})[.!?]*$/iu.exec(object) ?? []
  if (number !== undefined) return { kind: 'cancel', reminder: Number(number) }
  return /^(?:(?:the |my |a )?reminders?)?[.!?]*$/iu.test(object)
    ? { kind: 'incomplete', command: 'cancel' }
    : undefined
}

function parsePass(how: 'tell' | 'ask', object: string): Intent | undefined {
  const [, to = '', after = ''] =
    /^@?([\p{L}\p{N}][\p{L}\p{N}_-]{0,63})(?:[,:]?\s+([\s\S]*)|[,:.!?]*)$/u.exec(object) ?? []
  // "Tell me" is about whoever asks.
  if (/^(?:me|us)$/iu.test(to)) return undefined
  const text = after.replace(/^(?:that|to)(?:\s+|$)/iu, '').trim()
  return to === '' || text === '' ? { kind: 'incomplete', command: how } : { kind: 'pass', how, to, text }
}

function parseQuestion(text: string): Intent | undefined {
  if (!/[?？؟]$/u.test(text) && !question.test(text)) return undefined
  const plain = withoutEnd(text)
  if (/^what can you do$/iu.test(plain)) return { kind: 'help' }
  if (/^what do you (?:know|remember)$/iu.test(plain)) return { kind: 'list', what: 'notes' }
  const query = plain.replace(/^what do you (?:know|remember) (?:about|of)\s+/iu, '').replace(leadIn, '')
  return words(query).length === 0 ? undefined : { kind: 'recall', query }
}

/** Without closing punctuation; a loop, because a pattern for it would take quadratic time on "!!!…!x". */
function withoutEnd(text: string): string {
  let end = text.length
  while (end > 0 && ends.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}
