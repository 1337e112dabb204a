import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { formatCrashReport, type CrashFacts } from '../../../src/platform/crash-report.ts'
import { createLog } from '../../../src/platform/logger.ts'
import {
  newestCrashReport,
  takeCrashReports,
  writeCrashReport,
} from '../../../src/platform/node/crash-files.ts'
import { RecentLines } from '../../../src/platform/recent-lines.ts'
import { withFolder } from '../../helpers/folder.ts'

function facts(rest: Partial<CrashFacts> = {}): CrashFacts {
  return {
    atMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    kind: 'exception',
    error: new Error('a bug'),
    versions: { perdura: '0.1.0', node: '24.0.0' },
    pid: 42,
    uptimeMs: 1_000,
    memory: { rss: 50_000_000 },
    state: { agent: 'Ada', turns: [{ turn: 3, attempt: 1, for_ms: 20 }] },
    lines: [],
    ...rest,
  }
}

test('a report has the stack, the causes, the versions, what ran, and the last lines of the log', () => {
  const cause = new TypeError('no such column')
  const error = new Error('the handler is wrong', { cause })
  const line = '{"time":"2026-01-02T03:04:05.000Z","level":"info","event":"turn:done","turn":2}\n'
  const report = JSON.parse(formatCrashReport(facts({ error, lines: [line] })))
  assert.equal(report.time, '2026-01-02T03:04:05.678Z')
  assert.equal(report.error.message, 'the handler is wrong')
  assert.match(report.error.stack, /crash-report\.test/)
  assert.equal(report.error.cause.name, 'TypeError')
  assert.deepEqual(report.versions, { perdura: '0.1.0', node: '24.0.0' })
  assert.deepEqual(report.state.turns, [{ turn: 3, attempt: 1, for_ms: 20 }])
  assert.equal(report.log[0].event, 'turn:done')
})

test('no planted secret is in a report, wherever it stood', () => {
  const canaries = {
    known: 'planted-ingress-canary-1',
    jwt: `eyJ${'canary2'.repeat(4)}.${'abc'.repeat(6)}.sig`,
    bearer: 'canary3canary3canary3',
    key: `sk-${'canary4'.repeat(4)}`,
    url: 'canary5pass',
    password: 'canary6',
  }
  const recent = new RecentLines()
  const log = createLog({ clock: { now: () => 0 }, sinks: [recent], secrets: [canaries.known] })
  log.error('http:request:failed', {
    authorization: `Bearer ${canaries.bearer}`,
    url: `https://ada:${canaries.url}@example.org/`,
    text: `it was ${canaries.known}`,
  })
  const cause = Object.assign(new Error(`password=${canaries.password}`), {
    details: { refresh_token: canaries.jwt, note: canaries.known },
  })
  const error = new Error(`Bearer ${canaries.bearer} was refused with ${canaries.key}`, { cause })
  error.stack = `${error.stack}\n at ${canaries.known} (file:///x?token=${canaries.jwt})`
  const state = { agent: 'Ada', note: canaries.known, password: canaries.password, seen: canaries.jwt }
  const text = formatCrashReport(facts({ error, state, lines: recent.lines }), [canaries.known])
  for (const [what, canary] of Object.entries(canaries)) assert.equal(text.includes(canary), false, what)
  assert.match(text, /redacted/)
})

test('a report is bounded, whatever has failed and however much was logged', () => {
  const huge = new AggregateError(
    Array.from({ length: 1_000 }, (_, at) => new Error(`${at} ${'x'.repeat(100_000)}`)),
    'y'.repeat(10_000_000),
  )
  const line = `${JSON.stringify({ event: 'x', text: 'z'.repeat(15_000) })}\n`
  const text = formatCrashReport(facts({ error: huge, lines: Array.from({ length: 50 }, () => line) }))
  assert.ok(Buffer.byteLength(text) <= 262_144, `${Buffer.byteLength(text)} bytes`)
  assert.ok(JSON.parse(text).log.length > 0)
})

test('only the last fifty lines are kept', () => {
  const recent = new RecentLines()
  for (let at = 1; at <= 130; at += 1) recent.write(`{"at":${at}}\n`)
  assert.equal(recent.lines.length, 50)
  assert.equal(recent.lines.at(-1), '{"at":130}\n')
})

test('twenty reports are kept, closed to others, and each is told of once', () =>
  withFolder((folder) => {
    const crashes = path.join(folder, 'crashes')
    assert.deepEqual(takeCrashReports(crashes), [])
    for (let at = 0; at < 25; at += 1) writeCrashReport(crashes, 1_000_000 + at * 1_000, 7, `{"at":${at}}\n`)
    const files = fs.readdirSync(crashes)
    assert.equal(files.length, 20)
    assert.equal(fs.statSync(path.join(crashes, files[0] ?? '')).mode & 0o777, 0o600)
    assert.equal(fs.statSync(crashes).mode & 0o777, 0o700)
    assert.equal(takeCrashReports(crashes).length, 20)
    assert.deepEqual(takeCrashReports(crashes), [])
    const last = writeCrashReport(crashes, 2_000_000, 7, '{}\n')
    assert.deepEqual(takeCrashReports(crashes), [last])
  }))

test('a report stays, is told of and is the newest one although twenty others are of the future', () =>
  withFolder((folder) => {
    const year3000 = Date.UTC(3000, 0, 1)
    for (let at = 0; at < 20; at += 1) writeCrashReport(folder, year3000 + at, 7, `{"at":${year3000 + at}}\n`)
    takeCrashReports(folder)
    const names = (): string[] => fs.readdirSync(folder).filter((name) => name.endsWith('.json'))
    const now = Date.now() - 60_000
    const written: string[] = []
    for (let crash = 0; crash < 22; crash += 1) {
      const file = writeCrashReport(folder, now + crash, 7, `{"at":${now + crash}}\n`)
      written.push(path.basename(file))
      assert.deepEqual(takeCrashReports(folder), [file])
      assert.equal(newestCrashReport(folder)?.file, file)
      assert.equal(names().length, 20)
    }
    // Those of the future have gone first.
    assert.deepEqual(names().toSorted(), written.slice(-20))
    // A clock that is behind leaves the one that is written now all the same.
    const early = writeCrashReport(folder, 0, 7, '{"at":0}\n')
    assert.ok(names().includes(path.basename(early)))
    assert.deepEqual(takeCrashReports(folder), [early])
  }))
