import { formatDuration } from '../../duration.ts'
import { queues } from '../../queue/pauses.ts'
import { listQueue } from '../../runtime/queue-queries.ts'
import type { Call } from '../call.ts'
import { readAgent } from '../database.ts'
import { requireAgent } from '../look.ts'
import { outgoingTable } from '../outgoing-table.ts'
import { namedQueues } from '../queue-entry.ts'
import { turnTable } from '../turn-table.ts'

export function run(call: Call): undefined {
  const agent = call.argument(0)
  const filter = {
    queues: namedQueues(call),
    deadOnly: call.flag('dead'),
    limit: call.count('limit', 20, 10_000, 1),
  }
  const paths = requireAgent(call, agent)
  const queue = readAgent(call, paths, (store) => listQueue(store.reader, filter))
  const { output } = call
  const now = Date.now()
  const section = (title: string, none: string, count: number, table: () => void): void => {
    output.line(output.paint('bold', count === 0 ? `${title}: ${none}` : title))
    if (count > 0) table()
  }
  for (const name of queues) {
    const since = queue.paused[name]
    if (since === null) continue
    const lasted = formatDuration(Math.max(0, now - since))
    output.line(output.paint('yellow', `the ${name} has been paused for ${lasted}`))
  }
  const shows = (name: (typeof queues)[number]): boolean => filter.queues.includes(name)
  if (shows('inbox') && !filter.deadOnly) {
    section('inbox', 'empty', queue.inbox.length, () => turnTable(output, queue.inbox, now))
  }
  if (shows('outbox') && !filter.deadOnly) {
    section('outbox', 'empty', queue.outbox.length, () => outgoingTable(output, queue.outbox, now))
  }
  if (shows('inbox')) {
    section('dead letters', 'none', queue.deadLetters.length, () => turnTable(output, queue.deadLetters, now))
  }
  if (shows('outbox')) {
    section('dead messages', 'none', queue.deadMessages.length, () =>
      outgoingTable(output, queue.deadMessages, now),
    )
  }
  output.document({ agent, ...queue })
}
