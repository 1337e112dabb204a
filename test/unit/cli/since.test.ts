import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSince } from '../../../src/cli/since.ts'

const now = Date.parse('2026-11-28T12:00:00Z')

test('a duration is so long ago', () => {
  assert.equal(parseSince('2h', now), now - 7_200_000)
  assert.equal(parseSince(' 1.5d ', now), now - 129_600_000)
})

test('a time with its zone is that moment, without one it is of this machine', () => {
  assert.equal(parseSince('2026-11-28T09:30:00.5Z', now), Date.UTC(2026, 10, 28, 9, 30, 0, 500))
  assert.equal(parseSince('2026-11-28T09:30+02:00', now), Date.UTC(2026, 10, 28, 7, 30))
  assert.equal(parseSince('2026-11-28T09:30', now), new Date(2026, 10, 28, 9, 30).getTime())
  assert.equal(parseSince('2026-11-28 09:30', now), new Date(2026, 10, 28, 9, 30).getTime())
})

test('a day is its midnight here, not in Greenwich', () => {
  assert.equal(parseSince('2026-11-28', now), new Date(2026, 10, 28).getTime())
})

test('what is neither is refused with what to write', () => {
  for (const text of [
    '',
    'yesterday',
    '2',
    '2y',
    '28.11.2026',
    '2026-04-31',
    '2026-13-01T00:00',
    '9:30',
    '-2h',
  ])
    assert.throws(() => parseSince(text, now), { code: 'ERR_USAGE', message: /--since takes .*2h/ }, text)
})
