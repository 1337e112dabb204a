import { displayWidth, fit, oneLine, type Style } from './output.ts'

/** An agent or the hub in the table of `health`. */
export interface HealthRow {
  readonly name: string
  readonly state: string
  /** In per cent; empty where nobody knows. */
  readonly available: string
  readonly outages: number
  /** Of memory, delay of the event loop, inbox and turns. */
  readonly curves: readonly string[]
  readonly reason: string
}

export interface HealthTableOptions {
  /** Of the terminal; Infinity elsewhere. */
  readonly columns: number
  readonly paint: (style: Style, text: string) => string
}

const titles = ['agent', 'health', 'available', 'outages', 'memory', 'loop delay', 'inbox', 'turns']
/** So many of the columns are left where it is narrow; then the last of them goes as well. */
const columnsMin = 3
/** Less of a reason says nothing. */
const reasonColumnsMin = 30
const gap = 2

/** Columns as wide as their widest cell. Where the terminal is too narrow, the last ones go, and the reason is cut. */
export function healthTable(rows: readonly HealthRow[], { columns, paint }: HealthTableOptions): string[] {
  const cells = rows.map(({ name, state, available, outages, curves }) =>
    [name, state, available, String(outages), ...curves].map(oneLine),
  )
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => displayWidth(row[column] ?? ''))),
  )
  const reasons = rows.map(({ reason }) => oneLine(reason))
  const longest = Math.max(0, ...reasons.map(displayWidth))
  const needed = longest === 0 ? 0 : gap + Math.min(longest, reasonColumnsMin)
  const widthOf = (count: number): number =>
    widths.slice(0, count).reduce((sum, width) => sum + width + gap, -gap)
  let shown = titles.length
  while (shown > columnsMin && widthOf(shown) + needed > columns) shown -= 1
  const line = (texts: readonly string[], style: (column: number) => Style | undefined): string =>
    texts
      .slice(0, shown)
      .map((text, column) => {
        const wanted = style(column)
        const painted = wanted === undefined ? text : paint(wanted, text)
        return painted + ' '.repeat((widths[column] ?? 0) - displayWidth(text))
      })
      .join(' '.repeat(gap))
  return [
    paint('dim', line(titles, () => undefined).trimEnd()),
    ...cells.map((texts, index) => {
      const rest = fit(reasons[index] ?? '', columns - widthOf(shown) - gap)
      const start = line(texts, (column) => (column === 1 ? styleOf(texts[1] ?? '') : undefined))
      return `${start}${rest === '' ? '' : ' '.repeat(gap)}${rest}`.trimEnd()
    }),
  ]
}

export function styleOf(state: string): Style {
  return state === 'healthy' ? 'green' : state === 'degraded' ? 'yellow' : 'red'
}
