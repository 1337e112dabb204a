import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Exposition } from '../../../src/health/metrics/exposition.ts'
import { Histogram } from '../../../src/health/metrics/histogram.ts'
import { parseExposition, valueOf } from '../../helpers/exposition-parser.ts'

test('gauges, counters and labels are read as they were written, whatever stands in them', () => {
  const text = new Exposition()
    .gauge('perdura_a', 'With \\ and\na line break.', 0.1 + 0.2)
    .counter('perdura_b_total', 'Many.', 1e21)
    .gauges('perdura_c', 'Labels.', [
      [{ name: 'a"b\\c\nd', other: '' }, -Infinity],
      [{ name: 'x', other: '{},=' }, NaN],
    ])
    .gauge('perdura_d', 'Tiny.', 1e-9)
    .toString()
  const families = parseExposition(text)
  assert.equal(families.get('perdura_a')?.help, 'With \\ and\na line break.')
  assert.equal(valueOf(families, 'perdura_a'), 0.1 + 0.2)
  assert.equal(valueOf(families, 'perdura_b_total'), 1e21)
  assert.equal(valueOf(families, 'perdura_d'), 1e-9)
  assert.deepEqual(families.get('perdura_c')?.samples, [
    { name: 'perdura_c', labels: { name: 'a"b\\c\nd', other: '' }, value: -Infinity },
    { name: 'perdura_c', labels: { name: 'x', other: '{},=' }, value: NaN },
  ])
})

test('what is not known is left out whole', () => {
  const text = new Exposition()
    .gauge('perdura_a', 'Unknown.', undefined)
    .gauges('perdura_b', 'None.', [])
    .gauge('perdura_c', 'Zero.', 0)
    .toString()
  assert.deepEqual([...parseExposition(text).keys()], ['perdura_c'])
})

test('a histogram counts each value in its bucket and all above, and what is over the last bound in +Inf', () => {
  const histogram = new Histogram([0.1, 1, 10])
  for (const value of [0.1, 0.05, 0.5, 1, 2, 100]) histogram.add(value)
  const text = new Exposition().histogram('perdura_h_seconds', 'Times.', histogram).toString()
  const family = parseExposition(text).get('perdura_h_seconds')
  assert.deepEqual(
    family?.samples.map(({ labels, value }) => [labels['le'], value]),
    [
      ['0.1', 2],
      ['1', 4],
      ['10', 5],
      ['+Inf', 6],
      [undefined, 103.65],
      [undefined, 6],
    ],
  )
})

test('the parser refuses what is wrong', () => {
  const good = '# HELP a b\n# TYPE a gauge\na 1\n'
  assert.doesNotThrow(() => parseExposition(good))
  for (const [what, text] of Object.entries({
    'no end': good.slice(0, -1),
    'no help': '# TYPE a gauge\na 1\n',
    'no family': 'a 1\n',
    twice: `${good}${good}`,
    'a series twice': `${good}a 1\n`,
    'a counter without _total': '# HELP a b\n# TYPE a counter\na 1\n',
    'no number': '# HELP a b\n# TYPE a gauge\na one\n',
    'an open label': '# HELP a b\n# TYPE a gauge\na{b="c} 1\n',
    'a label twice': '# HELP a b\n# TYPE a gauge\na{b="c",b="d"} 1\n',
    'falling buckets':
      '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
    'a count of its own': '# HELP a b\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\na_count 2\n',
  })) {
    assert.throws(() => parseExposition(text), assert.AssertionError, what)
  }
})
