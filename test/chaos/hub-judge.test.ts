import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, type Evidence } from './hub/judge.ts'
import { agentNames, createPlan, nobody } from './hub/plan.ts'

// Chaos is worth what its judge sees: a run without a fault, and then one fault at a time.

const work = createPlan({ messages: 400, kills: 0, seed: 3, restores: [] })

test('the judge finds nothing where everything took effect once and in order', () => {
  const { findings, lost, duplicated, reordered, refused } = judge(faultless())
  assert.deepEqual(findings, [])
  assert.deepEqual({ lost, duplicated, reordered }, { lost: 0, duplicated: 0, reordered: 0 })
  assert.ok(refused > 0)
})

for (const name of agentNames) {
  test(`the judge sees a message that ${name} never handled`, () => {
    assert.equal(judge(changed(name, (labels) => labels.toSpliced(40, 1))).lost, 1)
  })

  test(`the judge sees a message that ${name} handled twice`, () => {
    const verdict = judge(changed(name, (labels) => [...labels, labels.at(-1) ?? '']))
    assert.deepEqual([verdict.duplicated, verdict.lost], [1, 0])
  })
}

test('the judge sees two messages of one sender and conversation that changed places', () => {
  const [first, second] = sentBy('ada', 'bo')
  const verdict = judge(changed('bo', (labels) => swapped(labels, first, second)))
  assert.ok(verdict.reordered > 0)
  assert.deepEqual([verdict.lost, verdict.duplicated], [0, 0])
})

test('the judge sees that also where the sender was put back to an earlier time', () => {
  const [first, second] = sentBy('ada', 'bo')
  const evidence = changed('bo', (labels) => swapped(labels, first, second))
  assert.ok(judge({ ...evidence, putBack: new Set(['ada']) }).reordered > 0)
})

test('the judge sees an order that is not the one in which the sender worked', () => {
  // Of one conversation, but not by the same way: only what the sender has done tells which was first.
  const labels = faultless().handled.get('bo') ?? []
  const sent = labels.filter((label) => work.messages.get(label)?.from === 'ada')
  const pair = sent
    .flatMap((one) => sent.map((other) => [one, other] as const))
    .find(([one, other]) => isSameThread(one, other) && wayOf(one) !== wayOf(other))
  assert.ok(pair !== undefined)
  const evidence = changed('bo', (all) => swapped(all, ...pair))
  assert.ok(judge(evidence).reordered > 0)
})

test('the judge sees a message to nobody that was not refused', () => {
  const evidence = faultless()
  const [label = ''] = evidence.refused
  const refused = new Set(evidence.refused)
  refused.delete(label)
  const keptForNobody = new Set([label])
  assert.equal(judge({ ...evidence, refused }).lost, 1)
  assert.equal(judge({ ...evidence, refused, keptForNobody }).lost, 1)
  const putBack = new Set(['hub'])
  assert.equal(judge({ ...evidence, refused, putBack }).lost, 1)
  assert.equal(judge({ ...evidence, refused, keptForNobody, putBack }).lost, 0)
})

test('the judge sees what nobody has sent', () => {
  const verdict = judge(changed('cy', (labels) => [...labels, 'x/0/9cy']))
  assert.equal(verdict.findings.length, 1)
})

/** Every agent does its work in the order of the inputs, and what follows from one by the length of its way. */
function faultless(): Evidence {
  const order = new Map(work.inputs.map(({ task }, at) => [task.label, at]))
  const rank = (label: string): number => {
    const parts = label.split('/')
    return (order.get(parts.slice(0, 2).join('/')) ?? 0) + parts.length / 10
  }
  const handled = agentNames.map((name) => {
    const handedIn = work.inputs.filter(({ agent }) => agent === name).map(({ task }) => task.label)
    const sent = [...work.messages].filter(([, { to }]) => to === name).map(([label]) => label)
    return [name, [...handedIn, ...sent].toSorted((a, b) => rank(a) - rank(b))] as const
  })
  const refused = [...work.messages].filter(([, { to }]) => to === nobody).map(([label]) => label)
  return {
    work,
    handled: new Map(handled),
    refused: new Set(refused),
    keptForNobody: new Set(),
    putBack: new Set(),
  }
}

function changed(name: string, change: (labels: string[]) => string[]): Evidence {
  const evidence = faultless()
  const labels = evidence.handled.get(name) ?? []
  return { ...evidence, handled: new Map(evidence.handled).set(name, change([...labels])) }
}

function swapped(labels: readonly string[], one: string, other: string): string[] {
  const places = new Map([
    [one, other],
    [other, one],
  ])
  return labels.map((label) => places.get(label) ?? label)
}

/** Two messages of one conversation, by the same way. */
function sentBy(from: string, to: string): [string, string] {
  const labels = [...work.messages].filter(([, ends]) => ends.from === from && ends.to === to)
  const ways = Map.groupBy(labels, ([label]) => `${label.split('/')[0]} ${wayOf(label)}`)
  const [first, second] = [...ways.values()].find((way) => way.length > 1) ?? []
  assert.ok(first !== undefined && second !== undefined)
  return [first[0], second[0]]
}

function isSameThread(one: string, other: string): boolean {
  return one.split('/')[0] === other.split('/')[0]
}

function wayOf(label: string): string {
  return label.split('/').slice(2).join('/')
}
