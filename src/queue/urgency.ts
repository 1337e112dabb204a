import { parseDuration } from '../duration.ts'
import { PerduraError } from '../errors.ts'
import type { NewOutgoing } from './outbox.ts'
import { isPriority, priorities } from './priority.ts'

/** Priority and time to live as a sender gives them: ERR_PAYLOAD_INVALID or ERR_DURATION where they are none. */
export function checkUrgency(options: {
  readonly priority?: unknown
  readonly ttl?: string | number
}): Pick<NewOutgoing, 'priority' | 'ttlMs'> {
  const { priority, ttl } = options
  if (priority !== undefined && !isPriority(priority)) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', `a priority is one of ${priorities.join(', ')}`)
  }
  const ttlMs = ttl === undefined ? undefined : parseDuration(ttl)
  if (ttlMs !== undefined && (ttlMs < 1 || ttlMs > ttlMaxMs)) {
    throw new PerduraError('ERR_DURATION', 'a message is good for 1ms to 3650d')
  }
  return { ...(priority !== undefined && { priority }), ...(ttlMs !== undefined && { ttlMs }) }
}

const ttlMaxMs = 3_650 * 86_400_000
