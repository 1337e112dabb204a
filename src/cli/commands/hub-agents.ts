import type { Call } from '../call.ts'
import { knownAgents } from '../hub-database.ts'
import { formatTime, oneLine } from '../output.ts'

export function run(call: Call): undefined {
  const agents = knownAgents(call)
  const now = Date.now()
  if (agents === undefined)
    call.output.note(`no hub has run in ${call.home}: ${call.program} hub run starts one`)
  else if (agents.length === 0) call.output.note('no agent has been at this hub yet')
  else {
    call.output.table(
      ['name', 'id', 'seen', 'waiting', 'session', 'generation', 'left'],
      agents.map((agent) => [
        agent.active ? agent.name : `${agent.name} (switched off)`,
        String(agent.id),
        agent.seenAt === null ? 'never' : formatTime(agent.seenAt, now),
        String(agent.waiting),
        agent.session ?? '–',
        agent.generation === null ? '–' : String(agent.generation),
        agent.leftAt === null ? '–' : `${formatTime(agent.leftAt, now)}: ${oneLine(agent.leftReason ?? '')}`,
      ]),
    )
  }
  call.output.document({ agents: agents ?? [] })
}
