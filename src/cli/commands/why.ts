import { PerduraError } from '../../errors.ts'
import { agentExists, agentPaths } from '../../runtime/home.ts'
import { explain, storedFacts, type RecipientState, type WhyFacts } from '../../runtime/why.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'

/** Long enough for a busy agent, short enough for a person. */
const answerTimeoutMs = 2_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const view = viewProcess(call, paths)
  const answers = view.state === 'running' ? await doesAnswer(call, agent) : undefined
  const { stored, lag } = readAgent(call, paths, (store) => ({
    stored: storedFacts(store.reader),
    lag: store.lag,
  }))
  const recipients = new Map<string, RecipientState>()
  for (const { to } of stored.outgoing) if (!recipients.has(to)) recipients.set(to, recipientState(call, to))
  const facts: WhyFacts = {
    agent,
    now: Date.now(),
    process: {
      state: view.state,
      supervised: view.supervised,
      ...(view.pid === undefined ? {} : { pid: view.pid }),
      ...(answers === undefined ? {} : { answers }),
    },
    lag,
    freeBytes: call.disk.freeBytes(call.home),
    stored,
    recipients,
  }
  const explanations = explain(facts)
  for (const { text, command } of explanations) {
    call.output.line(text)
    if (command !== undefined) call.output.line(call.output.paint('dim', `  ${call.hint(command)}`))
  }
  call.output.document({ agent, running: view.state === 'running', explanations })
}

async function doesAnswer(call: Call, agent: string): Promise<boolean> {
  try {
    await askAgent(
      call,
      agentPaths(call.home, agent),
      { method: 'GET', path: '/v1/process' },
      answerTimeoutMs,
    )
    return true
  } catch (error) {
    if (error instanceof PerduraError) return false
    throw error
  }
}

function recipientState(call: Call, name: string): RecipientState {
  if (!agentExists(call.disk, call.home, name)) return 'missing'
  return viewProcess(call, agentPaths(call.home, name)).state === 'running' ? 'running' : 'stopped'
}
