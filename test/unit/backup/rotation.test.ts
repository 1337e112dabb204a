import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultRotation, rotate, type Kept, type RotationPolicy } from '../../../src/backup/rotation.ts'

const nothing: RotationPolicy = { last: 1, hourly: 0, daily: 0, weekly: 0, monthly: 0 }
const at = (text: string): number => Date.parse(text)
const backup = (text: string, proven = true): Kept => ({ name: text, createdAt: at(text), proven })

function kept(backups: readonly Kept[], policy: Partial<RotationPolicy>): string[] {
  return rotate(backups, { ...nothing, ...policy })
    .filter(({ keptFor }) => keptFor.length > 0)
    .map(({ name }) => name)
}

test('the last ones are kept, whatever order they are listed in', () => {
  const backups = ['2026-01-03', '2026-01-01', '2026-01-04', '2026-01-02'].map((day) => backup(day))
  assert.deepEqual(kept(backups, { last: 2 }), ['2026-01-04', '2026-01-03'])
})

test('of a period the newest stands for it, and periods without any do not count', () => {
  const days = ['2026-01-01T08:00Z', '2026-01-01T23:59Z', '2026-01-02T00:00Z', '2026-01-09T12:00Z']
  const backups = days.map((day) => backup(day))
  assert.deepEqual(kept(backups, { daily: 2 }), ['2026-01-09T12:00Z', '2026-01-02T00:00Z'])
  assert.deepEqual(kept(backups, { daily: 3 }), [
    '2026-01-09T12:00Z',
    '2026-01-02T00:00Z',
    '2026-01-01T23:59Z',
  ])
})

test('weeks begin on Monday, months on their first, both in UTC', () => {
  // 2026-03-01 is a Sunday.
  const backups = ['2026-02-28T12:00Z', '2026-03-01T23:00Z', '2026-03-02T01:00Z'].map((day) => backup(day))
  assert.deepEqual(kept(backups, { weekly: 2 }), ['2026-03-02T01:00Z', '2026-03-01T23:00Z'])
  assert.deepEqual(kept(backups, { monthly: 2 }), ['2026-03-02T01:00Z', '2026-02-28T12:00Z'])
})

test('a proven one stands for its period before a newer one that is not, and the newest proven one always stays', () => {
  const backups = [
    backup('2026-01-01T01:00Z'),
    backup('2026-01-05T01:00Z'),
    backup('2026-01-05T02:00Z', false),
    backup('2026-01-06T01:00Z', false),
  ]
  assert.deepEqual(kept(backups, {}), ['2026-01-06T01:00Z', '2026-01-05T01:00Z'])
  assert.deepEqual(kept(backups, { daily: 3 }), [
    '2026-01-06T01:00Z',
    '2026-01-05T01:00Z',
    '2026-01-01T01:00Z',
  ])
  const unproven = backups.map((one) => ({ ...one, proven: false }))
  assert.deepEqual(kept(unproven, { last: 0 }), ['2026-01-06T01:00Z'])
})

test('two years of a backup every hour leave exactly what the policy names', () => {
  const stepMs = 60 * 60_000
  const start = at('2026-01-01T00:50:00Z')
  let there: Kept[] = []
  const policy = defaultRotation
  for (let createdAt = start; createdAt < at('2028-01-01T00:00:00Z'); createdAt += stepMs) {
    there.push({ name: new Date(createdAt).toISOString(), createdAt, proven: true })
    const staying = new Set(
      rotate(there, policy).flatMap(({ name, keptFor }) => (keptFor.length > 0 ? [name] : [])),
    )
    there = there.filter(({ name }) => staying.has(name))
    assert.ok(there.length <= policy.last + policy.hourly + policy.daily + policy.weekly + policy.monthly + 1)
  }
  // Written out: the last four, the newest of 24 hours, 7 days, 4 weeks, 12 months before the end of 2027, a Friday.
  const expected = new Set<string>()
  const newestBefore = (end: string): void => {
    expected.add(new Date(at(end) - 10 * 60_000).toISOString())
  }
  for (const minutes of [10, 70, 130, 190])
    expected.add(new Date(at('2028-01-01T00:00:00Z') - minutes * 60_000).toISOString())
  for (let hour = 1; hour <= 23; hour++) newestBefore(`2027-12-31T${String(hour).padStart(2, '0')}:00:00Z`)
  newestBefore('2028-01-01T00:00:00Z')
  for (let day = 25; day <= 31; day++) newestBefore(`2027-12-${day}T24:00:00Z`)
  for (const monday of ['2027-12-13', '2027-12-20', '2027-12-27']) newestBefore(`${monday}T00:00:00Z`)
  for (let month = 1; month <= 12; month++)
    newestBefore(`2027-${String(month).padStart(2, '0')}-01T00:00:00Z`)
  expected.delete(new Date(at('2027-01-01T00:00:00Z') - 10 * 60_000).toISOString())
  assert.deepEqual(there.map(({ name }) => name).toSorted(), [...expected].toSorted())
})
