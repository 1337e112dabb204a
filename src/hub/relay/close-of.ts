import type { PerduraError } from '../../errors.ts'
import type { CloseReason } from '../../protocol/close-codes.ts'

/** Who was refused may log in again, unless the agent itself was switched off. */
export function closeReasonOf({ code }: PerduraError): CloseReason {
  return code === 'ERR_PROFILE_INACTIVE' ? 'revoked' : 'unauthorized'
}

/** How a connection ends on which this went wrong. */
export function closeOf(error: PerduraError): { readonly reason: CloseReason; readonly text: string } {
  switch (error.code) {
    case 'ERR_FENCED':
      return { reason: 'fenced', text: `the generation is ${error.details['generation']}` }
    case 'ERR_SESSION_ENDED':
      return { reason: 'ended', text: 'its owner has ended it' }
    case 'ERR_HUB_STORAGE':
      return { reason: 'unavailable', text: 'the hub cannot write now' }
    default:
      return { reason: closeReasonOf(error), text: error.code }
  }
}
