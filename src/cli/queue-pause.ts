import type { Call } from './call.ts'
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

export async function changePause(call: Call, verb: 'pause' | 'resume'): Promise<undefined> {
  const agent = call.argument(0)
  const queues = namedQueues(call)
  const request = { method: 'POST', path: `/v1/queue/${verb}`, body: { queues } } as const
  await askAgent(call, requireAgent(call, agent), request)
  for (const queue of queues) call.output.line(said[verb][queue])
  call.output.document({ agent, queues, paused: verb === 'pause' })
}
