import { PerduraError } from '../../errors.ts'
import { findOutgoing } from '../../runtime/turn-queries.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent } from '../look.ts'
import { formatTime, printable } from '../output.ts'
import { expiryWord, standingWord } from '../outgoing-table.ts'
import { parseEntry } from '../queue-entry.ts'

export async function run(call: Call): Promise<undefined> {
  const agent = call.argument(0)
  const { queue, number } = parseEntry(call.argument(1))
  const paths = requireAgent(call, agent)
  if (queue === 'inbox') {
    const { showOne } = await import('./turn-show.ts')
    return showOne(call, agent, paths, number)
  }
  const message = readAgent(call, paths, (store) => findOutgoing(store.reader, number))
  if (message === undefined) {
    throw new PerduraError(
      'ERR_NO_SUCH_MESSAGE',
      `${agent} has no message out:${number} on record: see perdura queue list ${agent}`,
    )
  }
  const { output } = call
  const now = Date.now()
  const line = (title: string, text: string): void =>
    output.line(`${output.paint('dim', title.padEnd(13))} ${text}`)
  output.line(`${output.paint('bold', `out:${number}`)}  ${standingWord(message)}`)
  line('to', message.to)
  line('conversation', message.conversation)
  line('id', message.id)
  if (message.turn > 0) line('turn', String(message.turn))
  line('since', formatTime(message.createdAt, now))
  line('priority', message.priority)
  line('expires', expiryWord(message, now))
  line('attempts', String(message.attempts))
  if (message.settledAt !== null) line('settled', formatTime(message.settledAt, now))
  if (message.error !== null) line('reason', message.error)
  if (message.retryOf !== null) line('again for', `out:${message.retryOf}`)
  output.line(printable(message.text))
  output.document({ agent, message })
}
