import { listQueue } from '../../runtime/queries.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent } from '../look.ts'
import { excerpt, formatTime } from '../output.ts'
import { turnTable } from '../turn-table.ts'

export function run(call: Call): undefined {
  const agent = call.argument(0)
  const limit = call.count('limit', 20, 10_000, 1)
  const paths = requireAgent(call, agent)
  const queue = readAgent(call, paths, (store) => listQueue(store.reader, limit))
  const { output } = call
  const title = (text: string): void => output.line(output.paint('bold', text))

  title(queue.inbox.length === 0 ? 'inbox: empty' : 'inbox')
  if (queue.inbox.length > 0) turnTable(output, queue.inbox, Date.now())
  title(queue.outbox.length === 0 ? 'outbox: empty' : 'outbox')
  if (queue.outbox.length > 0) {
    output.table(
      ['message', 'turn', 'to', 'since', 'hub', 'attempts', 'text'],
      queue.outbox.map((message) => [
        String(message.sequence),
        message.turn === 0 ? '–' : String(message.turn),
        message.to,
        formatTime(message.createdAt, Date.now()),
        hubWord(message.seq),
        String(message.attempts),
        excerpt(message.text, 60) + (message.error === null ? '' : ` (${message.error})`),
      ]),
    )
  }
  title(queue.deadLetters.length === 0 ? 'dead letters: none' : 'dead letters')
  if (queue.deadLetters.length > 0) turnTable(output, queue.deadLetters, Date.now())
  output.document({ agent, ...queue })
}

/** The message's number towards the hub, under which it waits for a verdict. */
function hubWord(seq: number | null): string {
  return seq === null ? '–' : `number ${seq}`
}
