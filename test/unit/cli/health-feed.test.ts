import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HealthFeed } from '../../../src/cli/health-feed.ts'
import { readHistory } from '../../../src/cli/health-view.ts'
import type { Beat } from '../../../src/cli/process-messages.ts'
import type { HealthState } from '../../../src/health/report.ts'
import type { Json, JsonObject } from '../../../src/json.ts'
import type { Log, LogFields } from '../../../src/platform/log.ts'
import type { ChildState } from '../../../src/supervisor/child-state.ts'
import type { EndReason } from '../../../src/supervisor/exits.ts'
import { defaultPolicy } from '../../../src/supervisor/policy.ts'

const startMs = Date.UTC(2026, 0, 1)
const starting: ChildState = { name: 'starting', pid: 1, mode: 'normal', adopted: false }
const running: ChildState = { name: 'running', pid: 1, mode: 'normal', adopted: false }
const killed = { code: null, signal: 'SIGKILL' }

function beat(own: Partial<Beat> = {}, state: HealthState = 'healthy', notReady: string[] = []): Beat {
  const reasons = state === 'healthy' ? [] : [{ check: 'memory', state, text: `it is ${state}` }]
  return {
    type: 'beat',
    health: { state, reasons, notReady },
    turnsDone: 0,
    stalled: false,
    rssBytes: 60e6,
    heapUsedBytes: 10e6,
    cpuMs: 100,
    loopDelayMs: 2,
    session: null,
    inbox: 1,
    outbox: 0,
    safeMode: false,
    ...own,
  }
}

const told: [string, LogFields | undefined][] = []
const note = (event: string, fields?: LogFields): void => void told.push([event, fields])
const log: Log = { debug: note, info: note, warn: note, error: note, with: () => log }

/** A feed on a clock that a test sets, with its files in a folder that is removed. */
function feeding(use: (world: ReturnType<typeof create>) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-feed-'))
  try {
    use(create(folder))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function create(folder: string) {
  const time = { ms: 0 }
  const clock = { now: () => startMs + time.ms, monotonicMs: () => time.ms }
  const notices: JsonObject[] = []
  const feed = new HealthFeed({
    title: 'Ada',
    folder,
    clock,
    policy: () => defaultPolicy,
    notifier: { tell: (notice: JsonObject) => void notices.push(notice) } as never,
    log,
  })
  const pass = (seconds: number, said?: Beat): void => {
    for (let second = 0; second < seconds; second++) {
      time.ms += 1_000
      if (said !== undefined) feed.heard(said)
      feed.tick()
    }
  }
  /** Of spans in a row that differ only in how it found itself, one. */
  const spans = (): Json[] => {
    const shown: (readonly [string, number, ...string[]])[] = []
    for (const { state, durationMs, cause } of history().spans) {
      const last = shown.at(-1)
      const more = state === 'down' ? [cause] : []
      if (last?.[0] === state && last[2] === more[0])
        shown[shown.length - 1] = [state, last[1] + durationMs / 1_000, ...more]
      else shown.push([state, durationMs / 1_000, ...more])
    }
    return shown
  }
  const history = () => readHistory(folder, { now: clock.now(), sinceMs: 86_400_000, watched: true })
  return { folder, time, clock, feed, notices, pass, spans }
}

test('a kill is down from its end until the next process is ready, with the cause of the kill', () => {
  feeding(({ feed, pass, spans }) => {
    feed.entered(starting)
    pass(1)
    feed.entered(running)
    pass(10, beat())
    feed.exited(killed, 'killed')
    feed.entered({ name: 'backing-off', delayMs: 0, exit: killed, reason: 'killed', crashLooping: false })
    feed.entered(starting)
    pass(2)
    feed.entered(running)
    pass(5, beat())
    assert.deepEqual(spans(), [
      ['stopped', 1],
      ['up', 10],
      ['down', 2, 'the process was killed (SIGKILL)'],
      ['up', 5],
    ])
  })
})

test('the first start is no outage, nor is one after a stop; one that fails is, from its failure on', () => {
  feeding(({ feed, pass, spans }) => {
    feed.entered({ name: 'queued', delayMs: 10 })
    pass(1)
    feed.entered(starting)
    pass(2)
    feed.entered(running)
    pass(5, beat())
    feed.entered({ name: 'stopping', pid: 1 })
    feed.exited({ code: 0, signal: null }, 'stop')
    feed.entered({ name: 'stopped' })
    pass(10)
    feed.entered(starting)
    pass(3)
    const crash = { code: 1, signal: null }
    feed.exited(crash, 'crashed')
    feed.entered({ name: 'backing-off', delayMs: 0, exit: crash, reason: 'crashed', crashLooping: false })
    feed.entered(starting)
    pass(2)
    feed.entered(running)
    pass(1, beat())
    assert.deepEqual(spans(), [
      ['stopped', 3],
      ['up', 5],
      ['stopped', 13],
      ['down', 2, 'the process ended with exit code 1'],
      ['up', 1],
    ])
  })
})

test('one that was up when its supervisor died is missed while the next supervisor starts it', () => {
  feeding(({ folder, clock, feed, pass, time, spans }) => {
    feed.entered(running)
    pass(10, beat())
    // The supervisor is killed with its machine: it says no last word.
    const notifier = { tell: () => undefined } as never
    const next = new HealthFeed({ title: 'Ada', folder, clock, policy: () => defaultPolicy, notifier, log })
    next.entered(starting)
    time.ms += 2_000
    next.entered(running)
    assert.deepEqual(spans(), [
      ['up', 10],
      ['down', 2, 'it is starting'],
    ])
  })
})

test('a hang is down from its last beat', () => {
  feeding(({ feed, pass, spans }) => {
    feed.entered(running)
    pass(10, beat())
    pass(15)
    feed.entered({ name: 'killing', pid: 1, reason: 'hung' })
    feed.exited(killed, 'hung')
    feed.entered(starting)
    pass(1)
    feed.entered(running)
    pass(1, beat())
    const [up, down, again] = spans() as [Json[], Json[], Json[]]
    assert.deepEqual(
      [up.slice(0, 2), down.slice(0, 2), again.slice(0, 2)],
      [
        ['up', 10],
        ['down', 16],
        ['up', 1],
      ],
    )
    assert.match(JSON.stringify(down), /hung/)
  })
})

test('degraded is up, unhealthy is up as long as it is ready, and down where it says that it is not', () => {
  feeding(({ feed, pass, spans }) => {
    feed.entered(running)
    pass(10, beat({}, 'degraded'))
    pass(10, beat({}, 'unhealthy'))
    pass(10, beat({}, 'unhealthy', ['the disk is full']))
    pass(10, beat())
    // Not ready alone is somebody's wish: a paused inbox.
    pass(10, beat({}, 'healthy', ['the inbox is paused']))
    // Each beat comes at the end of its second.
    assert.deepEqual(spans(), [
      ['up', 21],
      ['down', 10, 'the disk is full'],
      ['up', 19],
    ])
  })
})

test('a stop is stopped from the request on, and safe mode is down', () => {
  feeding(({ feed, pass, spans }) => {
    feed.entered(running)
    pass(5, beat())
    feed.entered({ name: 'stopping', pid: 1 })
    pass(3)
    feed.exited({ code: 0, signal: null }, 'stop')
    feed.entered({ name: 'stopped' })
    pass(10)
    feed.entered({ ...starting, mode: 'safe' })
    feed.entered({ ...running, mode: 'safe' })
    pass(7, beat({ safeMode: true }))
    assert.deepEqual(spans(), [
      ['up', 5],
      ['stopped', 13],
      ['down', 7, 'it is in safe mode'],
    ])
  })
})

test('one that is taken over was at work all the while, as far as anybody knows', () => {
  feeding(({ feed, pass, spans }) => {
    feed.entered({ ...starting, adopted: true })
    pass(1)
    feed.entered({ ...running, adopted: true })
    pass(4, beat())
    assert.deepEqual(spans(), [
      ['unwatched', 1],
      ['up', 4],
    ])
  })
})

test('figures in the reasons make no lines: what is written is what has changed', () => {
  feeding(({ folder, feed, pass }) => {
    feed.entered(running)
    for (let second = 0; second < 600; second++) {
      const said = beat({}, 'degraded')
      pass(1, {
        ...said,
        health: { ...said.health, reasons: [{ check: 'memory', state: 'degraded', text: `${second}` }] },
      })
    }
    const lines = readFileSync(join(folder, 'health', 'transitions'), 'utf8')
      .trimEnd()
      .split('\n')
    // The watch, up, and degraded.
    assert.equal(lines.length, 3, lines.join('\n'))
  })
})

test('curves have the largest value of each stretch, and of turns the sum', () => {
  feeding(({ folder, clock, feed, pass }) => {
    feed.entered(running)
    for (let minute = 0; minute < 10; minute++)
      pass(60, beat({ turnsDone: minute * 7, inbox: minute, rssBytes: 6e7 + minute }))
    const { series } = readHistory(folder, { now: clock.now(), sinceMs: 600_000, watched: true })
    assert.equal(series.inbox.length, 10)
    assert.equal(Math.max(...series.inbox.map((value) => value ?? 0)), 9)
    assert.equal(
      series.turns.reduce<number>((sum, value) => sum + (value ?? 0), 0),
      63,
    )
  })
})

test('a person is told once, also where another supervisor goes on', () => {
  feeding(({ folder, clock, feed, notices, pass }) => {
    feed.entered(running)
    pass(5, beat({}, 'unhealthy'))
    assert.deepEqual(
      notices.map(({ event, state }) => [event, state]),
      [['unhealthy', 'unhealthy']],
    )
    feed.close()
    const later: JsonObject[] = []
    const notifier = { tell: (notice: JsonObject) => void later.push(notice) } as never
    const next = new HealthFeed({ title: 'Ada', folder, clock, policy: () => defaultPolicy, notifier, log })
    next.entered({ ...running, adopted: true })
    next.heard(beat({}, 'unhealthy'))
    next.tick()
    assert.deepEqual(later, [])
    next.heard(beat())
    assert.deepEqual(
      later.map(({ event }) => event),
      ['recovered'],
    )
  })
})

test('a person is told of an end that no start follows, by its policy or since it would be of no use', () => {
  const exit = { code: 1, signal: null }
  const ends: readonly [ChildState, EndReason, string][] = [
    [{ name: 'finished', exit, reason: 'crashed' }, 'crashed', 'the process ended with exit code 1'],
    [{ name: 'failed', exit, reason: 'refused' }, 'refused', 'the process ended with exit code 1'],
  ]
  for (const [state, reason, cause] of ends) {
    feeding(({ folder, feed, notices, pass, spans }) => {
      feed.entered(starting)
      feed.entered(running)
      pass(5, beat())
      feed.exited(exit, reason)
      feed.entered(state)
      pass(5)
      assert.equal(notices.length, 1)
      assert.equal(notices[0]?.['event'], 'unhealthy')
      assert.equal(notices[0]?.['state'], 'down')
      assert.equal(notices[0]?.['cause'], cause)
      feed.close()
      // The next supervisor finds it so, and tells it to nobody again.
      const next = create(folder)
      next.feed.entered(state)
      next.pass(5)
      assert.deepEqual(next.notices, [])
      next.feed.entered(starting)
      next.feed.entered(running)
      next.pass(2, beat())
      assert.deepEqual(
        next.notices.map(({ event }) => event),
        ['recovered'],
      )
      assert.deepEqual(spans()[0], ['up', 5])
    })
  }
})

test('what ends well and is not started again is missed by nobody', () => {
  feeding(({ feed, notices, pass }) => {
    const exit = { code: 0, signal: null }
    feed.entered(starting)
    feed.entered(running)
    pass(5, beat())
    feed.exited(exit, 'exited')
    feed.entered({ name: 'finished', exit, reason: 'exited' })
    pass(60)
    assert.deepEqual(notices, [])
  })
})

test('secrets in a reason reach neither the history nor a notice', () => {
  feeding(({ folder, feed, notices, pass }) => {
    feed.entered(running)
    const said = beat({}, 'unhealthy', ['password: hunter2hunter2'])
    pass(3, {
      ...said,
      health: { ...said.health, reasons: [{ check: 'x', state: 'unhealthy', text: 'api_key=abcdef123456' }] },
    })
    const written = readFileSync(join(folder, 'health', 'transitions'), 'utf8') + JSON.stringify(notices)
    assert.ok(notices.length === 1 && !/hunter2|abcdef123456/.test(written), written)
  })
})

test('a file that something has made huge is said, its end is read, and the history goes on', () => {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-feed-'))
  try {
    mkdirSync(join(folder, 'health'))
    const known = JSON.stringify({ t: 'watch', at: startMs - 60_000, lasted: 0 })
    const up = JSON.stringify({
      t: 'state',
      ms: 0,
      state: 'up',
      cause: '',
      health: 'healthy',
      failure: false,
    })
    const end = JSON.stringify({ t: 'end', ms: 30_000 })
    writeFileSync(
      join(folder, 'health', 'transitions'),
      `${'x'.repeat(17_000_000)}\n${known}\n${up}\n${end}\n`,
    )
    told.length = 0
    const world = create(folder)
    assert.deepEqual(
      told.map(([event, fields]) => [event, fields?.['file']]),
      [['health:history:cut', 'transitions']],
    )
    world.feed.entered(running)
    world.pass(10, beat())
    // What was known before is still there, and so is what came since.
    assert.deepEqual(
      world.spans().map((span) => (span as Json[]).slice(0, 2)),
      [
        ['up', 30],
        ['unwatched', 30],
        ['up', 10],
      ],
    )
    told.length = 0
    create(folder)
    // Set aside with the first line, and said until it goes.
    assert.equal(told.length, 1)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
