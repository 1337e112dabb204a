import { revokeAgent } from '../../../src/hub/auth/operator.ts'
import type { HubMachine } from './machines.ts'

/** What a hub is told by who runs it, besides how to start. */

/** Three agents are a crowd here. */
export const tightAdmission = {
  resumes: { perSecond: 0.5, burst: 1 },
  newSessions: { perSecond: 0.5, burst: 1 },
  logins: { perSecond: 0.5, burst: 1 },
  underWayMax: 4,
}

/** Ends all logins of an agent: which they were, once it is on disk. */
export async function revokeLogins(machine: HubMachine, name: string): Promise<string[]> {
  const { hub, storage, around } = machine
  if (hub === undefined || storage === undefined || !machine.alive) return []
  return storage.write(async (tx) => {
    const live = await tx.all<{ sid: string }>(
      `SELECT sid FROM token_families JOIN profiles ON id = ai_id
       WHERE name = ? AND credential_kind = 'key' AND revoked_at IS NULL`,
      name,
    )
    if (live.length > 0) await revokeAgent(tx, name, { off: false, now: around.clock.now() })
    return live.map(({ sid }) => sid)
  })
}
