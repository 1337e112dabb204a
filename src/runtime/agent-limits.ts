import { PerduraError } from '../errors.ts'

export interface AgentLimits {
  /** Entries in the inbox that are not finished, and their bytes. Default 10,000 and 64 MiB. */
  readonly inboxMax: number
  readonly inboxBytesMax: number
  /** Messages to other agents that are not delivered, and their bytes. Default 10,000 and 64 MiB. */
  readonly outboxMax: number
  readonly outboxBytesMax: number
  /** How long such a message waits at most to be sent, ms: then it expires. Default 30 days. */
  readonly outboxAgeMaxMs: number
  /** Unread messages for the person at the terminal: the oldest expire, visibly. Default 1,000. */
  readonly mailboxMax: number
  /** Bytes of one payload as JSON. Default 1 MiB. */
  readonly payloadBytesMax: number
}

const defaultLimits: AgentLimits = {
  inboxMax: 10_000,
  inboxBytesMax: 67_108_864,
  outboxMax: 10_000,
  outboxBytesMax: 67_108_864,
  outboxAgeMaxMs: 30 * 86_400_000,
  mailboxMax: 1_000,
  payloadBytesMax: 1_048_576,
}

/** The limits, with the defaults of those that were not given; ERR_USAGE names the one that is wrong. */
export function checkAgentLimits(given: Partial<AgentLimits>): AgentLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in defaultLimits)) {
      const known = Object.keys(defaultLimits).join(', ')
      throw new PerduraError('ERR_USAGE', `limits.${name}: there is no such limit; there are ${known}`)
    }
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new PerduraError('ERR_USAGE', `limits.${name}: must be a whole number from 1`)
    }
  }
  return { ...defaultLimits, ...given }
}
