import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OverviewRow } from '../../../../src/cli/overview/overview-table.ts'
import { sorted, withRates, type Gauge } from '../../../../src/cli/overview/rates.ts'

const row: OverviewRow = { name: 'Ada', state: 'running', cpu: 0.01 }
const gauge = (fields: Partial<Gauge>): Gauge => ({
  name: 'Ada',
  pid: 7,
  cpuMs: 100,
  turnsDone: 10,
  ...fields,
})
const rated = (before: Partial<Gauge>, last: Partial<Gauge>): OverviewRow | undefined =>
  withRates([row], { atMs: 3_000, gauges: [gauge(last)] }, { atMs: 1_000, gauges: [gauge(before)] })[0]

test('rates are what was taken and done between two looks', () => {
  const { cpu, turnsPerSecond } = rated({}, { cpuMs: 1_100, turnsDone: 15 }) ?? {}
  assert.deepEqual([cpu, turnsPerSecond], [0.5, 2.5])
})

test('the processor time of another process is not that of this one, its turns are the agent’s', () => {
  const { cpu, turnsPerSecond } = rated({ pid: 6, cpuMs: 90_000 }, { turnsDone: 12 }) ?? {}
  assert.deepEqual([cpu, turnsPerSecond], [0.01, 1])
})

test('what cannot be known is left out, and nothing goes backwards', () => {
  assert.equal(rated({ turnsDone: undefined }, {})?.turnsPerSecond, undefined)
  assert.equal(rated({ turnsDone: 11 }, {})?.turnsPerSecond, 0)
  assert.deepEqual(withRates([row], { atMs: 1, gauges: [] }, undefined), [row])
})

test('rows are sorted by a figure, the most first, and by name where it is equal', () => {
  const rows: OverviewRow[] = [
    { name: 'b', state: 'running', cpu: 0.1, rssBytes: 5, restarts: 0, queue: { open: 1, outgoing: 1 } },
    { name: 'c', state: 'stopped' },
    { name: 'a', state: 'running', cpu: 0.1, rssBytes: 9, restarts: 3, queue: { open: 9, outgoing: 0 } },
  ]
  const names = (order: Parameters<typeof sorted>[1]): string =>
    sorted(rows, order)
      .map(({ name }) => name)
      .join('')
  assert.deepEqual(
    [names('name'), names('cpu'), names('memory'), names('queue'), names('restarts')],
    ['abc', 'abc', 'abc', 'abc', 'abc'],
  )
  assert.equal(sorted(rows.slice(0, 2), 'cpu')[0]?.name, 'b')
})
