import assert from 'node:assert/strict'
import { test } from 'node:test'
import { displayWidth } from '../../../../src/cli/output.ts'
import { overviewTable, type OverviewRow } from '../../../../src/cli/overview/overview-table.ts'

const rows: readonly OverviewRow[] = [
  { name: 'daemon', state: 'running', pid: 4_194_304, upMs: 90_061_000, rssBytes: 97_000_000, cpu: 0.0031 },
  {
    name: 'hub',
    state: 'crash-looping',
    restarts: 12,
    session: '12 there',
    trouble: 'the process ended with exit code 70 (2.1s ago); next try in 3s',
  },
  {
    name: 'a-very-long-name-of-an-agent-that-goes-on',
    state: 'backing-off',
    pid: 4_194_303,
    upMs: 3_600_000,
    restarts: 104,
    session: 'backing-off',
    queue: { open: 12_345, outgoing: 10_000 },
    parked: 2,
    dead: 17,
    rssBytes: 20_000_000_000,
    cpu: 1.07,
    trouble:
      'ERR_DEFINITION: the file\u001B[2J\nhas no default export, which is a long story that would not fit into a terminal',
  },
  {
    name: '日本',
    state: 'running',
    pid: 7,
    upMs: 10,
    restarts: 0,
    session: 'online',
    queue: { open: 0, outgoing: 0 },
    rssBytes: 1,
    cpu: 0.5,
  },
]
const paint = (_style: string, text: string): string => text

test('no line is wider than the terminal, whatever is in it', () => {
  for (const columns of [20, 40, 60, 80, 100, 120, 160, 300]) {
    for (const line of overviewTable(rows, { columns, paint })) {
      if (columns >= 40) assert.ok(displayWidth(line) <= columns, `${columns}: ${displayWidth(line)} ${line}`)
      assert.doesNotMatch(line, /\p{Cc}/u)
    }
  }
})

test('at 80 columns names, states, queues and memory are there, and errors have lines of their own', () => {
  const lines = overviewTable(rows.slice(0, 2), { columns: 80, paint })
  assert.match(lines[0] ?? '', /^name +state +pid +up +restarts +session +memory +cpu$|in\/out/)
  assert.match(lines[1] ?? '', /^daemon +running +4194304 +1d 1h .* 93M +0\.3%$/)
  assert.match(lines[3] ?? '', /^ {2}the process ended with exit code 70/)
  const crowded = overviewTable(rows, { columns: 80, paint })
  assert.match(crowded[0] ?? '', /name .*state .*in\/out .*memory/)
  assert.match(crowded.join('\n'), /a-very-long-nam…/)
})

test('at 160 columns nothing is left out, and errors stand beside', () => {
  const [head = '', ...lines] = overviewTable(rows, { columns: 160, paint })
  for (const title of [
    'pid',
    'up',
    'restarts',
    'session',
    'in/out',
    'parked',
    'dead',
    'memory',
    'cpu',
    'last error',
  ])
    assert.ok(head.includes(title), title)
  assert.equal(lines.length, rows.length)
  assert.match(lines[1] ?? '', /exit code 70/)
  assert.match(
    lines[2] ?? '',
    /12345\/10000 +2 +17 +18\.6G +107% {2}ERR_DEFINITION: the file�\[2J has no…|ERR_DEFINITION/,
  )
})

test('where there is no terminal nothing is cut', () => {
  const text = overviewTable(rows, { columns: Infinity, paint }).join('\n')
  assert.match(text, /would not fit into a terminal$/m)
})

test('columns that would be empty are not there', () => {
  const [head = ''] = overviewTable([{ name: 'Ada', state: 'stopped' }], { columns: 160, paint })
  assert.doesNotMatch(head, /parked|dead|turns|last error/)
})

test('figures stand below each other at their right', () => {
  const lines = overviewTable(rows, { columns: 160, paint })
  const at = (lines[0] ?? '').indexOf('restarts') + 'restarts'.length
  assert.equal(lines[2]?.slice(at - 3, at), ' 12')
  assert.equal(lines[3]?.slice(at - 3, at), '104')
})
