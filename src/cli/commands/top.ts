import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import { listAgents } from '../../runtime/home.ts'
import type { Call } from '../call.ts'
import { chooseAgents } from '../chosen-agents.ts'
import { requireAgent } from '../look.ts'
import { fit, formatTime } from '../output.ts'
import { agentDocument, daemonDocument, hubDocument } from '../overview/agent-document.ts'
import { viewDaemon } from '../overview/daemon-view.ts'
import { agentRow, daemonRow, hubRow } from '../overview/overview-rows.ts'
import { overviewTable, type OverviewRow } from '../overview/overview-table.ts'
import { viewAgent, viewHub } from '../overview/overview.ts'
import { orders, sorted, withRates, type Gauge, type Moment, type Order } from '../overview/rates.ts'
import { Screen } from '../screen.ts'

const intervalDefaultMs = 2_000
const intervalMinMs = 200
const countMax = 1_000_000

interface Look {
  readonly rows: readonly OverviewRow[]
  readonly moment: Moment
  readonly document: object
}

export async function run(call: Call): Promise<number> {
  const intervalMs = call.durationMs('interval', intervalDefaultMs)
  if (intervalMs < intervalMinMs) throw new PerduraError('ERR_USAGE', '--interval is 200ms at least')
  const count = call.text('count') === undefined ? Infinity : call.count('count', 1, countMax, 1)
  const order = call.choice('sort', orders) ?? 'name'
  for (const name of chooseAgents(call, 'all').names) requireAgent(call, name)
  const isLive = process.stdout.isTTY && !call.output.json
  if (isLive) await showLive(call, { intervalMs, count, order })
  else await printEach(call, { intervalMs, count, order })
  return exitCodes.fine
}

interface TopOptions {
  readonly intervalMs: number
  readonly count: number
  readonly order: Order
}

/** A table, or a document in a line, for each look. The first has figures over the life of each process. */
async function printEach(call: Call, { intervalMs, count, order }: TopOptions): Promise<void> {
  const paint = call.output.paint.bind(call.output)
  let before: Moment | undefined
  for (let shown = 0; shown < count; shown += 1) {
    if (shown > 0) await delay(intervalMs)
    const { rows, moment, document } = await look(call)
    const rated = sorted(withRates(rows, moment, before), order)
    before = moment
    const rates = rated.map(({ name, cpu = null, turnsPerSecond = null }) => ({ name, cpu, turnsPerSecond }))
    call.output.document({ ...document, rates })
    if (shown > 0) call.output.line()
    for (const line of overviewTable(rated, { columns: Infinity, paint })) call.output.line(line)
  }
}

async function showLive(call: Call, { intervalMs, count, order: first }: TopOptions): Promise<void> {
  const leave = new AbortController()
  let order = first
  let repaint = (): void => undefined
  const screen = new Screen((key) => {
    if (key === 'q' || key === '\u0003') leave.abort()
    if (key !== 's') return
    order = orders[(orders.indexOf(order) + 1) % orders.length] ?? 'name'
    repaint()
  })
  const end = (): void => leave.abort()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  call.onBrokenPipe = end
  screen.open()
  process.stdout.on('resize', () => repaint())
  try {
    let before: Moment | undefined
    for (let shown = 0; shown < count && !leave.signal.aborted; shown += 1) {
      const { rows, moment } = await look(call)
      const rated = withRates(rows, moment, before)
      before = moment
      repaint = () => screen.paint(render(call, screen, sorted(rated, order), order))
      repaint()
      await delay(intervalMs, undefined, { signal: leave.signal }).catch(() => undefined)
    }
  } finally {
    screen.close()
    for (const signal of signals) process.off(signal, end)
  }
}

function render(call: Call, screen: Screen, rows: readonly OverviewRow[], order: Order): string[] {
  const { columns, rows: height } = screen.size
  const paint = call.output.paint.bind(call.output)
  const now = Date.now()
  const head = fit(`${formatTime(now, now)}  ${call.home}, by ${order}`, columns)
  const keys = screen.hasKeys ? 's  sort by something else    q  quit' : 'Ctrl-C ends it'
  const table = overviewTable(rows, { columns, paint })
  const room = Math.max(1, height - 4)
  const more = table.length > room ? [paint('dim', `… ${table.length - room + 1} more lines`)] : []
  const shown = more.length === 0 ? table : table.slice(0, room - 1)
  const lines = [paint('bold', head), '', ...shown, ...more]
  while (lines.length < height - 1) lines.push('')
  return [...lines, paint('dim', fit(keys, columns))].slice(0, height)
}

async function look(call: Call): Promise<Look> {
  const isAll = call.arguments.length === 0
  const daemon = await viewDaemon(call)
  const now = Date.now()
  const usage = daemon && call.usage.measure([daemon.record.pid]).get(daemon.record.pid)
  const hub = isAll ? viewHub(call, daemon) : undefined
  // Looked up anew each time: agents come.
  const names = isAll ? listAgents(call.disk, call.home) : [...new Set(call.arguments)]
  const views = names.map((name) => viewAgent(call, name, daemon))
  const rows: OverviewRow[] = views.map((view) => agentRow(view, now))
  const gauges: Gauge[] = views.map(({ agent, facts, usage: taken, stored }) => ({
    name: agent,
    pid: facts.alive?.pid,
    cpuMs: taken?.cpuMs,
    turnsDone: stored instanceof Error ? undefined : stored.inbox.done,
  }))
  if (hub !== undefined) {
    rows.unshift(hubRow(hub, now))
    gauges.push({ name: 'hub', pid: hub.record?.pid, cpuMs: hub.usage?.cpuMs, turnsDone: undefined })
  }
  if (isAll && daemon !== undefined) {
    rows.unshift(daemonRow(daemon, usage, now))
    gauges.push({ name: 'daemon', pid: daemon.record.pid, cpuMs: usage?.cpuMs, turnsDone: undefined })
  }
  return {
    rows,
    moment: { atMs: performance.now(), gauges },
    document: {
      at: now,
      ...(isAll && {
        daemon: daemonDocument(daemon, usage, now),
        hub: hub === undefined ? null : hubDocument(hub, now),
      }),
      agents: views.map((view) => agentDocument(view, now)),
    },
  }
}
