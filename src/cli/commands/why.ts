import { agentExists, agentPaths } from '../../runtime/home.ts'
import { showTurn } from '../../runtime/turn-queries.ts'
import { explain, storedFacts } from '../../runtime/why.ts'
import { explainTurn } from '../../runtime/why-delivery.ts'
import type { Explanation, RecipientState } from '../../runtime/why-facts.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { readMoved } from '../../runtime/move/moved-marker.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { viewDaemon } from '../overview/daemon-view.ts'
import { keepingFacts } from '../overview/keeping-facts.ts'
import { viewKept } from '../overview/overview.ts'
import { askSession, viewSession } from '../session-view.ts'
import { noSuchTurn, parseTurn } from '../turn-table.ts'

/** Long enough for a busy agent, short enough for a person. */
const answerTimeoutMs = 2_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const asked = call.text('turn')
  const turn = asked === undefined ? undefined : parseTurn(asked)
  const paths = requireAgent(call, agent)
  const explanations =
    turn === undefined ? await explainAgent(call, agent, paths) : await explainOne(call, agent, paths, turn)
  for (const { text, command } of explanations) {
    call.output.line(text)
    if (command !== undefined) call.output.line(call.output.paint('dim', `  ${call.hint(command)}`))
  }
  const running = viewProcess(call, paths).state === 'running'
  call.output.document({ agent, running, ...(turn !== undefined && { turn }), explanations })
}

async function explainAgent(call: Call, agent: string, paths: AgentPaths): Promise<Explanation[]> {
  const view = viewProcess(call, paths)
  const asked = view.state === 'running' ? await askSession(call, paths, answerTimeoutMs) : undefined
  const { stored, lag, session } = readAgent(call, paths, (store) => ({
    stored: storedFacts(store.reader),
    lag: store.lag,
    session: viewSession(store.reader, view, asked?.live),
  }))
  const [daemon, now] = [await viewDaemon(call), Date.now()]
  const { facts, usage } = viewKept(call, agent, view, daemon)
  const recipients = new Map<string, RecipientState>()
  for (const { to } of stored.outgoing) if (!recipients.has(to)) recipients.set(to, recipientState(call, to))
  return explain({
    agent,
    now,
    process: {
      state: view.state,
      supervised: view.supervised,
      safeMode: view.safeMode,
      ...(view.pid === undefined ? {} : { pid: view.pid }),
      ...(asked === undefined ? {} : { answers: asked.answers }),
    },
    lag,
    movedTo: readMoved(call.disk, paths.movedMarker)?.file,
    freeBytes: call.disk.freeBytes(call.home),
    stored,
    recipients,
    session,
    keeping: keepingFacts(facts, view, daemon, paths, usage, now),
  })
}

async function explainOne(
  call: Call,
  agent: string,
  paths: AgentPaths,
  number: number,
): Promise<Explanation[]> {
  const view = viewProcess(call, paths)
  const asked = view.state === 'running' ? await askSession(call, paths, answerTimeoutMs) : undefined
  const { turn, session } = readAgent(call, paths, (store) => ({
    turn: showTurn(store.reader, number),
    session: viewSession(store.reader, view, asked?.live),
  }))
  if (turn === undefined) throw noSuchTurn(agent, number)
  return explainTurn(turn, Date.now(), session)
}

function recipientState(call: Call, name: string): RecipientState {
  if (!agentExists(call.disk, call.home, name)) return 'missing'
  return viewProcess(call, agentPaths(call.home, name)).state === 'running' ? 'running' : 'stopped'
}
