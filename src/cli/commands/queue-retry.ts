import { PerduraError } from '../../errors.ts'
import type { Call } from '../call.ts'
import { askAgent } from '../control-client.ts'
import { requireAgent } from '../look.ts'
import { namedQueues, parseEntry } from '../queue-entry.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const entry = call.argument(1)
  if ((entry === '') !== call.flag('all')) {
    throw new PerduraError('ERR_USAGE', 'name one dead letter, in:<turn> or out:<message>, or give --all')
  }
  const paths = requireAgent(call, agent)
  const { output } = call
  if (entry === '') {
    const body = { queues: namedQueues(call) }
    const answer = await askAgent(call, paths, { method: 'POST', path: '/v1/queue/retry', body }, 60_000)
    const turns = Number(answer['turns'])
    const messages = Number(answer['messages'])
    output.line(`${turns} turns are back in the inbox, ${messages} messages are sent again`)
    output.document({ agent, turns, messages })
    return
  }
  const { queue, number } = parseEntry(entry)
  if (queue === 'inbox') {
    await askAgent(call, paths, { method: 'POST', path: `/v1/turns/${number}/retry`, body: {} })
    output.line(`turn ${number} is back in the inbox`)
    output.document({ agent, turn: number, retried: true })
    return
  }
  const answer = await askAgent(call, paths, {
    method: 'POST',
    path: `/v1/outbox/${number}/retry`,
    body: {},
  })
  const sequence = Number(answer['sequence'])
  const duplicate = answer['duplicate'] === true
  output.line(
    duplicate ? `out:${number} was sent again before, as out:${sequence}` : `sent again as out:${sequence}`,
  )
  output.document({ agent, message: number, sequence, duplicate })
}
