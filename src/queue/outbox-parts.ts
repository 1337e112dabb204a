import { expireDue } from './outbox-expiry.ts'
import { nextWaiting } from './outbox-line.ts'

/** What is decided about messages that wait to be sent; a simulation can swap a part for a broken one. */
export interface OutboxParts {
  readonly nextWaiting: typeof nextWaiting
  readonly expireDue: typeof expireDue
}

export const outboxParts: OutboxParts = { nextWaiting, expireDue }
