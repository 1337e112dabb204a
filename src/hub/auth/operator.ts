import { PerduraError } from '../../errors.ts'
import { findProfile, setActive } from '../profiles.ts'
import type { HubTx } from '../storage.ts'
import { revokeFamilies } from './families.ts'
import { noteLoginChange } from './login-changes.ts'

export interface Operated {
  readonly aiId: number
  /** Logins that were ended. */
  readonly ended: number
  readonly isActive: boolean
}

/**
 * What who runs a hub may do to an agent. All its logins end, on every hub of the database within seconds; with `off` it is
 * switched off as well, and nobody can log in as it, or send to it. Repeatable. ERR_NO_SUCH_PROFILE.
 */
export async function revokeAgent(
  tx: HubTx,
  name: string,
  { off, now }: { readonly off: boolean; readonly now: number },
): Promise<Operated> {
  const { id: aiId, isActive } = await find(tx, name)
  const ended = await revokeFamilies(tx, aiId, now)
  if (off && isActive) {
    await setActive(tx, aiId, false, now)
    await noteLoginChange(tx, { aiId, sid: undefined })
  }
  return { aiId, ended, isActive: isActive && !off }
}

/** Switches an agent on again. Its logins stay ended: it makes another one. */
export async function allowAgent(tx: HubTx, name: string, now: number): Promise<Operated> {
  const { id: aiId, isActive } = await find(tx, name)
  if (!isActive) {
    await setActive(tx, aiId, true, now)
    await noteLoginChange(tx, { aiId, sid: undefined })
  }
  return { aiId, ended: 0, isActive: true }
}

async function find(tx: HubTx, name: string): Promise<{ readonly id: number; readonly isActive: boolean }> {
  const profile = await findProfile(tx, { name })
  if (profile !== undefined) return profile
  throw new PerduraError(
    'ERR_NO_SUCH_PROFILE',
    `no agent at this hub has the name "${name}": perdura hub agents lists them`,
  )
}
