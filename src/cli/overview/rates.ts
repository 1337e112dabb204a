import type { OverviewRow } from './overview-table.ts'

/** What a process had taken and done at one moment. */
export interface Gauge {
  readonly name: string
  /** Which process it is: figures of another one are not of this one. */
  readonly pid: number | undefined
  readonly cpuMs: number | undefined
  /** Since the agent was made; undefined of what has no turns. */
  readonly turnsDone: number | undefined
}

export interface Moment {
  /** Monotonic ms. */
  readonly atMs: number
  readonly gauges: readonly Gauge[]
}

/** Rows with what has been taken and done between two moments; without an earlier one, as they are. */
export function withRates(
  rows: readonly OverviewRow[],
  now: Moment,
  before: Moment | undefined,
): readonly OverviewRow[] {
  if (before === undefined || now.atMs <= before.atMs) return rows
  const spanMs = now.atMs - before.atMs
  return rows.map((row) => {
    const last = now.gauges.find(({ name }) => name === row.name)
    const first = before.gauges.find(({ name }) => name === row.name)
    if (last === undefined || first === undefined) return row
    const isSame = last.pid !== undefined && last.pid === first.pid
    const cpu = isSame ? difference(last.cpuMs, first.cpuMs, spanMs) : row.cpu
    // Turns are the agent's, whichever process did them.
    const turns = difference(last.turnsDone, first.turnsDone, spanMs / 1_000)
    return {
      ...row,
      ...(cpu !== undefined && { cpu }),
      ...(turns !== undefined && { turnsPerSecond: turns }),
    }
  })
}

export const orders = ['name', 'cpu', 'memory', 'queue', 'restarts'] as const
export type Order = (typeof orders)[number]

/** The most first; what has none last, and where it is equal by name. */
export function sorted(rows: readonly OverviewRow[], order: Order): OverviewRow[] {
  const figure = (row: OverviewRow): number => {
    switch (order) {
      case 'name':
        return 0
      case 'cpu':
        return row.cpu ?? -1
      case 'memory':
        return row.rssBytes ?? -1
      case 'queue':
        return row.queue === undefined ? -1 : row.queue.open + row.queue.outgoing
      case 'restarts':
        return row.restarts ?? -1
    }
  }
  return rows.toSorted((a, b) => figure(b) - figure(a) || (a.name < b.name ? -1 : 1))
}

function difference(last: number | undefined, first: number | undefined, span: number): number | undefined {
  return last === undefined || first === undefined ? undefined : Math.max(0, last - first) / span
}
