import { parseArgs, type ParseArgsConfig } from 'node:util'
import { formatDuration, parseDuration } from '../duration.ts'
import { PerduraError } from '../errors.ts'
import { globalOptions, type CommandSpec, type OptionSpec } from './command.ts'
import { suggest } from './suggest.ts'

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>

/** A command line that was understood: which verb, and with what. */
export type Parsed =
  | {
      readonly kind: 'command'
      readonly command: CommandSpec
      readonly arguments: readonly string[]
      readonly values: OptionValues
    }
  /** Help for one verb, for a group of verbs (`turn`), or for all. */
  | { readonly kind: 'help'; readonly topic: string; readonly values: OptionValues }
  | { readonly kind: 'version'; readonly values: OptionValues }

/** Throws ERR_USAGE with what to write instead. */
export function parseCommandLine(argv: readonly string[], commands: readonly CommandSpec[]): Parsed {
  const { verb, rest, values } = findVerb(argv, commands)
  if (verb === undefined) {
    if (argv.includes('--version') || argv.includes('-V')) return { kind: 'version', values }
    const [unknown] = rest.filter((argument) => argument.startsWith('-') && !isGlobal(argument))
    if (unknown !== undefined) throw unknownOption(unknown, globalOptions, 'perdura', false)
    return { kind: 'help', topic: '', values }
  }
  if (verb === 'help')
    return { kind: 'help', topic: rest.filter((word) => !word.startsWith('-')).join(' '), values }

  const command = commands.find((candidate) => candidate.name === verb)
  if (command === undefined) {
    if (values['help'] === true) return { kind: 'help', topic: verb, values }
    const inside = commands
      .filter((candidate) => candidate.name.startsWith(`${verb} `))
      .map((candidate) => candidate.name)
    const [word] = rest.filter((argument) => !argument.startsWith('-'))
    throw new PerduraError('ERR_USAGE', unknownInGroup(verb, inside, word))
  }
  const parsed = parseStrictly(rest, command)
  if (parsed.values['help'] === true) return { kind: 'help', topic: command.name, values: parsed.values }
  const [fewest, most] = command.takes
  if (parsed.positionals.length < fewest) {
    throw new PerduraError(
      'ERR_USAGE',
      `${command.name} needs more: perdura ${command.name} ${command.arguments}`,
    )
  }
  if (parsed.positionals.length > most) {
    const surplus = JSON.stringify(parsed.positionals[most])
    throw new PerduraError(
      'ERR_USAGE',
      `${surplus} is too much: perdura ${command.name} ${command.arguments}`.trimEnd(),
    )
  }
  return { kind: 'command', command, arguments: parsed.positionals, values: parsed.values }
}

/** The text of an option; undefined when it was not given. */
export function textOption(values: OptionValues, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

export function durationOption(
  values: OptionValues,
  name: string,
  fallbackMs: number,
  maxMs = Infinity,
): number {
  const text = textOption(values, name)
  const ms = text === undefined ? fallbackMs : parseDuration(text)
  if (ms <= maxMs) return ms
  throw new PerduraError('ERR_USAGE', `--${name} is ${formatDuration(maxMs)} at most, not ${text}`)
}

/** A whole number within bounds; throws ERR_USAGE that names the option. */
export function countOption(
  values: OptionValues,
  name: string,
  fallback: number,
  max: number,
  min = 0,
): number {
  const text = textOption(values, name)
  if (text === undefined) return fallback
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new PerduraError(
    'ERR_USAGE',
    `--${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`,
  )
}

/** One of a few words; throws ERR_USAGE that lists them. */
export function choiceOption<Choice extends string>(
  values: OptionValues,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  const text = textOption(values, name)
  if (text === undefined) return undefined
  const choice = choices.find((candidate) => candidate === text)
  if (choice !== undefined) return choice
  throw new PerduraError(
    'ERR_USAGE',
    `--${name} is one of ${choices.join(', ')}, not ${JSON.stringify(text)}`,
  )
}

/**
 * The verb is the first word that is no option, and the next one too where the table has such a verb. Read leniently:
 * which options may stand there is known only afterwards.
 */
function findVerb(
  argv: readonly string[],
  commands: readonly CommandSpec[],
): { verb: string | undefined; rest: string[]; values: OptionValues } {
  const lenient = parseArgs({
    args: [...argv],
    options: toConfig(globalOptions),
    strict: false,
    allowPositionals: true,
    allowNegative: false,
    tokens: true,
  })
  const words = lenient.tokens.filter((token) => token.kind === 'positional')
  const [first, second] = words
  const values = lenient.values as OptionValues
  if (first === undefined) return { verb: undefined, rest: [...argv], values }
  const without = (...indexes: number[]): string[] => argv.filter((_, index) => !indexes.includes(index))
  if (first.value === 'help') return { verb: 'help', rest: without(first.index), values }
  if (second !== undefined && commands.some((command) => command.name === `${first.value} ${second.value}`)) {
    return { verb: `${first.value} ${second.value}`, rest: without(first.index, second.index), values }
  }
  return { verb: first.value, rest: without(first.index), values }
}

function parseStrictly(
  args: readonly string[],
  command: CommandSpec,
): { values: OptionValues; positionals: readonly string[] } {
  const options = { ...globalOptions, ...command.options }
  try {
    const parsed = parseArgs({
      args: [...args],
      options: toConfig(options),
      strict: true,
      allowPositionals: true,
    })
    return { values: parsed.values as OptionValues, positionals: parsed.positionals }
  } catch (cause) {
    const { code, message } = cause as Error & { code?: string }
    const option = /'(-[^' ]*)/.exec(message)?.[1] ?? ''
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
      throw unknownOption(option, options, `perdura ${command.name}`, command.takes[1] > 0, cause)
    if (message.includes('ambiguous')) {
      const name = /--[^' ,]+/.exec(message)?.[0] ?? option
      throw new PerduraError(
        'ERR_USAGE',
        `${name} needs a value; one that begins with "-" is written ${name}=-…: see perdura ${command.name} --help`,
        { cause },
      )
    }
    throw new PerduraError('ERR_USAGE', `${firstSentence(message)}: see perdura ${command.name} --help`, {
      cause,
    })
  }
}

function toConfig(options: Readonly<Record<string, OptionSpec>>): NonNullable<ParseArgsConfig['options']> {
  const config: NonNullable<ParseArgsConfig['options']> = {}
  for (const [name, option] of Object.entries(options)) {
    const type = option.type === 'text' ? 'string' : 'boolean'
    config[name] = option.short === undefined ? { type } : { type, short: option.short }
  }
  return config
}

function isGlobal(argument: string): boolean {
  const name = argument.replace(/^-+/, '').split('=', 1)[0] ?? ''
  return Object.entries<OptionSpec>(globalOptions).some(
    ([long, { short }]) => long === name || short === name,
  )
}

function unknownOption(
  option: string,
  options: Readonly<Record<string, OptionSpec>>,
  program: string,
  takesArguments: boolean,
  cause?: unknown,
): PerduraError {
  const meant = option.startsWith('--') ? suggest(option.slice(2), Object.keys(options)) : undefined
  const argument = takesArguments ? '; an argument that begins with "-" goes behind "--"' : ''
  const hint = meant === undefined ? `see ${program} --help${argument}` : `did you mean --${meant}?`
  return new PerduraError('ERR_USAGE', `there is no option ${option}: ${hint}`, { cause })
}

function unknownInGroup(verb: string, inside: readonly string[], word: string | undefined): string {
  if (inside.length === 0) return `there is no verb "${verb}"`
  const meant = word === undefined ? undefined : suggest(`${verb} ${word}`, inside)
  if (meant !== undefined) return `there is no verb "${verb} ${word}": did you mean "perdura ${meant}"?`
  return `${verb} needs another word: ${inside.map((name) => `perdura ${name}`).join(', ')}`
}

function firstSentence(message: string): string {
  return message.split(/\.(?:\s|$)|\n/, 1)[0] ?? message
}
