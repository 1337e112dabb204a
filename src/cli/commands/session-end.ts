import { PerduraError } from '../../errors.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import { storedSessions } from '../../runtime/session-queries.ts'
import { askHubOf } from '../agent-hub.ts'
import type { Call } from '../call.ts'
import { confirm } from '../confirm.ts'
import { askAgent } from '../control-client.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'

const answerTimeoutMs = 15_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const [session] = readAgent(call, paths, ({ reader }) => storedSessions(reader))
  if (session === undefined || session.sessionIdentifier === null) {
    throw new PerduraError(
      'ERR_NO_SUCH_SESSION',
      `${agent} has had no session at a hub yet: there is none to end`,
    )
  }
  const process = viewProcess(call, paths)
  const running = process.state === 'running'
  await confirm(
    call,
    `This ends session ${session.sessionIdentifier} of ${agent} at ${session.hub}${running ? ', and its process' : ''}.`,
  )
  if (!running && process.supervised) {
    throw new PerduraError(
      'ERR_NOT_RUNNING',
      `the process of ${agent} is about to be started again: try again in a moment`,
    )
  }
  // What it has now, where it runs, may be another one than its database had just now.
  const ended = running ? await endByAgent(call, paths) : await endByKey({ agent, paths, session })
  call.output.line(`session ${ended} of ${agent} is ended`)
  call.output.note('what waits for it at the hub, and what it has yet to send, is kept for its next session')
  call.output.document({ agent, hub: session.hub, sessionIdentifier: ended, ended: true })
}

async function endByAgent(call: Call, paths: AgentPaths): Promise<string> {
  const request = { method: 'POST', path: '/v1/session/end', body: {} } as const
  const { session_identifier: identifier } = await askAgent(call, paths, request, answerTimeoutMs)
  return typeof identifier === 'string' ? identifier : ''
}

async function endByKey(of: Parameters<typeof askHubOf>[0]): Promise<string> {
  return (await askHubOf(of, (sessions) => sessions.endCurrent())).sessionIdentifier
}
