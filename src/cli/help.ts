import { PerduraError } from '../errors.ts'
import { globalOptions, type CommandSpec, type OptionSpec } from './command.ts'
import { suggest } from './suggest.ts'

/** Help on one verb, on a group of verbs (`turn`), or on everything (``). */
export function helpText(topic: string, commands: readonly CommandSpec[]): string {
  if (topic === '' || topic === 'help') return overview(commands)
  const command = commands.find((candidate) => candidate.name === topic)
  if (command !== undefined) return describeCommand(command)
  const group = commands.filter((candidate) => candidate.name.startsWith(`${topic} `))
  if (group.length > 0) return `${group.map(describeCommand).join('\n\n')}`
  throw unknownVerb(topic, commands)
}

export function unknownVerb(verb: string, commands: readonly CommandSpec[]): PerduraError {
  const words = new Set(commands.flatMap((command) => [command.name, command.name.split(' ', 1)[0] ?? '']))
  const meant = suggest(verb, [...words, 'help'])
  const hint = meant === undefined ? 'perdura help lists the verbs' : `did you mean "perdura ${meant}"?`
  return new PerduraError('ERR_USAGE', `there is no verb "${verb}": ${hint}`)
}

function overview(commands: readonly CommandSpec[]): string {
  return [
    'Perdura keeps an AI agent alive and consistent.',
    '',
    'usage: perdura <verb> [agent] [options]',
    '',
    ...columns([
      ...commands.map((command) => [`${command.name} ${command.arguments}`.trim(), command.summary] as const),
      ['help [verb]', 'show this, or the help of a verb'] as const,
    ]),
    '',
    'options of every verb:',
    ...columns(
      Object.entries(globalOptions).map(
        ([name, option]) => [optionTitle(name, option), option.help] as const,
      ),
    ),
    '',
    'exit codes: 0 fine, 1 failed, 2 usage, 3 not running, 4 no such agent, 78 starting again would change nothing',
  ].join('\n')
}

function describeCommand(command: CommandSpec): string {
  const options = Object.entries<OptionSpec>(command.options)
  return [
    `perdura ${command.name} ${command.arguments}`.trimEnd(),
    `  ${command.summary}`,
    ...(options.length === 0 ? [] : ['', 'options:']),
    ...columns(options.map(([name, option]) => [optionTitle(name, option), option.help] as const)),
    ...(command.examples === undefined
      ? []
      : ['', 'examples:', ...command.examples.map((example) => `  ${example}`)]),
  ].join('\n')
}

export function optionTitle(name: string, option: OptionSpec): string {
  const short = option.short === undefined ? '' : `-${option.short}, `
  return `${short}--${name}${option.value === undefined ? '' : ` ${option.value}`}`
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([title]) => title.length))
  return rows.map(([title, text]) => `  ${title.padEnd(width)}  ${text}`)
}
