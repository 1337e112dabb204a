import { PerduraError } from '../errors.ts'
import { queues, type Queue } from '../queue/pauses.ts'
import type { Call } from './call.ts'

/** One entry of a queue, as it is written: `12` or `in:12` is a turn, `out:7` a message of the outbox. */
export interface QueueEntry {
  readonly queue: Queue
  readonly number: number
}

/** As it was typed; ERR_USAGE where it is none. */
export function parseEntry(text: string): QueueEntry {
  const [, way, digits = ''] = /^(in:|out:)?(\d+)$/.exec(text) ?? []
  const number = Number(digits)
  if (digits !== '' && Number.isSafeInteger(number) && number > 0) {
    return { queue: way === 'out:' ? 'outbox' : 'inbox', number }
  }
  throw new PerduraError(
    'ERR_USAGE',
    `${JSON.stringify(text)} is no entry of a queue: give in:<turn> or out:<message>, as perdura queue list shows them`,
  )
}

/** The queues that `--inbox` and `--outbox` name; both where neither is there. */
export function namedQueues(call: Call): Queue[] {
  const named = queues.filter((queue) => call.flag(queue))
  return named.length === 0 ? [...queues] : named
}
