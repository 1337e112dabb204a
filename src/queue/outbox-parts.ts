import { expireDue } from './outbox-expiry.ts'
import { resent } from './outbox-letters.ts'
import { nextWaiting } from './outbox-line.ts'

/** What is decided about messages that wait to be sent; a simulation can swap a part for a broken one. */
export interface OutboxParts {
  readonly nextWaiting: typeof nextWaiting
  readonly expireDue: typeof expireDue
  readonly resent: typeof resent
}

export const outboxParts: OutboxParts = { nextWaiting, expireDue, resent }
