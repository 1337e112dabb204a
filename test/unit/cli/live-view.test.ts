import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderFleet } from '../../../src/cli/fleet-view.ts'
import { LiveModel } from '../../../src/cli/live-model.ts'
import { describeActivity, renderLive } from '../../../src/cli/live-view.ts'
import { displayWidth } from '../../../src/cli/output.ts'
import type { Activity, ProcessMessage } from '../../../src/cli/process-messages.ts'
import { countEvents } from '../../../src/runtime/counters.ts'
import type { Totals } from '../../../src/runtime/queries.ts'

const nothing: Totals = { received: 0, done: 0, open: 0, parked: 0, dead: 0, unread: 0, outgoing: 0 }

function ready(pid: number, totals: Partial<Totals> = {}): ProcessMessage {
  return {
    type: 'ready',
    pid,
    previous: 'none',
    replayedRecords: 0,
    interruptedTurns: 0,
    ingressUrl: 'http://127.0.0.1:8760/agents/Ada/inbox',
    totals: { ...nothing, ...totals },
    session: null,
    safeMode: false,
  }
}

function activity(
  duplicates: number,
  totals: Partial<Totals>,
  lines: readonly Activity[] = [],
): ProcessMessage {
  const counters = { ...countEvents({ on: () => () => undefined }), duplicates }
  return { type: 'activity', counters, totals: { ...nothing, ...totals }, session: null, lines }
}

function render(model: LiveModel, size = { columns: 80, rows: 24 }): string[] {
  return renderLive(model, {
    size,
    now: 10_000,
    paint: (_style, text) => text,
    hint: (command) => command,
    keys: true,
  })
}

const live = { attempts: 0, nextTryMs: null, roundTripMs: null, clockSkewMs: null, heardAgoMs: null }

test('counts what came in and took effect since it began, over the deaths of processes', () => {
  const model = new LiveModel('Ada')
  model.received(ready(1, { received: 10, done: 8, open: 2 }), 0, 0)
  model.received(activity(1, { received: 15, done: 14, open: 1 }), 0, 0)
  model.exited('killed', true, 0, 0)
  model.received(ready(2, { received: 16, done: 14, open: 2 }), 84, 0)
  model.received(activity(2, { received: 16, done: 16 }), 90, 0)
  assert.equal(model.cameIn, 8)
  assert.equal(model.tookEffect, 8)
  assert.equal(model.counters.duplicates, 3)
  assert.equal(model.kills, 1)
  assert.equal(model.lastRecoveryMs, 84)
})

test('cuts a line by the columns that it takes, not by its characters', () => {
  const model = new LiveModel('Ada')
  for (const text of ['日本語'.repeat(40), '🧀'.repeat(100), `${'e\u0301'.repeat(100)}`])
    model.add({ at: 0, kind: 'in', text })
  for (const columns of [1, 20, 41, 80]) {
    for (const line of render(model, { columns, rows: 24 })) {
      assert.ok(displayWidth(line) <= columns, `${displayWidth(line)} of ${columns} columns: ${line}`)
      assert.ok(line.isWellFormed())
    }
  }
})

test('shows state, figures, the newest activity, and how to talk to the agent', () => {
  const model = new LiveModel('Ada')
  model.received(ready(42), 0, 7_000)
  model.entered({ name: 'running', mode: 'normal', adopted: false, pid: 42 })
  for (let index = 1; index <= 30; index++) model.add({ at: 0, kind: 'in', text: `you: message ${index}` })
  const screen = render(model)
  assert.equal(screen.length, 24)
  const text = screen.join('\n')
  assert.match(text, /Ada {2}running {2}process 42, for 3\.0s/)
  assert.match(text, /came in 0 .*took effect 0/)
  assert.match(text, /message 30/)
  assert.doesNotMatch(text, /message 3\n/)
  assert.match(text, /perdura send Ada "hello" --wait/)
  assert.match(text, /k {2}kill its process/)
})

test('fits every terminal', () => {
  const model = new LiveModel('Ada')
  model.add({ at: 0, kind: 'out', text: `you: ${'long '.repeat(100)}` })
  for (const size of [
    { columns: 20, rows: 5 },
    { columns: 1, rows: 1 },
    { columns: 200, rows: 60 },
  ]) {
    const screen = render(model, size)
    assert.ok(screen.length <= size.rows, JSON.stringify(size))
    for (const line of screen) assert.ok(line.length <= size.columns, `${JSON.stringify(size)}: ${line}`)
  }
})

test('what other agents write cannot break out of its line', () => {
  const line = describeActivity({ at: 0, kind: 'in', text: 'Bob: \u001B[2Jgone\nnext' }, 0)
  assert.match(line, /← Bob: �\[2Jgone next$/)
})

test('the log of what happened is bounded', () => {
  const model = new LiveModel('Ada')
  for (let index = 0; index < 5_000; index++) model.add({ at: 0, kind: 'in', text: String(index) })
  assert.equal(model.activity.length, 200)
  assert.equal(model.activity.at(-1)?.text, '4999')
})

test('shows a line for each process of several, with its session, and the keys that kill', () => {
  const [hub, ada, bo] = ['hub', 'Ada', 'Bo'].map((name) => new LiveModel(name)) as [
    LiveModel,
    LiveModel,
    LiveModel,
  ]
  hub.received({ type: 'hub', pid: 1, url: 'http://hub:1', connected: 1 }, 0, 0)
  hub.entered({ name: 'running', mode: 'normal', adopted: false, pid: 1 })
  ada.entered({ name: 'running', mode: 'normal', adopted: false, pid: 2 })
  ada.received(
    {
      ...(ready(2, { received: 7, done: 6, open: 1, outgoing: 2 }) as ProcessMessage & { type: 'ready' }),
      session: { ...live, state: 'online', reason: 'resumed', since: 8_000, generation: 3 },
    },
    0,
    7_000,
  )
  bo.entered({ name: 'running', mode: 'normal', adopted: false, pid: 3 })
  bo.received(
    {
      ...(ready(3) as ProcessMessage & { type: 'ready' }),
      session: { ...live, state: 'backing-off', reason: 'closed with 1006', since: 9_000, generation: 2 },
    },
    0,
    7_000,
  )
  ada.add({ at: 2, kind: 'out', text: 'Bo: hello' })
  bo.add({ at: 3, kind: 'in', text: 'Ada: hello' })
  const members = [
    { model: hub, kind: 'hub', key: 'h' },
    { model: ada, kind: 'agent', key: '1' },
    { model: bo, kind: 'agent', key: '2' },
  ] as const
  const draw = (columns: number, rows: number): string[] =>
    renderFleet(members, 'http://hub:1', {
      size: { columns, rows },
      now: 10_000,
      paint: (_style, text) => text,
      hint: (command) => command,
      keys: true,
    })
  const text = draw(100, 24).join('\n')
  assert.match(text, /Ada and Bo {2}at the hub http:\/\/hub:1/)
  assert.match(text, /h +hub +running .* 1 connected/)
  assert.match(text, /1 +Ada +running 3\.0s +online 2\.0s +3 +1\/7 +2\/0/)
  assert.match(text, /Bo is backing-off: closed with 1006/)
  assert.match(text, /Ada → Bo: hello\n .*Bo {2}← Ada: hello/)
  assert.match(text, /kill -9: h hub, 1 Ada, 2 Bo/)
  for (const [columns, rows] of [
    [20, 5],
    [1, 1],
    [80, 24],
  ] as const) {
    const screen = draw(columns, rows)
    assert.ok(screen.length <= rows)
    for (const line of screen) assert.ok(displayWidth(line) <= columns, line)
  }
})
