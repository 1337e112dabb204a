import type { Compromise } from '../../credentials/compromise.ts'
import type { TokenStatus } from '../../credentials/token-status.ts'

/** What an owner does with the tokens and the key of an agent at its hub. */
export interface HubTokens {
  /** As it is on disk. */
  status(): TokenStatus
  /** With `fresh`, the hub is asked for the next tokens now. */
  access(options: { readonly fresh: boolean }): Promise<unknown>
  /** Another key, of which the hub is told. */
  rotateKey(): Promise<void>
  /** Ends the login, or all of the agent's, at the hub; resolves to how many. */
  revoke(options: { readonly all: boolean }): Promise<number>
  onCompromised(listener: (compromise: Compromise) => void): void
}
