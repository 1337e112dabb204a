import { PerduraError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { HttpRequest } from '../platform/http.ts'
import { queues, type Queue } from '../queue/pauses.ts'
import type { Agent } from './agent.ts'
import { Fields, readJsonBody } from './request.ts'
import { json, type Route } from './route.ts'

/** What the owner does with the queues: a part of the control socket. */
export function queueRoutes({ queue }: Agent): Route[] {
  return [
    {
      method: 'POST',
      path: /^\/v1\/queue\/(pause|resume)$/,
      answer: async ({ request, names: [verb] }) => {
        const named = queuesOf(request)
        await (verb === 'pause' ? queue.pause(named) : queue.resume(named))
        return json(200, { queues: named, paused: verb === 'pause' })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/outbox\/(\d{1,15})\/retry$/,
      answer: async ({ names: [sequence = ''] }) => {
        const sent = await queue.retryMessage(Number(sequence))
        return json(200, { retried: Number(sequence), sequence: sent.sequence, duplicate: sent.duplicate })
      },
    },
    {
      method: 'POST',
      path: /^\/v1\/queue\/retry$/,
      answer: async ({ request }) => json(200, { ...(await queue.retryAll(queuesOf(request))) }),
    },
    {
      method: 'POST',
      path: /^\/v1\/queue\/purge$/,
      answer: async ({ request }) => json(200, { ...(await queue.purgeDead(queuesOf(request))) }),
    },
    {
      method: 'POST',
      path: /^\/v1\/outbox\/purge$/,
      answer: async () => json(200, { ...(await queue.purgePending()) }),
    },
  ]
}

function queuesOf(request: HttpRequest): Queue[] {
  const named: Json = new Fields(readJsonBody(request)).value('queues')
  const list = Array.isArray(named) ? named : []
  const known = queues.filter((queue) => list.includes(queue))
  if (known.length > 0 && known.length === list.length) return known
  throw new PerduraError('ERR_PAYLOAD_INVALID', `"queues" must list some of ${queues.join(', ')}`)
}
