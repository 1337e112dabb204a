import { formatDuration } from '../../duration.ts'
import { PerduraError } from '../../errors.ts'
import { exitCodes } from '../../exit-codes.ts'
import { isJsonObject, type Json, type JsonObject } from '../../json.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import type { Call } from '../call.ts'
import { chooseAgents, eachAgent, type AgentResult } from '../chosen-agents.ts'
import { agentChild } from '../child-name.ts'
import { askAgent } from '../control-client.ts'
import { percentOf, readHistory, sparkline, type HistoryView } from '../health-view.ts'
import { requireAgent, viewProcess, type ProcessView } from '../look.ts'
import { oneLine } from '../output.ts'
import { viewDaemon } from '../overview/daemon-view.ts'

/** Long enough for a busy agent, short enough for a person. */
const answerTimeoutMs = 2_000
const dayMs = 86_400_000
/** As much as is kept. */
const sinceMsMax = 365 * dayMs
const outagesShownMax = 10
const notRunning = 'not running'
const noAnswer = 'no answer'

interface Reason {
  readonly check: string
  readonly state: string
  readonly text: string
}

/** How an agent is now. */
interface Present {
  /** `not running`, and `no answer` where it runs and says nothing. */
  readonly state: string
  readonly ready: boolean
  readonly reasons: readonly Reason[]
  readonly notReady: readonly string[]
}

export async function run(call: Call): Promise<number> {
  const sinceMs = call.durationMs('since', dayMs)
  if (sinceMs < 60_000 || sinceMs > sinceMsMax)
    throw new PerduraError('ERR_USAGE', '--since is a minute at least, and 365d at most')
  const chosen = chooseAgents(call, 'all')
  const daemon = await viewDaemon(call)
  const rows: string[][] = []
  const code = await eachAgent(call, chosen, async (agent) => {
    const paths = requireAgent(call, agent)
    const process = viewProcess(call, paths)
    const present = await presentOf(call, paths, process, daemon?.children?.get(agentChild(agent))?.state)
    const options = { now: Date.now(), sinceMs, watched: process.supervised }
    const history = readHistory(paths.folder, options)
    if (chosen.single) show(call, agent, present, history, sinceMs)
    else rows.push(rowOf(call, agent, present, history))
    return resultOf(agent, present, history, sinceMs)
  })
  if (rows.length > 0) {
    const header = ['agent', 'health', 'available', 'outages', 'memory', 'loop delay', 'inbox', 'turns', '']
    call.output.table(
      header,
      rows.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    )
  }
  return code
}

/** States of a child, as its daemon has them, in which there is a process. */
const livingStates = new Set(['starting', 'running', 'restarting', 'killing', 'stopping'])

/** `kept`: the state of the child, where a daemon keeps it. */
async function presentOf(
  call: Call,
  paths: AgentPaths,
  process: ProcessView,
  kept: string | undefined,
): Promise<Present> {
  const nothing = { ready: false, reasons: [], notReady: [] }
  if (process.state !== 'running') {
    // One that has not come so far as to say where it is found, or never will: it hangs as it starts.
    if (kept === undefined || !livingStates.has(kept)) return { ...nothing, state: notRunning }
    const doing = kept === 'killing' ? 'hung, and is being killed' : kept === 'running' ? 'there' : kept
    return { ...nothing, state: noAnswer, notReady: [`its process is ${doing}, and does not answer`] }
  }
  try {
    const answer = await askAgent(call, paths, { method: 'GET', path: '/v1/health' }, answerTimeoutMs)
    const { state, ready, reasons, not_ready: notReady } = answer
    return {
      state: typeof state === 'string' ? state : noAnswer,
      ready: ready === true,
      reasons: Array.isArray(reasons) ? reasons.filter(isJsonObject).map(reasonOf) : [],
      notReady: Array.isArray(notReady) ? notReady.filter((one) => typeof one === 'string') : [],
    }
  } catch (error) {
    if (error instanceof PerduraError) return { ...nothing, state: noAnswer }
    throw error
  }
}

function reasonOf({ check, state, text }: JsonObject): Reason {
  const words = (value: Json | undefined): string => (typeof value === 'string' ? value : '')
  return { check: words(check), state: words(state), text: words(text) }
}

function resultOf(
  agent: string,
  { state, ready, reasons, notReady }: Present,
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

function rowOf(call: Call, agent: string, present: Present, { availability, series }: HistoryView): string[] {
  const { ratio, outages } = availability
  const [first] = present.reasons
  const [notReady] = present.notReady
  return [
    agent,
    stateWord(call, present.state),
    ratio === undefined ? '' : `${percentOf(ratio)} %`,
    String(outages.length),
    ...[series.rssBytes, series.loopDelayMs, series.inbox, series.turns].map((values) =>
      sparkline(values.slice(-12)).trimEnd(),
    ),
    oneLine(first?.text ?? notReady ?? ''),
  ]
}

function stateWord(call: Call, state: string): string {
  const style = state === 'healthy' ? 'green' : state === 'degraded' ? 'yellow' : 'red'
  return call.output.paint(style, state)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}
