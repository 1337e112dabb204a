import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'
import { namedQueues } from '../queue-entry.ts'

/** A purge of a full queue takes seconds. */
const timeoutMs = 60_000

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const paths = requireAgent(call, agent)
  const { output } = call
  if (!call.flag('pending')) {
    const body = { queues: namedQueues(call) }
    const answer = await askAgent(call, paths, { method: 'POST', path: '/v1/queue/purge', body }, timeoutMs)
    const turns = Number(answer['turns'])
    const messages = Number(answer['messages'])
    output.line(`${turns} dead letters of the inbox and ${messages} of the outbox are gone`)
    output.document({ agent, turns, messages })
    return
  }
  if (call.flag('inbox')) {
    throw new PerduraError(
      'ERR_USAGE',
      'what waits in the inbox was acknowledged to its senders, and is not purged: --pending is for the outbox',
    )
  }
  if (!call.flag('yes')) {
    throw new PerduraError(
      'ERR_USAGE',
      `what waits in the outbox of ${agent} would never be sent: if that is what you want, say so with --yes`,
    )
  }
  const answer = await askAgent(
    call,
    paths,
    { method: 'POST', path: '/v1/outbox/purge', body: {} },
    timeoutMs,
  )
  const messages = Number(answer['messages'])
  const underWay = Number(answer['underWay'])
  output.line(`${messages} messages have expired without being sent`)
  if (underWay > 0) {
    output.note(`${underWay} are under way and may have arrived: nobody can take them back, and they go on`)
  }
  output.document({ agent, messages, underWay })
}
