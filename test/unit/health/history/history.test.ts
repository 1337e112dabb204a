import assert from 'node:assert/strict'
import { test } from 'node:test'
import { availabilityOf } from '../../../../src/health/history/availability.ts'
import {
  parseEntries,
  parseSamples,
  type Entry,
  type SampleEntry,
} from '../../../../src/health/history/entries.ts'
import { HistoryRecorder } from '../../../../src/health/history/recorder.ts'
import { lastOf, timelineOf, type Span } from '../../../../src/health/history/timeline.ts'
import { createSeededRandom } from '../../../../src/testing/index.ts'
import { MemoryAppendFile } from '../../../helpers/memory-append-file.ts'
import { MemoryMarkFile } from '../../../helpers/memory-mark-file.ts'
import { HistoryModel } from './history-model.ts'

const startMs = Date.UTC(2026, 0, 1)

interface Files {
  readonly transitions: MemoryAppendFile
  readonly samples: MemoryAppendFile
  readonly mark: MemoryMarkFile
}

function spansOf({ transitions, samples, mark }: Files, now: number, watched = false): Span[] {
  return timelineOf(parseEntries(transitions.read()), parseSamples(samples.read() + mark.read()), {
    now,
    watched,
  })
}

const noFiles = (): Files => ({
  transitions: new MemoryAppendFile(),
  samples: new MemoryAppendFile(),
  mark: new MemoryMarkFile(),
})

function watching(files: Files = noFiles()) {
  const time = { now: startMs, monotonicMs: 1_000 }
  const clock = { now: () => time.now, monotonicMs: () => time.monotonicMs }
  const recorder = new HistoryRecorder({ clock, ...files })
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second++) {
      time.now += 1_000
      time.monotonicMs += 1_000
      recorder.tick(() => ({ rss: 1, loop: 1, inbox: 0, turns: 0 }))
    }
  }
  const spans = (watched = true): Span[] => spansOf(files, time.now, watched)
  return { time, recorder, pass, spans, files }
}

const up = { state: 'up', cause: '', health: 'healthy' } as const
const stopped = { state: 'stopped', cause: 'it was stopped', health: null } as const
const down = (cause: string) => ({ state: 'down', cause, health: null }) as const

const brief = (spans: readonly Span[]) => spans.map(({ state, durationMs }) => [state, durationMs / 1_000])

/** The first second that the spans show otherwise than it was, and how many there are too many; undefined where all is right. */
function wrongOf(model: HistoryModel, spans: readonly Span[]): string | undefined {
  const labels = spans.flatMap(({ state, durationMs }) =>
    Array.from({ length: durationMs / 1_000 }, () => state),
  )
  const wrong = model.truth.findIndex((label, at) => labels[at] !== label)
  if (wrong >= 0) return `second ${wrong} was ${model.truth[wrong]} and is shown as ${labels[wrong]}`
  return labels.length === model.truth.length
    ? undefined
    : `${labels.length - model.truth.length} seconds too many`
}

function modelOf(seed: number): HistoryModel {
  const random = createSeededRandom(seed)
  const model = new HistoryModel()
  for (let step = 0; step < 60; step++) model.act(random)
  model.end()
  return model
}

for (let shard = 0; shard < 8; shard++) {
  test(`the spans are what was true, second by second, whatever happens to who watches and to the clock (${shard})`, () => {
    for (let seed = shard * 100; seed < shard * 100 + 100; seed++) {
      const model = modelOf(seed)
      const spans = spansOf(model, model.wallMs)
      assert.equal(wrongOf(model, spans), undefined, `seed ${seed}`)
      const { upMs, downMs, stoppedMs, unwatchedMs, outages } = availabilityOf(spans)
      assert.equal(upMs + downMs + stoppedMs + unwatchedMs, model.truth.length * 1_000, `seed ${seed}`)
      const sum = (parts: readonly { readonly durationMs: number }[]): number =>
        parts.reduce((total, { durationMs }) => total + durationMs, 0)
      assert.equal(sum(outages), downMs, `seed ${seed}`)
      const part = Math.floor(model.truth.length / 3) * 1_000
      assert.equal(sum(lastOf(spans, part)), part, `seed ${seed}`)
    }
  })
}

/** Bugs that a history might have, as what would become of its entries. */
const mutants: Record<string, (entries: Entry[], samples: SampleEntry[]) => [Entry[], SampleEntry[]]> = {
  'takes for watched what nobody saw': (entries, samples) => [
    entries.filter(({ t }) => t !== 'blind'),
    samples,
  ],
  'takes a sleep of the machine for nothing': (entries, samples) => [
    entries.map((entry) => (entry.t === 'blind' ? { ...entry, slept: 0 } : entry)),
    samples,
  ],
  'forgets how long the watch before lasted': (entries) => [
    entries.map((entry) => (entry.t === 'watch' ? { ...entry, lasted: 0 } : entry)),
    [],
  ],
  'begins an outage when it is noticed': (entries, samples) => [
    entries.map((entry, at) => {
      const last = entries[at - 1]
      const late = entry.t === 'state' && last !== undefined && 'ms' in last ? Math.max(entry.ms, last.ms) : 0
      return entry.t === 'state' ? { ...entry, ms: Math.max(entry.ms, late) } : entry
    }),
    samples,
  ],
  'goes by the wall clock between two watches, whichever way it was set': (entries, samples) => {
    const [first] = entries
    const at = first?.t === 'watch' ? first.at : 0
    return [
      entries.map((entry) => (entry.t === 'watch' ? { ...entry, at: Math.max(at, entry.at) } : entry)),
      samples,
    ]
  },
  'counts a stop as an outage': (entries, samples) => [
    entries.map((entry) =>
      entry.t === 'state' && entry.state === 'stopped' ? { ...entry, state: 'down' } : entry,
    ),
    samples,
  ],
}

for (const [bug, mutate] of Object.entries(mutants)) {
  test(`is caught: a history that ${bug}`, () => {
    const caught = Array.from({ length: 60 }, (_, seed) => modelOf(seed)).some((model) => {
      const [entries, samples] = mutate(
        parseEntries(model.transitions.read()),
        parseSamples(model.samples.read() + model.mark.read()),
      )
      return wrongOf(model, timelineOf(entries, samples, { now: model.wallMs, watched: false })) !== undefined
    })
    assert.ok(caught)
  })
}

test('a kill is down from its end until the next process is ready', () => {
  const { recorder, pass, spans } = watching()
  recorder.stand(up)
  pass(100)
  recorder.stand(down('the process was killed (SIGKILL)'), { failure: true })
  pass(2)
  recorder.stand(up)
  pass(98)
  assert.deepEqual(brief(spans()), [
    ['up', 100],
    ['down', 2],
    ['up', 98],
  ])
  const { ratio, outages } = availabilityOf(spans())
  assert.equal(ratio, 0.99)
  assert.deepEqual(outages, [
    {
      at: startMs + 100_000,
      durationMs: 2_000,
      causes: ['the process was killed (SIGKILL)'],
      ongoing: false,
    },
  ])
})

test('a hang is down from its last beat, although it was noticed later, and written later', () => {
  const { time, recorder, pass, spans } = watching()
  recorder.stand(up)
  pass(55)
  const lastBeatMs = time.monotonicMs
  // A sample falls into the silence.
  pass(15)
  recorder.stand(down('it hung'), { sinceMs: lastBeatMs })
  pass(1)
  recorder.stand(up)
  pass(29)
  assert.deepEqual(brief(spans()), [
    ['up', 55],
    ['down', 16],
    ['up', 29],
  ])
})

test('what was stopped on purpose, and what nobody watched, counts for neither', () => {
  const { time, recorder, pass, spans } = watching()
  recorder.stand(up)
  pass(90)
  recorder.stand(stopped)
  pass(600)
  recorder.close()
  time.now += 300_000
  assert.deepEqual(brief(spans(false)), [
    ['up', 90],
    ['stopped', 600],
    ['unwatched', 300],
  ])
  assert.equal(availabilityOf(spans(false)).ratio, 1)
})

test('without an end of the watch, it was watched until the last that was written, and no longer', () => {
  const { time, recorder, pass, spans } = watching()
  recorder.stand(up)
  pass(104)
  // The mark is written every five seconds.
  assert.deepEqual(brief(spans(false)), [
    ['up', 100],
    ['unwatched', 4],
  ])
  assert.deepEqual(brief(spans(true)), [['up', 104]])
  // One that has written nothing for long does not watch, whatever is said of it.
  time.now += 300_000
  assert.deepEqual(brief(spans(true)), [
    ['up', 100],
    ['unwatched', 304],
  ])
})

test('causes of one outage are told together, once each, in their order', () => {
  const { recorder, pass, spans } = watching()
  recorder.stand(down('it crashed'), { failure: true })
  pass(1)
  recorder.stand(down('it was not ready in time'), { failure: true })
  pass(1)
  recorder.stand(down('it crashed'), { failure: true })
  pass(1)
  const { outages } = availabilityOf(spans())
  assert.deepEqual(outages, [
    {
      at: startMs,
      durationMs: 3_000,
      causes: ['it crashed', 'it was not ready in time'],
      ongoing: true,
    },
  ])
})

test('what cannot be written waits in its order, and is there when there is room again', () => {
  const { files, recorder, pass, spans } = watching()
  recorder.stand(up)
  files.transitions.full = true
  pass(10)
  recorder.stand(down('one'))
  pass(10)
  recorder.stand(up)
  pass(10)
  files.transitions.full = false
  pass(1)
  recorder.close()
  assert.deepEqual(brief(spans(false)), [
    ['up', 10],
    ['down', 10],
    ['up', 11],
  ])
})

test('files stay bounded, and what is left of the history is whole', () => {
  const { files, recorder, pass, spans, time } = watching()
  for (let round = 0; round < 12_000; round++) {
    recorder.stand(round % 2 === 0 ? up : down(`cause ${round} ${'x'.repeat(50)}`))
    pass(1)
  }
  recorder.close()
  assert.ok(files.transitions.text.length + files.transitions.older.length < 1_200_000)
  const all = spans(false)
  const total = all.reduce((sum, { durationMs }) => sum + durationMs, 0)
  assert.equal((all[0]?.at ?? 0) + total, time.now)
  assert.ok(total > 3_000_000)
  const { upMs, downMs } = availabilityOf(all)
  assert.ok(Math.abs(upMs - downMs) <= 2_000)
})

test('what a person was told is known to the next watch', () => {
  const first = watching()
  first.recorder.tell('safe_mode')
  assert.equal(watching(first.files).recorder.told, 'safe_mode')
  watching(first.files).recorder.tell(undefined)
  assert.equal(watching(first.files).recorder.told, undefined)
})

test('lines that are of no use are passed over', () => {
  const text = [
    '{"t":"state","ms":1,"state":"up","cause":"","health":null}',
    '',
    'nonsense',
    '[]',
    '{"t":"watch","at":-1,"lasted":0}',
    '{"t":"state","ms":"1","state":"up"}',
    '{"t":"state","ms":1,"state":"sideways"}',
    '{"t":"blind","from":5,"ms":4,"slept":0}',
    '{"t":"new-kind","ms":4}',
    '{"t":"state","ms":1,"sta',
  ].join('\n')
  assert.equal(parseEntries(text).length, 1)
  assert.deepEqual(timelineOf(parseEntries(text), [], { now: startMs, watched: true }), [])
})
