import { exitCodes } from '../../exit-codes.ts'
import { formatDuration } from '../../duration.ts'
import type { LiveSession } from '../../runtime/live-session.ts'
import { queues } from '../../queue/pauses.ts'
import { listAgents, agentPaths } from '../../runtime/home.ts'
import { storedStatus, type StoredStatus } from '../../runtime/queries.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess, type ProcessView } from '../look.ts'
import { oneLine } from '../output.ts'
import {
  askSession,
  describeMeasured,
  describeNextTry,
  viewSession,
  type SessionView,
} from '../session-view.ts'

interface AgentStatus {
  readonly agent: string
  readonly process: ProcessView
  readonly lag: number
  readonly stored: StoredStatus
  /** Undefined without a hub. */
  readonly session: SessionView | undefined
}

/** Long enough for a busy agent, short enough for a person. */
const answerTimeoutMs = 2_000

export async function run(call: Call): Promise<number> {
  const [name] = call.arguments
  if (name === undefined) return showAll(call)
  const paths = requireAgent(call, name)
  const isRunning = viewProcess(call, paths).state === 'running'
  const asked = isRunning ? await askSession(call, paths, answerTimeoutMs) : undefined
  const status = read(call, name, asked?.live)
  showOne(call, status)
  call.output.document(documentOf(status))
  return status.process.state === 'running' ? exitCodes.fine : exitCodes.notRunning
}

function read(call: Call, name: string, live?: LiveSession): AgentStatus {
  const paths = agentPaths(call.home, name)
  const process = viewProcess(call, paths)
  return readAgent(call, paths, (store) => ({
    agent: name,
    process,
    lag: store.lag,
    stored: storedStatus(store.reader),
    session: viewSession(store.reader, process, live),
  }))
}

/** All agents of the home; one whose database cannot be read is listed with the reason. */
function showAll(call: Call): number {
  const documents: unknown[] = []
  const rows: string[][] = []
  for (const name of listAgents(call.disk, call.home)) {
    try {
      const status = read(call, name)
      const { inbox, outbox } = status.stored
      documents.push(documentOf(status))
      rows.push([
        name,
        stateWord(call, status.process),
        status.session?.state ?? 'no hub',
        String(inbox.pending + inbox.running),
        String(inbox.parked),
        String(inbox.dead),
        String(outbox.pending),
        String(inbox.done),
      ])
    } catch (error) {
      const message = (error as Error).message
      documents.push({ agent: name, error: message })
      rows.push([name, 'unreadable', '', '', '', '', '', '', message])
    }
  }
  if (rows.length === 0) call.output.note(`no agents in ${call.home}; start one with: ${call.program} up`)
  else
    call.output.table(
      ['agent', 'process', 'connection', 'open', 'parked', 'dead', 'outgoing', 'done', ''],
      rows,
    )
  call.output.document({ home: call.home, agents: documents })
  return exitCodes.fine
}

function showOne(call: Call, { agent, process, lag, stored, session }: AgentStatus): void {
  const { output } = call
  const now = Date.now()
  const { inbox, outbox, timers } = stored
  const age = (since: number | null): string =>
    since === null ? '' : `, the oldest for ${formatDuration(Math.max(0, now - since))}`
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(10))} ${text}`)
  output.line(`${output.paint('bold', agent)}  ${stateWord(call, process)}`)
  if (process.state === 'running' && process.record !== undefined) {
    const { pid, startedAt, ingressPort, supervisorPid } = process.record
    const keeper = process.supervised ? `, kept running by ${supervisorPid}` : ''
    line('process', `${pid}, up ${formatDuration(Math.max(0, now - startedAt))}${keeper}`)
    if (ingressPort !== null) line('ingress', `http://127.0.0.1:${ingressPort}/agents/${agent}/inbox`)
  }
  if (session === undefined) line('connection', 'no hub')
  else {
    const { state, reason, since } = session
    const lasted = formatDuration(Math.max(0, now - since))
    line('connection', `${state} for ${lasted}: ${oneLine(reason)} (${session.hub})`)
    const more = [describeNextTry(session), describeMeasured(session)]
    if (more[0] !== undefined) line('next try', more[0])
    if (more[1] !== undefined) line('way', more[1])
  }
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
    const since = stored.paused[queue]
    if (since !== null) {
      line('paused', output.paint('yellow', `the ${queue}, for ${formatDuration(Math.max(0, now - since))}`))
    }
  }
  const next =
    timers.nextDueAt === null
      ? ''
      : `, next ${timers.nextDueAt <= now ? 'is due' : `in ${formatDuration(timers.nextDueAt - now)}`}`
  line('timers', `${timers.count}${next}`)
  line('memory', `${stored.notes} notes, ${stored.stateKeys} keys of state`)
  line(
    'journal',
    `${stored.position.sequence} changes${lag > 0 ? `, ${lag} of them not in the database yet` : ''}`,
  )
}

function stateWord(call: Call, process: ProcessView): string {
  if (process.safeMode) return call.output.paint('yellow', 'safe mode')
  if (process.state === 'running') return call.output.paint('green', 'running')
  if (process.supervised) return call.output.paint('yellow', 'restarting')
  return process.state === 'killed' ? call.output.paint('red', 'killed') : 'stopped'
}

function documentOf({ agent, process, lag, stored, session }: AgentStatus): object {
  const { record } = process
  return {
    agent,
    id: stored.id,
    running: process.state === 'running',
    process: {
      state: process.state,
      supervised: process.supervised,
      safeMode: process.safeMode,
      pid: record?.pid ?? null,
      instance: record?.instance ?? null,
      startedAt: record?.startedAt ?? null,
      ingressPort: process.state === 'running' ? (record?.ingressPort ?? null) : null,
    },
    createdAt: stored.createdAt,
    position: stored.position,
    lag,
    connection: session === undefined ? null : connectionOf(session),
    inbox: stored.inbox,
    outbox: stored.outbox,
    paused: stored.paused,
    timers: stored.timers,
    notes: stored.notes,
    stateKeys: stored.stateKeys,
  }
}

function connectionOf(session: SessionView): object {
  const { hub, state, reason, since, generation, sessionIdentifier } = session
  const { attempts, nextTryMs, roundTripMs, clockSkewMs } = session
  return {
    hub,
    state,
    reason,
    since,
    generation,
    sessionIdentifier,
    attempts,
    nextTryMs,
    roundTripMs,
    clockSkewMs,
  }
}
