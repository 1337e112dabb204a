import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countOption, durationOption, parseCommandLine, type Parsed } from '../../../src/cli/args.ts'
import { commands } from '../../../src/cli/commands/index.ts'
import { suggest } from '../../../src/cli/suggest.ts'
import { helpText, unknownVerb } from '../../../src/cli/help.ts'
import { PerduraError } from '../../../src/errors.ts'

const parse = (...argv: string[]): Parsed => parseCommandLine(argv, commands)

function refusal(...argv: string[]): string {
  try {
    parse(...argv)
  } catch (error) {
    assert.ok(error instanceof PerduraError, String(error))
    assert.equal(error.code, 'ERR_USAGE')
    return error.message
  }
  return assert.fail('it was accepted')
}

function command(...argv: string[]): Extract<Parsed, { kind: 'command' }> {
  const parsed = parse(...argv)
  assert.ok(parsed.kind === 'command')
  return parsed
}

test('a verb may have one word or two', () => {
  assert.equal(command('status', 'Ada').command.name, 'status')
  const { command: found, arguments: rest } = command('turn', 'show', 'Ada', '12')
  assert.equal(found.name, 'turn show')
  assert.deepEqual(rest, ['Ada', '12'])
})

test('options may stand before the verb, between and after the arguments', () => {
  const {
    command: found,
    arguments: rest,
    values,
  } = command('--json', 'send', '--wait', 'Ada', 'hello', '--home', '/x')
  assert.equal(found.name, 'send')
  assert.deepEqual(rest, ['Ada', 'hello'])
  assert.deepEqual({ ...values }, { json: true, wait: true, home: '/x' })
})

test('the value of a global option before the verb is not taken for the verb', () => {
  assert.equal(command('--home', 'status', 'logs', 'Ada').command.name, 'logs')
})

test('a text may look like an option after --, and be a dash', () => {
  assert.deepEqual(command('send', 'Ada', '--', '--wait').arguments, ['Ada', '--wait'])
  assert.deepEqual(command('send', 'Ada', '-').arguments, ['Ada', '-'])
})

test('short options are taken', () => {
  assert.equal(command('logs', 'Ada', '-n', '5', '-f').values['lines'], '5')
})

test('an unknown option is refused with the one that was meant', () => {
  assert.match(refusal('send', 'Ada', 'x', '--wiat'), /there is no option --wiat: did you mean --wait\?/)
  assert.match(
    refusal('status', '--frobnicate'),
    /there is no option --frobnicate: see perdura status --help/,
  )
  assert.match(refusal('--jsno'), /did you mean --json\?/)
})

test('an option without its value, and a value for an option that takes none, are refused', () => {
  assert.match(refusal('send', 'Ada', 'x', '--id'), /--id.*see perdura send --help/)
  assert.match(refusal('send', 'Ada', 'x', '--wait=yes'), /--wait.*see perdura send --help/)
})

test('too few and too many arguments are refused with the usage', () => {
  assert.match(refusal('turn', 'show', 'Ada'), /turn show needs more: perdura turn show <agent> <turn>/)
  assert.match(refusal('why', 'Ada', 'Bob'), /"Bob" is too much: perdura why <agent>/)
})

test('a group of verbs asks for its second word, and suggests it', () => {
  assert.match(refusal('turn'), /turn needs another word: perdura turn list, perdura turn show/)
  assert.match(refusal('turn', 'lsit', 'Ada'), /did you mean "perdura turn list"\?/)
})

test('help and version are asked for in every usual way', () => {
  assert.equal(parse().kind, 'help')
  assert.deepEqual(topic('help', 'turn', 'show'), 'turn show')
  assert.deepEqual(topic('send', '--help'), 'send')
  assert.deepEqual(topic('send', '-h', 'Ada'), 'send')
  assert.deepEqual(topic('turn', '--help'), 'turn')
  assert.equal(parse('--version').kind, 'version')
})

function topic(...argv: string[]): string {
  const parsed = parse(...argv)
  assert.ok(parsed.kind === 'help')
  return parsed.topic
}

test('a mistyped verb is answered with the one that was meant', () => {
  const said = (verb: string): string => unknownVerb(verb, commands).message
  assert.match(said('statsu'), /did you mean "perdura status"\?/)
  assert.match(said('trun'), /did you mean "perdura turn"\?/)
  assert.match(said('stat'), /did you mean "perdura state"\?/)
  assert.match(said('frobnicate'), /perdura help lists the verbs/)
})

test('help knows every verb, its options and its group', () => {
  const overview = helpText('', commands)
  for (const { name, summary } of commands) {
    assert.ok(overview.includes(name) && overview.includes(summary), name)
    assert.ok(helpText(name, commands).startsWith(`perdura ${name}`), name)
  }
  assert.match(helpText('turn', commands), /perdura turn list[\s\S]*perdura turn retry/)
  assert.match(helpText('send', commands), /-w, --wait/)
  assert.throws(() => helpText('nothing', commands), { code: 'ERR_USAGE' })
})

test('every verb of the table can be loaded', async () => {
  for (const { load, name } of commands) assert.equal(typeof (await load()).run, 'function', name)
})

test('numbers and durations are checked, and the refusal names the option', () => {
  assert.equal(countOption({ limit: '7' }, 'limit', 20, 100), 7)
  assert.equal(countOption({}, 'limit', 20, 100), 20)
  for (const text of ['-1', '1.5', 'x', '', '101', '1e2']) {
    assert.throws(
      () => countOption({ limit: text }, 'limit', 20, 100),
      { code: 'ERR_USAGE', message: /--limit/ },
      text,
    )
  }
  assert.equal(durationOption({ timeout: '5m' }, 'timeout', 1), 300_000)
  assert.throws(() => durationOption({ timeout: 'soon' }, 'timeout', 1), { code: 'ERR_DURATION' })
})

test('what is one slip away is suggested: a swap, a missing letter, one too many, another one', () => {
  for (const slip of ['tsatus', 'sttus', 'statuss', 'statis'])
    assert.equal(suggest(slip, ['status', 'send']), 'status')
})

test('nothing is suggested for what is not near anything', () => {
  assert.equal(suggest('xyz', ['status', 'send']), undefined)
  assert.equal(suggest('Adda', ['Ada', 'Bob']), 'Ada')
})
