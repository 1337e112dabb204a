import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createEntryReader,
  documentOf,
  format,
  levelOf,
  withLeadingTimes,
} from '../../../../src/cli/logs/log-entry.ts'
import { Output } from '../../../../src/cli/output.ts'

const plain = new Output({
  json: false,
  quiet: false,
  colour: { stdout: false, stderr: false },
  stdout: { write: () => undefined },
  stderr: { write: () => undefined },
})
const noon = new Date(2026, 10, 28, 12, 0, 0)
const line = (fields: object): string =>
  JSON.stringify({ time: noon.toISOString(), level: 'info', ...fields })

test('a line of ours is shown with its time, level, event and fields', () => {
  const read = createEntryReader()
  const entry = read(
    line({ level: 'warn', event: 'turn:failed', turn: 7, error: { code: 'ERR_X', message: 'no\nway' } }),
  )
  assert.equal(
    format(plain, entry, noon.getTime()),
    '12:00:00 warn  turn:failed turn=7 error="ERR_X: no way"',
  )
  assert.equal(levelOf(entry), 'warn')
})

test('a line that is none of ours is shown as it is, without what would move the cursor', () => {
  const read = createEntryReader()
  for (const text of ['{"time":"2026-', 'a bare text', '[1]', '{"a":1'])
    assert.equal(format(plain, read(text), 0), text)
  assert.equal(format(plain, read('a\u001B[2Jb'), 0), 'a�[2Jb')
  assert.deepEqual(documentOf(read('a bare text')), { text: 'a bare text' })
  assert.equal(levelOf(read('a bare text')), 'info')
})

test('an event or a value cannot move the cursor or begin a line of its own', () => {
  const entry = createEntryReader()(line({ event: 'a\u001B[2J\nb', 'k\ney': 'v\u0007' }))
  assert.doesNotMatch(format(plain, entry, 0), /\p{Cc}/u)
})

test('a line without a time is as old as the one before it', () => {
  const read = createEntryReader()
  assert.equal(read('first').timeMs, -Infinity)
  read(line({}))
  assert.deepEqual([read('cut').timeMs, read('cut').orderMs], [noon.getTime(), noon.getTime()])
})

test('a clock that was set back does not change the order in which lines were written', () => {
  const read = createEntryReader()
  read(line({}))
  const earlier = read(JSON.stringify({ time: '2026-01-01T00:00:00.000Z' }))
  assert.equal(earlier.timeMs, Date.UTC(2026, 0, 1))
  assert.equal(earlier.orderMs, noon.getTime())
})

test('lines without a time at the beginning are as old as the first that has one', () => {
  const read = createEntryReader()
  const entries = withLeadingTimes([read('cut'), read(line({})), read('cut too')])
  assert.deepEqual(
    entries.map(({ orderMs }) => orderMs),
    [noon.getTime(), noon.getTime(), noon.getTime()],
  )
})

test('of several logs the document says which one, whatever the line says itself', () => {
  const entry = createEntryReader()(line({ event: 'x', log: 'mine' }))
  assert.equal((documentOf(entry, 'Ada') as { log: string }).log, 'Ada')
  assert.equal((documentOf(entry) as { log: string }).log, 'mine')
  assert.equal(Object.keys(documentOf(createEntryReader()(line({})), 'Ada'))[0], 'log')
})
