import { formatDuration } from '../../duration.ts'
import { queues } from '../../queue/pauses.ts'
import type { StoredStatus } from '../../runtime/queries.ts'
import type { EndRecord } from '../../supervisor/exits.ts'
import type { Call } from '../call.ts'
import { excerpt, formatTime, oneLine } from '../output.ts'
import { describeMeasured, describeNextTry } from '../session-view.ts'
import { endText } from './child-state.ts'
import { lifetimeCpu } from './overview-rows.ts'
import { percent, sizeText, stateStyle, stateText } from './overview-table.ts'
import type { AgentView } from './overview.ts'

/** Ends that are shown; the document has all that are kept. */
const endsShown = 5
/** Of what was said of one, characters. */
const saidMax = 200

/** Everything about one agent, for a person. */
export function showAgent(call: Call, view: AgentView, now: number): void {
  const { output } = call
  const { agent, state, stored } = view
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(10))} ${text}`)
  output.line(`${output.paint('bold', agent)}  ${output.paint(stateStyle(state), stateText(state))}`)
  showProcess(view, now, line)
  showPast(call, view, now, line)
  if (stored instanceof Error) return
  showSession(view, now, line)
  showQueues(call, stored, now, line)
  const { timers } = stored
  const next =
    timers.nextDueAt === null
      ? ''
      : `, next ${timers.nextDueAt <= now ? 'is due' : `in ${formatDuration(timers.nextDueAt - now)}`}`
  line('timers', `${timers.count}${next}`)
  line('memory', `${stored.notes} notes, ${stored.stateKeys} keys of state`)
  const lag = view.lag > 0 ? `, ${view.lag} of them not in the database yet` : ''
  line('journal', `${stored.position.sequence} changes${lag}`)
}

type Line = (title: string, text: string) => void

function showProcess({ agent, facts, process, usage }: AgentView, now: number, line: Line): void {
  const { record } = process
  if (facts.alive !== undefined && record !== undefined) {
    const { pid, startedAt } = facts.alive
    const upMs = Math.max(0, now - startedAt)
    line('process', `${pid}, up ${formatDuration(upMs)}, ${keeperText[facts.keeper]}`)
    if (usage !== undefined) {
      const cpu = lifetimeCpu(usage, upMs)
      line(
        'takes',
        `${sizeText(usage.rssBytes)} of memory${cpu === undefined ? '' : `, ${percent(cpu)} CPU since its start`}`,
      )
    }
    if (record.ingressPort !== null)
      line('ingress', `http://127.0.0.1:${record.ingressPort}/agents/${agent}/inbox`)
  } else if (facts.record !== undefined) {
    line('wanted', `${facts.record.wanted}, ${keeperText[facts.keeper]}`)
  }
}

const keeperText = {
  daemon: 'kept running by the daemon',
  up: 'kept running by an up',
  nobody: 'nobody starts it again',
} as const

/** What its daemon remembers: restarts and why, safe mode; and how it finds itself. */
function showPast(call: Call, { facts }: AgentView, now: number, line: Line): void {
  const { output } = call
  const { record, shown, alive } = facts
  for (const [at, { state, text }] of (shown?.beat?.reasons ?? []).entries())
    line(
      at === 0 ? 'health' : '',
      output.paint(state === 'unhealthy' ? 'red' : 'yellow', `${state}: ${oneLine(text)}`),
    )
  if (shown?.beat?.health === 'healthy') line('health', 'healthy')
  if (record === undefined) return
  const { past } = record
  const { period, level } = past.safeMode
  if (period !== null) {
    const leftMs = Math.max(0, period.until - now)
    const since = formatDuration(Math.max(0, now - period.since))
    line(
      'safe mode',
      output.paint(
        'yellow',
        `for ${since}, the ${ordinal(level)} time in a row; tried with its mind again in ${formatDuration(leftMs)}`,
      ),
    )
  }
  if (shown?.nextStartInMs !== undefined && alive === undefined)
    line('next try', `in ${formatDuration(Math.max(0, shown.since + shown.nextStartInMs - now))}`)
  if (shown?.failure !== undefined)
    line('failure', excerpt(`${shown.failure.code}: ${shown.failure.message}`, 300))
  line('restarts', String(past.restarts))
  for (const end of past.ends.slice(-endsShown).toReversed()) line('', describe(end))

  function describe(end: EndRecord): string {
    const lived = end.livedMs === null ? '' : `, after ${formatDuration(end.livedMs)}`
    const mode = end.mode === 'safe' ? ' (safe mode)' : ''
    const said = end.said === null ? '' : `: ${excerpt(end.said, saidMax)}`
    return `${output.paint('dim', formatTime(end.at, now))} ${endText(end, shown)}${lived}${mode}${said}`
  }
}

function ordinal(count: number): string {
  const ends: Readonly<Record<number, string>> = { 1: 'first', 2: 'second', 3: 'third' }
  return ends[count] ?? `${count}th`
}

function showSession({ session }: AgentView, now: number, line: Line): void {
  if (session === undefined) {
    line('connection', 'no hub')
    return
  }
  const { state, reason, since } = session
  const lasted = formatDuration(Math.max(0, now - since))
  line('connection', `${state} for ${lasted}: ${oneLine(reason)} (${session.hub})`)
  const [next, way] = [describeNextTry(session), describeMeasured(session)]
  if (next !== undefined) line('next try', next)
  if (way !== undefined) line('way', way)
}

function showQueues(call: Call, { inbox, outbox, paused }: StoredStatus, now: number, line: Line): void {
  const age = (since: number | null): string =>
    since === null ? '' : `, the oldest for ${formatDuration(Math.max(0, now - since))}`
  const open = inbox.pending + inbox.running + inbox.parked
  line(
    'inbox',
    `${inbox.pending} waiting, ${inbox.running} running, ${inbox.parked} parked${open > 0 ? age(inbox.oldestOpenAt) : ''}`,
  )
  line('turns', `${inbox.done} done, ${inbox.dead} set aside`)
  line(
    'outbox',
    `${outbox.pending} waiting (${outbox.forYou} for you), ${outbox.refused} refused, ${outbox.expired} expired${age(outbox.oldestPendingAt)}`,
  )
  for (const queue of queues) {
    const since = paused[queue]
    if (since === null) continue
    const text = `the ${queue}, for ${formatDuration(Math.max(0, now - since))}`
    line('paused', call.output.paint('yellow', text))
  }
}
