import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { Call } from '../call.ts'
import { chooseAgents } from '../chosen-agents.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { errorDocument } from '../output.ts'
import { agentDocument, daemonDocument, hubDocument } from '../overview/agent-document.ts'
import { showAgent } from '../overview/agent-page.ts'
import { viewDaemon } from '../overview/daemon-view.ts'
import { agentRow, daemonRow, hubRow } from '../overview/overview-rows.ts'
import { overviewTable, type OverviewRow } from '../overview/overview-table.ts'
import { viewAgent, viewHub } from '../overview/overview.ts'
import { askSession } from '../session-view.ts'

/** Long enough for a busy agent, short enough for a person. */
const answerTimeoutMs = 2_000
const orphansShownMax = 5

export async function run(call: Call): Promise<number> {
  const { names, single } = chooseAgents(call, 'all')
  const [name] = names
  if (single && name !== undefined) return await showOne(call, name)
  return await showSeveral(call, names)
}

async function showOne(call: Call, name: string): Promise<number> {
  const paths = requireAgent(call, name)
  const isRunning = viewProcess(call, paths).state === 'running'
  const [asked, daemon] = await Promise.all([
    isRunning ? askSession(call, paths, answerTimeoutMs) : undefined,
    viewDaemon(call),
  ])
  const view = viewAgent(call, name, daemon, asked?.live)
  const now = Date.now()
  if (view.stored instanceof Error) throw view.stored
  showAgent(call, view, now)
  call.output.document(agentDocument(view, now))
  return view.process.state === 'running' ? exitCodes.fine : exitCodes.notRunning
}

/** The table: of all agents with the daemon and the hub, or of those that were named. */
async function showSeveral(call: Call, names: readonly string[]): Promise<number> {
  const { output } = call
  const isAll = call.arguments.length === 0
  const daemon = await viewDaemon(call)
  const hub = isAll ? viewHub(call, daemon) : undefined
  const now = Date.now()
  const usage = daemon && call.usage.measure([daemon.record.pid]).get(daemon.record.pid)
  const rows: OverviewRow[] = []
  if (isAll && daemon !== undefined) rows.push(daemonRow(daemon, usage, now))
  if (hub !== undefined) rows.push(hubRow(hub, now))
  const documents: object[] = []
  /** Whom a daemon has started that is gone. */
  const orphans: string[] = []
  if (daemon === undefined && hub?.record?.daemon === true) orphans.push('the hub')
  let exitCode: number = exitCodes.fine
  for (const name of names) {
    try {
      requireAgent(call, name)
      const view = viewAgent(call, name, daemon)
      rows.push(agentRow(view, now))
      const { state, record } = view.process
      if (daemon === undefined && state === 'running' && record?.daemon === true) orphans.push(name)
      documents.push(agentDocument(view, now))
    } catch (error) {
      output.complaint(error, name)
      documents.push({ agent: name, ...errorDocument(error) })
      exitCode = Math.max(exitCode, error instanceof PerduraError ? error.exitCode : exitCodes.failed)
    }
  }
  if (names.length === 0) output.note(`no agents in ${call.home}; start one with: ${call.program} up`)
  if (rows.length > 0) {
    const columns = process.stdout.isTTY ? process.stdout.columns : Infinity
    const paint = output.paint.bind(output)
    for (const line of overviewTable(rows, { columns, paint })) output.line(line)
  }
  const down = rows.filter(({ state }) => state === 'down').map(({ name }) => name)
  if (daemon === undefined && down.length > 0)
    output.note(
      `no daemon runs, and ${down.join(', ')} ${down.length === 1 ? 'is' : 'are'} to be: ${call.hint('perdura daemon start')}`,
    )
  if (orphans.length > 0)
    output.note(
      `no daemon runs: ${orphans.slice(0, orphansShownMax).join(', ')}${orphans.length > orphansShownMax ? ', …' : ''} ${orphans.length === 1 ? 'goes on, and is not started again should it end' : 'go on, and are not started again should they end'}: ${call.hint('perdura daemon start')}`,
    )
  output.document({
    home: call.home,
    ...(isAll && {
      daemon: daemonDocument(daemon, usage, now),
      hub: hub === undefined ? null : hubDocument(hub, now),
    }),
    agents: documents,
  })
  return exitCode
}
