import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  formatTime,
  parseLeadingWhen,
  parseTrailingWhen,
  resolveWhen,
} from '../../../src/mind/reflex/time.ts'

const zone = process.env['TZ']
before(() => {
  process.env['TZ'] = 'Europe/Madrid'
})
after(() => {
  if (zone === undefined) delete process.env['TZ']
  else process.env['TZ'] = zone
})

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

for (const [written, delayMs] of [
  ['in 10 minutes', 10 * minute],
  ['in 10 min', 10 * minute],
  ['in 10m', 10 * minute],
  ['IN 2H', 2 * hour],
  ['in 90 seconds', 90 * second],
  ['in 90s', 90 * second],
  ['in 1h30m', 90 * minute],
  ['in 1h 30m', 90 * minute],
  ['in 1 hour, 30 minutes', 90 * minute],
  ['in 1 hour and 30 minutes', 90 * minute],
  ['in an hour', hour],
  ['in a minute', minute],
  ['in half an hour', 30 * minute],
  ['in half a day', 12 * hour],
  ['in an hour and a half', 90 * minute],
  ['in two hours and five minutes', 125 * minute],
  ['in 1.5 hours', 90 * minute],
  ['in 0.5s', 500],
  ['in 2 days', 2 * day],
  ['in a week', 7 * day],
  ['in 0 minutes', 0],
] as const) {
  test(`reads "${written}"`, () => {
    assert.deepEqual(parseLeadingWhen(`${written} to go`), {
      when: { kind: 'after', delayMs },
      rest: 'to go',
    })
    assert.deepEqual(parseTrailingWhen(`go ${written}.`), { when: { kind: 'after', delayMs }, rest: 'go' })
    assert.deepEqual(parseLeadingWhen(written)?.rest, '')
  })
}

for (const [written, dayWritten, hours, minutes] of [
  ['at 17:30', 'today', 17, 30],
  ['17:30', 'today', 17, 30],
  ['at 9:05 am', 'today', 9, 5],
  ['at 9:05pm', 'today', 21, 5],
  ['at 5pm', 'today', 17, 0],
  ['at 12 am', 'today', 0, 0],
  ['at 12pm', 'today', 12, 0],
  ['at 25:99', 'today', 25, 99],
  ['at 13:00 pm', 'today', 99, 0],
  ['today at 17:30', 'today', 17, 30],
  ['tomorrow at 9:00', 'tomorrow', 9, 0],
  ['tomorrow 9:00', 'tomorrow', 9, 0],
  ['tomorrow, 9:00', 'tomorrow', 9, 0],
  ['at 9:00 tomorrow', 'tomorrow', 9, 0],
  ['Tomorrow', 'tomorrow', 9, 0],
  ['at 2026-12-01 09:00', { year: 2026, month: 12, day: 1 }, 9, 0],
  ['on 2026-12-01 at 9:00', { year: 2026, month: 12, day: 1 }, 9, 0],
  ['2026-12-01T09:00', { year: 2026, month: 12, day: 1 }, 9, 0],
  ['2026-12-01', { year: 2026, month: 12, day: 1 }, 9, 0],
] as const) {
  test(`reads "${written}"`, () => {
    const when = { kind: 'at', day: dayWritten, hour: hours, minute: minutes }
    assert.deepEqual(parseLeadingWhen(`${written} to go`), { when, rest: 'to go' })
    assert.deepEqual(parseTrailingWhen(`go ${written}`), { when, rest: 'go' })
  })
}

for (const text of [
  '',
  'in',
  'in a moment',
  'in 10',
  'in 10 parsecs',
  'at home',
  'at 5',
  'at 17:3',
  'at 17:305',
  'in 1e9 s',
  'in -5 minutes',
  'tomorrowland',
  'in 12345678 s',
  'in am',
]) {
  test(`takes "${text}" for no time`, () => {
    assert.equal(parseLeadingWhen(`${text} x`), undefined)
    assert.equal(parseTrailingWhen(`x ${text}`), undefined)
  })
}

test('leaves a text alone that only contains a time', () => {
  assert.deepEqual(parseTrailingWhen('be at home at 9:00 tomorrow')?.rest, 'be at home')
  assert.equal(parseTrailingWhen('meet at 9:00 in the park'), undefined)
  assert.equal(parseTrailingWhen(`${'x'.repeat(10_000)} in 5 minutes`)?.rest.length, 10_000)
})

function resolve(written: string, now: string): string {
  const when = parseLeadingWhen(written)?.when
  assert.ok(when)
  const resolved = resolveWhen(when, Date.parse(now))
  return resolved.kind === 'time' ? formatTime(resolved.dueAt) : resolved.reason
}

for (const [written, now, answer] of [
  ['in 10 minutes', '2026-11-22T12:00:07Z', '2026-11-22 13:10:07 UTC+01:00'],
  ['in 10 minutes', '2026-07-22T12:00:00Z', '2026-07-22 14:10 UTC+02:00'],
  ['at 17:30', '2026-11-22T12:00:00Z', '2026-11-22 17:30 UTC+01:00'],
  ['tomorrow at 9:00', '2026-12-31T12:00:00Z', '2027-01-01 09:00 UTC+01:00'],
  ['tomorrow at 9:00', '2026-11-22T23:30:00Z', '2026-11-24 09:00 UTC+01:00'],
  ['at 2028-02-29 00:00', '2026-11-22T12:00:00Z', '2028-02-29 00:00 UTC+01:00'],
  // The hour of the change comes twice: the first.
  ['at 2026-10-25 02:30', '2026-10-01T12:00:00Z', '2026-10-25 02:30 UTC+02:00'],
  [
    'at 2027-03-28 02:30',
    '2026-11-22T12:00:00Z',
    'There is no 02:30 on that day, because the clocks change: choose another time.',
  ],
  [
    'at 12:59',
    '2026-11-22T12:00:00Z',
    '2026-11-22 12:59 UTC+01:00 has passed: it is 2026-11-22 13:00 UTC+01:00 now. For the next day write "tomorrow at 12:59".',
  ],
  [
    'at 13:00',
    '2026-11-22T12:00:00Z',
    '2026-11-22 13:00 UTC+01:00 has passed: it is 2026-11-22 13:00 UTC+01:00 now. For the next day write "tomorrow at 13:00".',
  ],
  [
    'on 2020-01-01',
    '2026-11-22T12:00:00Z',
    '2020-01-01 09:00 UTC+01:00 has passed: it is 2026-11-22 13:00 UTC+01:00 now.',
  ],
  ['on 2027-02-29', '2026-11-22T12:00:00Z', 'There is no 2027-02-29 in the calendar.'],
  ['on 2027-13-01', '2026-11-22T12:00:00Z', 'There is no 2027-13-01 in the calendar.'],
  ['on 0050-01-01', '2026-11-22T12:00:00Z', 'There is no 0050-01-01 in the calendar.'],
  ['at 25:99', '2026-11-22T12:00:00Z', 'That is no time of day: write 17:30 or 5:30 pm.'],
  ['at 13:00 pm', '2026-11-22T12:00:00Z', 'That is no time of day: write 17:30 or 5:30 pm.'],
  ['in 0 minutes', '2026-11-22T12:00:00Z', 'That is now: write a time of at least one second.'],
  ['in 500 weeks', '2026-11-22T12:00:00Z', 'That is too far ahead: I take times within five years.'],
  ['on 2040-01-01', '2026-11-22T12:00:00Z', 'That is too far ahead: I take times within five years.'],
] as const) {
  test(`resolves "${written}" at ${now} in Madrid`, () => assert.equal(resolve(written, now), answer))
}

test('names half-hour zones and those west of Greenwich', () => {
  const madrid = process.env['TZ']
  try {
    process.env['TZ'] = 'Asia/Kolkata'
    assert.equal(formatTime(0), '1970-01-01 05:30 UTC+05:30')
    process.env['TZ'] = 'America/St_Johns'
    assert.equal(formatTime(Date.UTC(2026, 0, 1)), '2025-12-31 20:30 UTC-03:30')
  } finally {
    process.env['TZ'] = madrid
  }
})
