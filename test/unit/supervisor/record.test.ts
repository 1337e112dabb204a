import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noPast } from '../../../src/supervisor/history.ts'
import { readRecord, writeRecord, type SupervisionRecord } from '../../../src/supervisor/record.ts'

const record: SupervisionRecord = {
  launch: { file: '/a.ts' },
  wanted: 'stopped',
  outcome: 'failed',
  process: { pid: 7, identity: 'boot:1', mode: 'safe', ready: true, asked: 'restart', startedAt: 5 },
  bootId: 'boot',
  past: {
    ...noPast,
    restarts: 3,
    counts: { crashed: 2, hung: 1 },
    ends: [
      {
        at: 1,
        reason: 'hung',
        code: null,
        signal: 'SIGKILL',
        pid: 6,
        livedMs: 9,
        mode: 'normal',
        said: 'it was busy, in spin (a.ts:1:1)',
      },
    ],
    failedAt: [1, 2],
    safeMode: { level: 2, period: { since: 3, until: 4 } },
  },
}

test('a record reads as it was written', () => {
  assert.deepEqual(readRecord(writeRecord(record)), { status: 'read', record })
})

test('a torn record, and one of another program, are told from a record', () => {
  for (const text of ['', writeRecord(record).slice(0, 60), '[]', '{}', '{"version":1}']) {
    const reading = readRecord(text)
    assert.equal(reading.status, 'foreign')
    assert.equal(reading.record, undefined)
  }
})

test('of a newer record everything is taken that looks as it does here', () => {
  const newer = { ...(JSON.parse(writeRecord(record)) as object), version: 2, colour: 'red' }
  const reading = readRecord(JSON.stringify(newer))
  assert.equal(reading.status, 'foreign')
  assert.deepEqual(reading.record, record)
})

test('what is of another kind than expected gets its default, and nothing else is lost for it', () => {
  const odd = { ...(JSON.parse(writeRecord(record)) as object), restarts: -1, last_ends: [{ at: 'x' }, null] }
  const reading = readRecord(JSON.stringify(odd))
  assert.deepEqual(reading.record, { ...record, past: { ...record.past, restarts: 0, ends: [] } })
})
