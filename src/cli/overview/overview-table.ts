import { formatDuration } from '../../duration.ts'
import { displayWidth, fit, oneLine, type Style } from '../output.ts'
import type { StateWord } from './child-state.ts'

/** A process as a line of the table; undefined what it has not. */
export interface OverviewRow {
  readonly name: string
  readonly state: StateWord | 'not answering'
  readonly pid?: number | undefined
  readonly upMs?: number | undefined
  readonly restarts?: number | undefined
  /** How it stands at its hub; of the hub, who is connected. */
  readonly session?: string | undefined
  readonly queue?: { readonly open: number; readonly outgoing: number } | undefined
  /** Turns that wait for a person, and that were set aside. */
  readonly parked?: number | undefined
  readonly dead?: number | undefined
  readonly rssBytes?: number | undefined
  /** Of one core, 0 to 1 and above. */
  readonly cpu?: number | undefined
  readonly turnsPerSecond?: number | undefined
  /** What went wrong last. */
  readonly trouble?: string | undefined
}

export interface TableOptions {
  /** Of the terminal; Infinity where it is none. */
  readonly columns: number
  readonly paint: (style: Style, text: string) => string
}

interface Column {
  readonly title: string
  readonly cell: (row: OverviewRow) => string
  readonly right?: boolean
  /** Shown only where a row has something in it. */
  readonly rare?: boolean
  /** Where there is no room, those with the highest go first. */
  readonly droppable?: number
}

const columns: readonly Column[] = [
  { title: 'name', cell: ({ name }) => name },
  { title: 'state', cell: ({ state }) => stateText(state) },
  { title: 'pid', cell: ({ pid }) => text(pid), right: true, droppable: 4 },
  {
    title: 'up',
    cell: ({ upMs }) => (upMs === undefined ? '' : formatDuration(upMs)),
    right: true,
    droppable: 3,
  },
  { title: 'restarts', cell: ({ restarts }) => text(restarts), right: true, droppable: 2 },
  { title: 'session', cell: ({ session }) => session ?? '' },
  {
    title: 'in/out',
    cell: ({ queue }) => (queue === undefined ? '' : `${queue.open}/${queue.outgoing}`),
    right: true,
  },
  {
    title: 'turns/s',
    cell: ({ turnsPerSecond }) => turnsPerSecond?.toFixed(1) ?? '',
    right: true,
    rare: true,
    droppable: 5,
  },
  { title: 'parked', cell: ({ parked }) => (parked === 0 ? '' : text(parked)), right: true, rare: true },
  { title: 'dead', cell: ({ dead }) => (dead === 0 ? '' : text(dead)), right: true, rare: true },
  { title: 'memory', cell: ({ rssBytes }) => sizeText(rssBytes), right: true },
  { title: 'cpu', cell: ({ cpu }) => percent(cpu), right: true, droppable: 1 },
]

/** Of a name, on a terminal of less than a hundred columns and on a wider one. */
const nameColumnsMax = { narrow: 16, wide: 24 }
const gap = 2
/** With less room than that, what went wrong has a line of its own under the row. */
const troubleColumnsMin = 30

/** The table that users of process managers expect. Each line fits into so many columns. */
export function overviewTable(given: readonly OverviewRow[], options: TableOptions): string[] {
  const { paint } = options
  const nameMax = options.columns < 100 ? nameColumnsMax.narrow : nameColumnsMax.wide
  const rows = given.map((row) => ({ ...row, name: fit(oneLine(row.name), nameMax) }))
  const shown = fitting(rows, options.columns)
  const widths = shown.map((column) => widthOf(column, rows))
  const used = widths.reduce((sum, width) => sum + width + gap, 0)
  const room = options.columns - used
  const beside = room >= troubleColumnsMin
  const line = (cells: readonly string[], paintCell: (at: number, cell: string) => string): string =>
    cells
      .map((cell, at) => {
        const padding = ' '.repeat(Math.max(0, (widths[at] ?? 0) - displayWidth(cell)))
        const painted = paintCell(at, cell)
        return shown[at]?.right === true ? padding + painted : painted + padding
      })
      .join(' '.repeat(gap))
  const isTroubled = rows.some(({ trouble }) => trouble !== undefined)
  const titles = shown.map(({ title }) => title)
  const header =
    line(titles, (_, cell) => cell) + (beside && isTroubled ? `${' '.repeat(gap)}last error` : '')
  const lines = [paint('dim', header.trimEnd())]
  for (const row of rows) {
    const cells = shown.map(({ cell }) => cell(row))
    const own = line(cells, (at, cell) =>
      shown[at]?.title === 'state' ? paint(stateStyle(row.state), cell) : cell,
    )
    const trouble = row.trouble === undefined ? undefined : oneLine(row.trouble)
    if (trouble === undefined) lines.push(own.trimEnd())
    else if (beside) lines.push(`${own}${' '.repeat(gap)}${fit(trouble, room)}`)
    else lines.push(own.trimEnd(), paint('dim', fit(`  ${trouble}`, options.columns)))
  }
  return lines
}

/** Those for which there is room; the name and how it stands are always there. */
function fitting(rows: readonly OverviewRow[], columnsMax: number): readonly Column[] {
  let shown = columns.filter(({ rare, cell }) => rare !== true || rows.some((row) => cell(row) !== ''))
  for (;;) {
    const width = shown.reduce((sum, column) => sum + widthOf(column, rows) + gap, -gap)
    if (width <= columnsMax) return shown
    const [least] = shown
      .filter(({ droppable }) => droppable !== undefined)
      .toSorted((a, b) => (b.droppable ?? 0) - (a.droppable ?? 0))
    const last = least ?? shown.at(-1)
    if (last === undefined || shown.length <= 2) return shown
    shown = shown.filter((column) => column !== last)
  }
}

function widthOf({ title, cell }: Column, rows: readonly OverviewRow[]): number {
  return Math.max(displayWidth(title), ...rows.map((row) => displayWidth(cell(row))))
}

export function stateText(state: OverviewRow['state']): string {
  return state === 'safe-mode' ? 'safe mode' : state
}

export function stateStyle(state: OverviewRow['state']): Style {
  if (state === 'running') return 'green'
  return good.has(state) ? 'dim' : bad.has(state) ? 'red' : 'yellow'
}

const good: ReadonlySet<string> = new Set(['stopped', 'finished'])
const bad: ReadonlySet<string> = new Set([
  'unhealthy',
  'hung',
  'failed',
  'killed',
  'down',
  'crash-looping',
  'not answering',
])

export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return ''
  const mib = bytes / 1_048_576
  return mib >= 10_240 ? `${(mib / 1_024).toFixed(1)}G` : `${Math.round(mib)}M`
}

export function percent(cpu: number | undefined): string {
  if (cpu === undefined) return ''
  return `${(cpu * 100).toFixed(cpu < 0.1 ? 1 : 0)}%`
}

function text(value: number | undefined): string {
  return value === undefined ? '' : String(value)
}
