import { formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import type { Call } from '../call.ts'
import { chooseAgents, eachAgent, type AgentResult } from '../chosen-agents.ts'
import { healthTable, styleOf, type HealthRow } from '../health-table.ts'
import { percentOf, readHistory, sparkline, type HistoryView } from '../health-view.ts'
import { oneLine } from '../output.ts'
import { viewDaemon } from '../overview/daemon-view.ts'
import { healthSubject, hubSubject, notRunning, type HealthSubject, type Present } from '../present-health.ts'

const dayMs = 86_400_000
/** As much as is kept. */
const sinceMsMax = 365 * dayMs
const outagesShownMax = 10

export async function run(call: Call): Promise<number> {
  const sinceMs = call.durationMs('since', dayMs)
  if (sinceMs < 60_000 || sinceMs > sinceMsMax)
    throw new PerduraError('ERR_USAGE', '--since is a minute at least, and 365d at most')
  const chosen = chooseAgents(call, 'all')
  const isAll = call.arguments.length === 0
  const daemon = await viewDaemon(call)
  const rows: HealthRow[] = []
  const look = async (subject: HealthSubject): Promise<AgentResult> => {
    const { name, folder, watched } = subject
    const present = await subject.ask()
    const history = readHistory(folder, { now: Date.now(), sinceMs, watched })
    if (chosen.single) show(call, name, present, history, sinceMs)
    else rows.push(rowOf(name, present, history))
    return resultOf(name, present, history, sinceMs)
  }
  const hub = isAll && !chosen.names.includes('hub') ? hubSubject(call, daemon) : undefined
  const ofHub = hub && (await look(hub))
  const code = Math.max(
    // Agents do without one: where somebody has stopped it, nothing is amiss.
    hub?.stopped === true ? exitCodes.fine : (ofHub?.exitCode ?? exitCodes.fine),
    await eachAgent(call, chosen, async (name) => await look(healthSubject(call, name, daemon)), {
      ...(isAll && { hub: ofHub?.document ?? null }),
    }),
  )
  if (rows.length > 0) {
    const { output } = call
    const [first, ...rest] = rows
    const isHubFirst = ofHub !== undefined && first !== undefined
    const agents = (isHubFirst ? rest : rows).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const columns = process.stdout.isTTY ? process.stdout.columns : Infinity
    const table = healthTable(isHubFirst ? [first, ...agents] : agents, {
      columns,
      paint: output.paint.bind(output),
    })
    for (const line of table) output.line(line)
  }
  return code
}

function resultOf(
  agent: string,
  { state, ready, reasons, notReady, notMeasured }: Present,
  { availability, series }: HistoryView,
  sinceMs: number,
): AgentResult {
  const { ratio, outages, ...times } = availability
  const isWell = state === 'healthy' || state === 'degraded'
  return {
    document: {
      agent,
      running: state !== notRunning,
      state,
      ready,
      reasons,
      notReady,
      notMeasured,
      sinceMs,
      availabilityPercent: ratio === undefined ? null : percentOf(ratio),
      ...times,
      outages,
      series,
    },
    exitCode: state === notRunning ? exitCodes.notRunning : isWell ? exitCodes.fine : exitCodes.failed,
  }
}

function show(call: Call, agent: string, present: Present, history: HistoryView, sinceMs: number): void {
  const { output } = call
  const { availability, series } = history
  const { ratio, outages, upMs, downMs, stoppedMs, unwatchedMs } = availability
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(12))} ${text}`)
  const notReady = present.notReady.length > 0 ? `, not ready: ${present.notReady.join(', ')}` : ''
  output.line(`${output.paint('bold', agent)}  ${stateWord(call, present.state)}${notReady}`)
  for (const { check, state, text } of present.reasons) line(check, `${state}: ${oneLine(text)}`)
  if (present.notMeasured.length > 0)
    line('not measured', `${present.notMeasured.join(', ')}: this system does not say`)
  const watchedMs = upMs + downMs
  if (ratio === undefined)
    line('available', `nobody knows: nobody watched it in the last ${formatDuration(sinceMs)}`)
  else {
    const rest = [
      downMs > 0 ? `down for ${formatDuration(downMs)}, ${times(outages.length)}` : 'never down',
      ...(stoppedMs > 0 ? [`stopped on purpose for ${formatDuration(stoppedMs)}`] : []),
      ...(unwatchedMs > 0 ? [`nobody watched for ${formatDuration(unwatchedMs)}`] : []),
    ]
    line('available', `${percentOf(ratio)} % of ${formatDuration(watchedMs)}: ${rest.join('; ')}`)
  }
  for (const { at, durationMs, causes, ongoing } of outages.slice(-outagesShownMax)) {
    const lasted = ongoing ? `since ${formatDuration(durationMs)}` : formatDuration(durationMs)
    line('', `${new Date(at).toISOString()}  ${lasted.padEnd(10)} ${oneLine(causes.join(', then '))}`)
  }
  if (outages.length > outagesShownMax) {
    line('', `and ${outages.length - outagesShownMax} before that: --json has them`)
  }
  const curves: [string, readonly (number | null)[], (value: number) => string][] = [
    ['memory', series.rssBytes, (value) => `${Math.round(value / 1e6)} MB`],
    ['loop delay', series.loopDelayMs, (value) => formatDuration(value)],
    ['inbox', series.inbox, String],
    ['turns', series.turns, String],
  ]
  for (const [title, values, write] of curves) {
    const known = values.filter((value) => value !== null)
    if (known.length === 0) continue
    line(title, `${sparkline(values)}  ${write(Math.min(...known))} to ${write(Math.max(...known))}`)
  }
}

function rowOf(name: string, present: Present, { availability, series }: HistoryView): HealthRow {
  const { ratio, outages } = availability
  const [first] = present.reasons
  const [notReady] = present.notReady
  return {
    name,
    state: present.state,
    available: ratio === undefined ? '' : `${percentOf(ratio)} %`,
    outages: outages.length,
    curves: [series.rssBytes, series.loopDelayMs, series.inbox, series.turns].map((values) =>
      sparkline(values.slice(-12)).trimEnd(),
    ),
    reason: first?.text ?? notReady ?? '',
  }
}

function stateWord(call: Call, state: string): string {
  return call.output.paint(styleOf(state), state)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}
