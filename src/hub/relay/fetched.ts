import { lifetimeReason, type Page } from '../streams.ts'
import type { Relay } from './relay.ts'

/**
 * The page as it may be sent: what its senders say is good for a while only is noted to be fetched first, so that nobody is
 * told later that it was not, and where it is too late for that, there is a gap.
 */
export async function fetched(relay: Relay, aiId: number, page: Page): Promise<Page> {
  const { storage, parts } = relay
  const passing = page.items.flatMap((item) =>
    item.kind === 'message' && item.expiresAt !== undefined ? item.position : [],
  )
  if (passing.length === 0) return page
  const over = await storage.write((tx) => parts.fetchEntries(tx, aiId, passing, relay.dueBy()))
  return {
    ...page,
    items: page.items.map((item) => {
      if (item.kind === 'gap' || !over.has(item.position)) return item
      const { position, mark } = item
      return { kind: 'gap', from: position, to: position, lastId: mark, reason: lifetimeReason }
    }),
  }
}
