import assert from 'node:assert/strict'
import { test } from 'node:test'
import { healthTable, type HealthRow } from '../../../src/cli/health-table.ts'
import { displayWidth } from '../../../src/cli/output.ts'

const plain = (_style: string, text: string): string => text

const rows: HealthRow[] = [
  { name: 'hub', state: 'healthy', available: '100 %', outages: 0, curves: ['▁', '', '', ''], reason: '' },
  {
    name: 'Grace',
    state: 'unhealthy',
    available: '99.9 %',
    outages: 12,
    curves: ['▁▂', '▁', '▁', '▁'],
    reason: 'the process has 2000 MB of memory: raise health.memory_degraded if it is to have so much',
  },
]

test('where there is room everything is shown, and reasons as they are', () => {
  assert.deepEqual(healthTable(rows, { columns: Infinity, paint: plain }), [
    'agent  health     available  outages  memory  loop delay  inbox  turns',
    'hub    healthy    100 %      0        ▁',
    `Grace  unhealthy  99.9 %     12       ▁▂      ▁           ▁      ▁      ${rows[1]?.reason}`,
  ])
})

test('a narrow terminal keeps who, how and how much, and its lines do not wrap', () => {
  for (const columns of [200, 120, 80, 60, 45, 30]) {
    const lines = healthTable(rows, { columns, paint: plain })
    assert.ok(
      lines.every((line) => displayWidth(line) <= columns),
      `${columns}: ${lines.join('\n')}`,
    )
    assert.match(lines[2] ?? '', /^Grace {2}unhealthy {2}99\.9 %/)
  }
  assert.match(healthTable(rows, { columns: 80, paint: plain })[2] ?? '', /the process has 2000 MB.*…$/)
})

test('a state is painted and keeps its width, and what comes from elsewhere paints nothing', () => {
  const paint = (style: string, text: string): string => `<${style}>${text}</>`
  const odd = { ...rows[0], name: 'hub', state: 'healthy', reason: '\u001B[31mred\nline' } as HealthRow
  const [, line = ''] = healthTable([odd], { columns: Infinity, paint })
  assert.match(line, /^hub {4}<green>healthy<\/> {2}100 %/)
  assert.ok(line.endsWith('\uFFFD[31mred line'), line)
})
