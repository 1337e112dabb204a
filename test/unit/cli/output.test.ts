import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Output, excerpt, formatTime, oneLine, printable, wantsColour } from '../../../src/cli/output.ts'
import { PerduraError } from '../../../src/errors.ts'

interface Said {
  readonly output: Output
  readonly stdout: () => string
  readonly stderr: () => string
}

function listen(options: { json?: boolean; quiet?: boolean; colour?: boolean } = {}): Said {
  const stdout: string[] = []
  const stderr: string[] = []
  const output = new Output({
    json: options.json ?? false,
    quiet: options.quiet ?? false,
    colour: { stdout: options.colour ?? false, stderr: false },
    stdout: { write: (text) => stdout.push(text) },
    stderr: { write: (text) => stderr.push(text) },
  })
  return { output, stdout: () => stdout.join(''), stderr: () => stderr.join('') }
}

test('data goes to standard output, notes go to standard error', () => {
  const { output, stdout, stderr } = listen()
  output.line('data')
  output.note('note')
  output.document({ not: 'printed' })
  assert.equal(stdout(), 'data\n')
  assert.equal(stderr(), 'note\n')
})

test('--json prints one document and no lines', () => {
  const { output, stdout } = listen({ json: true })
  output.line('data')
  output.table(['a'], [['1']])
  output.document({ oneThing: 1 })
  assert.deepEqual(JSON.parse(stdout()), { one_thing: 1 })
})

test('--quiet keeps notes back, and no errors', () => {
  const { output, stderr } = listen({ quiet: true })
  output.note('note')
  output.failure(new PerduraError('ERR_USAGE', 'wrong'))
  assert.equal(stderr(), 'perdura: ERR_USAGE: wrong\n')
})

test('an error is said on standard error, and is the document with --json', () => {
  const { output, stdout, stderr } = listen({ json: true })
  output.failure(new PerduraError('ERR_NOT_RUNNING', 'Ada is not running', { details: { agent: 'Ada' } }))
  assert.match(stderr(), /^perdura: ERR_NOT_RUNNING: Ada is not running\n$/)
  assert.deepEqual(JSON.parse(stdout()), {
    success: false,
    error: 'Ada is not running',
    code: 'ERR_NOT_RUNNING',
    details: { agent: 'Ada' },
  })
})

test('what nobody expected is said with its place', () => {
  const { output, stderr } = listen()
  output.failure(new TypeError('a bug'))
  assert.match(stderr(), /^perdura: ERR_INTERNAL: a bug\n {4}at /)
})

test('columns are as wide as their widest cell, and what would break the line is taken out', () => {
  const { output, stdout } = listen()
  output.table(
    ['name', 'text'],
    [
      ['Ada', 'two\nlines\u001B[31m'],
      ['日本', 'x'],
    ],
  )
  assert.equal(stdout(), 'name  text\nAda   two lines�[31m\n日本  x\n')
})

test('colours are for terminals that want them', () => {
  assert.equal(wantsColour({ isTTY: true }, {}, false), true)
  assert.equal(wantsColour({ isTTY: true }, {}, true), false)
  assert.equal(wantsColour({ isTTY: true }, { NO_COLOR: '1' }, false), false)
  assert.equal(wantsColour({ isTTY: true }, { NO_COLOR: '' }, false), true)
  assert.equal(wantsColour({ isTTY: true }, { TERM: 'dumb' }, false), false)
  assert.equal(wantsColour({}, {}, false), false)
})

test('a text from elsewhere cannot move the cursor', () => {
  assert.equal(printable('a\u001B[2Jb\u0007\tc\nd\u009B'), 'a�[2Jb�\tc\nd�')
  assert.equal(oneLine('  a\n b\r\n'), 'a b')
  assert.equal(excerpt('abcdef', 4), 'abc…')
})

test('our own keys become snake case, and keys of what a user stored do not', () => {
  const { output, stdout } = listen({ json: true })
  output.document({ startedAt: 1, list: [{ inReplyTo: null }], state: { camelCase: 1 }, gone: undefined })
  assert.deepEqual(JSON.parse(stdout()), {
    started_at: 1,
    list: [{ in_reply_to: null }],
    state: { camelCase: 1 },
  })
})

test('a time of today has no date', () => {
  const noon = new Date(2026, 0, 2, 12, 3, 4).getTime()
  assert.equal(formatTime(noon, noon), '12:03:04')
  assert.equal(formatTime(noon, noon + 86_400_000), '2026-01-02 12:03:04')
})
