import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, type Evidence } from './judge.ts'
import { createPlan, type Task } from './plan.ts'
import type { Performance } from './receiver.ts'
import { modelState } from './state.ts'

// Chaos is worth what its judge sees: a run without a fault, and then one fault at a time.

const { tasks } = createPlan({ messages: 60, kills: 0, seed: 3 })

test('the judge finds nothing where everything happened once and in order', () => {
  const { findings, ...counts } = judge(faultless())
  assert.deepEqual(findings, [])
  assert.deepEqual(counts, { lost: 0, duplicated: 0, reordered: 0, stepsRepeated: 0, stateDifferences: 0 })
})

test('the judge sees an effect that never arrived', () => {
  const evidence = faultless()
  assert.equal(judge({ ...evidence, outside: without(evidence, 1) }).lost, 1)
})

test('the judge asks nothing of an input that was not acknowledged', () => {
  const evidence = faultless()
  const [first, ...rest] = tasks
  const accepted = evidence.acknowledged.filter(({ n }) => n !== first?.n)
  const outside = {
    ...evidence.outside,
    performances: evidence.outside.performances.filter(({ n }) => n !== first?.n),
  }
  const verdict = judge({ ...evidence, acknowledged: accepted, outside, state: modelState(rest) })
  assert.equal(verdict.lost, 0)
  assert.equal(verdict.stateDifferences, 0)
})

test('the judge sees an effect that arrived twice', () => {
  const evidence = faultless()
  const { performances } = evidence.outside
  const outside = {
    ...evidence.outside,
    performances: performances.flatMap((one, at) => (at === 7 ? [one, one] : [one])),
  }
  assert.equal(judge({ ...evidence, outside }).duplicated, 1)
})

test('the judge sees two inputs that were acknowledged as one', () => {
  const evidence = faultless()
  const acknowledged = evidence.acknowledged.map((one) => (one.n === 5 ? { n: 5, position: 6 } : one))
  assert.equal(judge({ ...evidence, acknowledged }).lost, 1)
})

test('the judge sees effects of one conversation that changed places', () => {
  const evidence = faultless()
  const [first, second] = evidence.outside.performances.filter(
    ({ conversation, name }) => conversation === 'c1' && name === 'e1',
  )
  const performances = evidence.outside.performances.map((one) => {
    if (one === first) return second as Performance
    return one === second ? (first as Performance) : one
  })
  assert.ok(judge({ ...evidence, outside: { ...evidence.outside, performances } }).reordered > 0)
})

test('the judge sees a reply that is missing and one that came twice', () => {
  const evidence = faultless()
  const [first, ...rest] = evidence.mailbox
  assert.equal(judge({ ...evidence, mailbox: rest }).lost, 1)
  assert.equal(judge({ ...evidence, mailbox: [first as Task, ...evidence.mailbox] }).duplicated, 1)
})

test('the judge sees a step that ran again after it was recorded', () => {
  const evidence = faultless()
  const index = evidence.outside.performances.findIndex(({ name }) => name === 'e2')
  const performances = evidence.outside.performances.map((one, at) =>
    at === index ? { ...one, draw: 'another' } : one,
  )
  assert.equal(judge({ ...evidence, outside: { ...evidence.outside, performances } }).stepsRepeated, 1)
})

test('the judge sees a state that is not the model', () => {
  const evidence = faultless()
  assert.equal(judge({ ...evidence, state: { ...evidence.state, chained: 1 } }).stateDifferences, 1)
})

function faultless(): Evidence {
  const performances = tasks.flatMap((task) => [
    ...task.effects.map((effect) => perform(task, effect.name)),
    ...(task.toPeer ? [perform(task, 'peer')] : []),
    ...(task.timerMs === null ? [] : [perform(task, 'timer')]),
  ])
  return {
    tasks,
    acknowledged: tasks.map(({ n }) => ({ n, position: n })),
    outside: { performances, draws: [], arrivals: performances.length },
    mailbox: tasks.filter(({ toYou }) => toYou),
    notes: tasks.filter(({ note }) => note).map(({ n }) => `task ${n} was done`),
    state: modelState(tasks),
  }
}

function perform({ n, conversation, ordinal }: Task, name: string): Performance {
  const how = { policy: 'idempotent', fault: 'none', slowMs: 0 } as const
  return { ...how, n, conversation, ordinal, name, key: `${n}/${name}`, draw: `draw ${n}`, receipt: '' }
}

function without({ outside }: Evidence, index: number): Evidence['outside'] {
  return { ...outside, performances: outside.performances.filter((_one, at) => at !== index) }
}
