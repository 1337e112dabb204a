import { PerduraError, toError } from '../../errors.ts'
import { isJsonObject, type Json } from '../../json.ts'
import type { AgentPaths } from '../../runtime/home.ts'
import type { HubSession } from '../../runtime/hub/hub-sessions.ts'
import { storedSessions, type StoredSession } from '../../runtime/session-queries.ts'
import { askHubOf } from '../agent-hub.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { readAgent } from '../database.ts'
import { requireAgent, viewProcess } from '../look.ts'
import { formatTime } from '../output.ts'

const answerTimeoutMs = 15_000

/** What the hub says, where it can be asked; what the agent's own disk knows, in any case. */
export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const stored = readAgent(call, paths, ({ reader }) => storedSessions(reader))
  const [latest] = stored
  const here = viewProcess(call, paths).record?.hub ?? latest?.hub
  let atHub: readonly HubSession[] | undefined
  let problem: string | undefined
  try {
    if (latest !== undefined) atHub = await ask(call, agent, paths, latest)
  } catch (thrown) {
    // Whatever keeps the hub from being asked, what is on the disk can be shown.
    problem = toError(thrown).message
    call.output.note(`the hub could not be asked, so this is what ${agent} has on its disk: ${problem}`)
  }
  show(call, agent, { stored, atHub, here })
  call.output.document({
    agent,
    hub: here ?? null,
    asked: atHub !== undefined,
    problem,
    sessions: atHub ?? null,
    stored,
  })
}

async function ask(
  call: Call,
  agent: string,
  paths: AgentPaths,
  session: StoredSession,
): Promise<readonly HubSession[]> {
  const process = viewProcess(call, paths)
  if (process.state === 'running') {
    const { sessions } = await askAgent(call, paths, { method: 'GET', path: '/v1/sessions' }, answerTimeoutMs)
    return Array.isArray(sessions) ? (sessions.filter(isJsonObject) as Json[] as unknown as HubSession[]) : []
  }
  if (process.supervised) {
    throw new PerduraError('ERR_NOT_RUNNING', 'its process is about to be started again')
  }
  return askHubOf({ agent, paths, session }, (sessions) => sessions.list())
}

function show(
  call: Call,
  agent: string,
  {
    stored,
    atHub,
    here,
  }: {
    readonly stored: readonly StoredSession[]
    readonly atHub: readonly HubSession[] | undefined
    readonly here: string | undefined
  },
): void {
  const { output } = call
  if (stored.length === 0) return output.line(`${agent} has been at no hub`)
  const now = Date.now()
  const time = (text: string | undefined): string =>
    text === undefined || Number.isNaN(Date.parse(text)) ? '–' : formatTime(Date.parse(text), now)
  const rows: string[][] = (atHub ?? []).map((session) => [
    session.sessionIdentifier,
    session.connected ? `${session.status}, connected` : session.status,
    time(session.startedAt),
    time(session.lastSeenAt),
    time(session.endedAt),
    here ?? '',
  ])
  for (const session of stored) {
    if (atHub?.some(({ sessionIdentifier }) => sessionIdentifier === session.sessionIdentifier) === true)
      continue
    rows.push([
      session.sessionIdentifier ?? '–',
      'on disk',
      '–',
      formatTime(session.since, now),
      '–',
      session.hub,
    ])
  }
  output.table(['session', 'state', 'started', 'last seen', 'ended', 'hub'], rows)
}
