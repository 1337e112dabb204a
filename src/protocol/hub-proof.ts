import { createHmac } from 'node:crypto'

/**
 * What a hub answers an agent that is about to send it a refresh token: proof that it knows the token already. Only its
 * bearer and the hub can compute the signature that it ends with, so the agent sends the rest of the token and a nonce, and
 * sees whether the answer was made with that. `hubId` is in it so that no hub can be asked in another's name.
 *
 * Whoever passes everything on between the two passes this on too: against them only TLS helps.
 */
export function hubProof(signature: string, hubId: string, nonce: string): string {
  return createHmac('sha256', signature).update(`perdura-hub:${hubId}:${nonce}`).digest('base64url')
}
