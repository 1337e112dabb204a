import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { formatLogLine } from '../../../src/platform/log-line.ts'
import type { LogFields } from '../../../src/platform/log.ts'
import { createLog } from '../../../src/platform/logger.ts'

function lineOf(fields: unknown, secrets?: readonly string[]): string {
  const line = {
    timeMs: Date.UTC(2026, 0, 1),
    level: 'info',
    event: 'test:line',
    fields: fields as LogFields,
  } as const
  const text = formatLogLine(line, secrets)
  assert.ok(text.endsWith('\n') && text.indexOf('\n') === text.length - 1, 'one line')
  assert.ok(Buffer.byteLength(text) <= 16 * 1024, `${Buffer.byteLength(text)} bytes`)
  return text
}

// oxlint-disable-next-line typescript/no-explicit-any
const parsed = (fields: unknown, secrets?: readonly string[]): any => JSON.parse(lineOf(fields, secrets))

test('puts time, level and event first, and nothing in their place', () => {
  assert.equal(
    lineOf({ turn: 7, event: 'other', time: 0 }),
    '{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"test:line","turn":7}\n',
  )
})

test('keeps what is allowed in a field as it is', () => {
  const fields = { a: null, b: true, c: -1.5, d: 'ü\n"', e: [1, [2, { f: 'g' }]], h: {}, i: undefined }
  const { time: _time, level: _level, event: _event, ...rest } = parsed(fields)
  assert.deepEqual(rest, { a: null, b: true, c: -1.5, d: 'ü\n"', e: [1, [2, { f: 'g' }]], h: {} })
})

test('shows an error with its code, details, stack and causes', () => {
  const cause = Object.assign(new Error('write failed'), { code: 'ENOSPC' })
  const { error } = parsed({
    error: new PerduraError('ERR_STORE_WRITE', 'disk full', { cause, details: { freeBytes: 0 } }),
  })
  assert.equal(error.name, 'PerduraError')
  assert.equal(error.code, 'ERR_STORE_WRITE')
  assert.equal(error.message, 'disk full')
  assert.match(error.stack, /disk full\n +at /)
  assert.deepEqual(error.details, { freeBytes: 0 })
  assert.equal(error.cause.code, 'ENOSPC')
  const several = parsed({ error: new AggregateError([new Error('one'), new TypeError('two')], 'both') })
  assert.deepEqual(
    several.error.errors.map(({ message }: Error) => message),
    ['one', 'two'],
  )
})

test('redacts by key at every depth, and by shape everywhere', () => {
  const text = lineOf({
    token: 'plain-looking',
    request: { headers: { authorization: 'whatever', 'idempotency-key': 'k-1' } },
    list: [{ password: 12_345 }, 'Bearer abcdefgh1234'],
    secret: { nested: 'deep' },
    error: new PerduraError('ERR_TOKEN', 'token=abcdefgh refused', {
      details: { refreshToken: 'refresh-me' },
    }),
    tokens: 1_200,
    maxTokens: 4_096,
    accessToken: null,
    usesPassword: true,
    'Bearer as-a-key-12345678': 1,
  })
  for (const leak of ['plain-looking', 'whatever', '12345', 'abcdefgh', 'deep', 'refresh-me', 'as-a-key']) {
    assert.ok(!text.includes(leak), `${leak} in ${text}`)
  }
  const { request, tokens, maxTokens, accessToken, usesPassword } = JSON.parse(text)
  assert.equal(request.headers['idempotency-key'], 'k-1')
  assert.deepEqual([tokens, maxTokens, accessToken, usesPassword], [1_200, 4_096, null, true])
})

test('leaves no half of a secret at the point where a long text is cut', () => {
  const secret = 'known-secret-value-0123456789'
  for (let shift = 0; shift < 40; shift += 1) {
    const text = `${'x'.repeat(4_096 - shift)}${secret} and ${secret}${'y'.repeat(20_000)}`
    assert.doesNotMatch(lineOf({ text }, [secret]), /known|secret-|x-?k/, `shift ${shift}`)
    const long = `-----BEGIN PRIVATE KEY-----\n${'M'.repeat(3_000 + shift * 37)}\n-----END PRIVATE KEY-----${'z '.repeat(600)}`
    assert.doesNotMatch(lineOf({ text: `${long}${secret}${'y'.repeat(20_000)}` }, [secret]), /MM|known/)
  }
})

test('bounds a huge text, and says how long it was', () => {
  const { text } = parsed({ text: 'x'.repeat(50_000_000) })
  assert.match(text, /^x{3000,4096}… \(50000000 characters\)$/)
})

test('bounds what is huge, deep, circular, or all of that, in bounded time', () => {
  const circular: Record<string, unknown> = { name: 'self' }
  circular['self'] = circular
  circular['list'] = [circular, { circular }]
  let deep: unknown = 'bottom'
  for (let level = 0; level < 100_000; level += 1) deep = { deep }
  const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`key${index}`, index]))
  const bush = (depth: number): unknown => (depth === 0 ? 'leaf'.repeat(50) : Array(60).fill(bush(depth - 1)))
  const error = new Error('outer')
  error.cause = error
  let chain = new Error('innermost')
  for (let level = 0; level < 10_000; level += 1) chain = new Error('x'.repeat(2_000), { cause: chain })

  const before = performance.now()
  assert.deepEqual(parsed({ circular }).circular, {
    name: 'self',
    self: '(circular)',
    list: ['(circular)', { circular: '(circular)' }],
  })
  assert.match(lineOf({ deep }), /too deep/)
  assert.match(lineOf({ wide }), /more left out/)
  assert.match(lineOf({ list: Array(1_000_000).fill(0) }), /more\)/)
  lineOf({ bush: bush(8) })
  assert.equal(parsed({ error }).error.cause, '(circular)')
  lineOf({ chain })
  lineOf(Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`k${index}`, '\u0000'.repeat(5_000)])))
  lineOf({ ['k'.repeat(1_000_000)]: 1, bytes: new Uint8Array(1_000_000), map: new Map([[1, 2]]) })
  const nul = (index: number): string => String(index) + '\u0000'.repeat(200)
  const nest = (depth: number): unknown =>
    depth === 0
      ? nul(0)
      : Object.fromEntries(Array.from({ length: 20 }, (_, index) => [nul(index), nest(depth - 1)]))
  assert.equal(parsed(nest(3)).truncated, true)
  assert.ok(performance.now() - before < 5_000)
})

test('survives values that cannot be written', () => {
  const hostile = {
    get broken() {
      throw new Error('getter')
    },
    big: 10n ** 30n,
    huge: 10n ** 100_000n,
    nan: NaN,
    infinite: -Infinity,
    symbol: Symbol('s'),
    call: () => 1,
    date: new Date(NaN),
    lone: '\ud800',
    toJSON() {
      throw new Error('toJSON')
    },
    ['__proto__x']: 1,
    null: Object.create(null),
  }
  const { broken, big, huge, nan, infinite, symbol, call, date, lone } = parsed(hostile)
  assert.deepEqual(
    { broken, big, huge, nan, infinite, symbol, call, date, lone },
    {
      broken: '(unreadable)',
      big: '1000000000000000000000000000000',
      huge: '(huge integer)',
      nan: 'NaN',
      infinite: '-Infinity',
      symbol: '(symbol)',
      call: undefined,
      date: '1970-01-01T00:00:00.000Z',
      lone: '\ufffd',
    },
  )
  assert.equal(Object.hasOwn(parsed(JSON.parse('{"__proto__":{"x":1}}')), '__proto__'), true)
  const proxy = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error('trap')
      },
    },
  )
  assert.equal(parsed({ proxy, after: 1 }).after, 1)
})

test('bounds a long event and a broken time', () => {
  const line = formatLogLine({ timeMs: NaN, level: 'info', event: 'e'.repeat(100_000), fields: {} })
  assert.equal(JSON.parse(line).event.length, 200)
  assert.equal(JSON.parse(line).time, '1970-01-01T00:00:00.000Z')
})

test('leaves out the levels below its own, and gives every sink the rest', () => {
  const lines: string[][] = [[], []]
  const sinks = lines.map((into) => ({ write: (line: string) => void into.push(line) }))
  for (const [level, count] of [
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
  ] as const) {
    const log = createLog({ clock: { now: () => 0 }, sinks, level })
    for (const into of lines) into.length = 0
    log.debug('a:b')
    log.info('a:b')
    log.warn('a:b')
    log.error('a:b')
    assert.deepEqual(
      lines.map((into) => into.length),
      [count, count],
    )
  }
})

test('carries the fields of its context, the nearer over the farther', () => {
  const lines: string[] = []
  const log = createLog({ clock: { now: () => 0 }, sinks: [{ write: (line) => void lines.push(line) }] })
  const turn = log.with({ agent: 'Ada', turn: 1 }).with({ turn: 2 })
  turn.info('a:b', { step: 'quote' })
  turn.info('a:b', { turn: 3 })
  log.info('a:b')
  assert.deepEqual(
    lines.map((line) => {
      const { agent, turn: number, step } = JSON.parse(line)
      return [agent, number, step]
    }),
    [
      ['Ada', 2, 'quote'],
      ['Ada', 3, undefined],
      [undefined, undefined, undefined],
    ],
  )
})
