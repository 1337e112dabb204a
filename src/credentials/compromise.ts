import type { Grant } from './auth-client.ts'
import type { CredentialFile } from './credential-file.ts'

/** An old token of the agent was used again, so somebody has it who should not; its hub has told. */
export interface Compromise {
  /** Logins that the hub has ended for it. */
  readonly logins: number
  /** How long ago the latest was, ms. */
  readonly agoMs: number
}

/** What the hub tells that the agent has not heard before: it tells it at every login, since an answer can be lost. */
export function newsOf(
  file: CredentialFile,
  hub: string,
  replayed: Grant['replayed'],
): { readonly logins: readonly string[]; readonly compromise: Compromise } | undefined {
  const unheard = file.unheard(
    hub,
    replayed.map(({ login }) => login),
  )
  if (unheard.length === 0) return undefined
  const ages = replayed.filter(({ login }) => unheard.includes(login)).map(({ ago_s: agoS }) => agoS)
  return { logins: unheard, compromise: { logins: unheard.length, agoMs: Math.min(...ages) * 1_000 } }
}
