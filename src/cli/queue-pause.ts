import type { Queue } from '../queue/pauses.ts'
import type { Call } from './call.ts'
import { chooseAgents, eachAgent, type AgentResult } from './chosen-agents.ts'
import { askAgent } from './control-client.ts'
import { requireAgent } from './look.ts'
import { namedQueues } from './queue-entry.ts'

const said = {
  pause: {
    inbox: 'the inbox is paused: what comes is taken in, and waits',
    outbox: 'the outbox is paused: what is sent waits',
  },
  resume: { inbox: 'the inbox goes on', outbox: 'the outbox goes on' },
}

/** Of one agent, the queues that were named. */
export async function changePause(call: Call, verb: 'pause' | 'resume'): Promise<undefined> {
  const agent = call.argument(0)
  const { queues, document } = await change(call, verb, agent, namedQueues(call))
  for (const queue of queues) call.output.line(said[verb][queue])
  call.output.document(document)
}

/** Of one, several or all agents, the inbox: the mind rests, and what must go out goes out. */
export function changeRest(call: Call, verb: 'pause' | 'resume'): Promise<number> {
  return eachAgent(call, chooseAgents(call), async (agent) => {
    const result = await change(call, verb, agent, ['inbox'])
    call.output.line(`${agent}: ${said[verb].inbox}`)
    return result
  })
}

async function change(
  call: Call,
  verb: 'pause' | 'resume',
  agent: string,
  queues: readonly Queue[],
): Promise<AgentResult & { readonly queues: readonly Queue[] }> {
  const request = { method: 'POST', path: `/v1/queue/${verb}`, body: { queues } } as const
  await askAgent(call, requireAgent(call, agent), request)
  return { queues, document: { agent, queues, paused: verb === 'pause' } }
}
