import type { Random } from '../platform/random.ts'
import { drawSessionIdentifier, isSessionIdentifier } from './sessions.ts'
import type { HubTx } from './storage.ts'

/** How long a session is kept after its last connection. */
export const sessionTtlMs = 30 * 86_400_000

/** Sessions of one agent that are kept when they are over, for whoever looks back: an agent may come with ever new names. */
const overMax = 100

export interface AdoptedSession {
  readonly sessionId: string
  readonly sessionIdentifier: string
  /** `unknown`: the identifier that was asked for belongs to somebody else, or has been ended. */
  readonly outcome: 'kept' | 'new' | 'unknown' | 'expired'
}

interface SessionRow {
  readonly session_id: string
  readonly session_identifier: string
  readonly ai_id: number
  readonly status: string
  readonly seen_at: number
}

/**
 * Finds the session that an agent asks for, or makes one. A hub that has been put back to a time before the session makes
 * it again under the same identifier: who proves to be the agent may have it.
 */
export async function adoptSession(
  tx: HubTx,
  options: {
    readonly aiId: number
    readonly wanted: string | undefined
    readonly now: number
    readonly random: Random
  },
): Promise<AdoptedSession> {
  const { aiId, now, random } = options
  // What no hub can have given: it would be taken for the number of a session, or is made up.
  const wanted =
    options.wanted !== undefined && isSessionIdentifier(options.wanted) ? options.wanted : undefined
  const sql = 'SELECT session_id, session_identifier, ai_id, status, seen_at FROM sessions WHERE'
  const own = await tx.get<SessionRow>(`${sql} ai_id = ? AND resumable = 1 AND status = 'active'`, aiId)
  const row =
    wanted === undefined || own?.session_identifier === wanted
      ? own
      : await tx.get<SessionRow>(`${sql} session_identifier = ?`, wanted)
  const isOwn = row !== undefined && row.ai_id === aiId && row.status === 'active'
  if (isOwn && now - row.seen_at <= sessionTtlMs) {
    await tx.run(
      'UPDATE sessions SET seen_at = ? WHERE session_id = ?',
      Math.max(now, row.seen_at),
      row.session_id,
    )
    return { sessionId: row.session_id, sessionIdentifier: row.session_identifier, outcome: 'kept' }
  }
  if (own !== undefined) {
    const status = now - own.seen_at > sessionTtlMs ? 'expired' : 'ended'
    await tx.run(
      'UPDATE sessions SET status = ?, ended_at = ? WHERE session_id = ?',
      status,
      now,
      own.session_id,
    )
  }
  const free = wanted !== undefined && row === undefined ? wanted : undefined
  const sessionId = random.uuid()
  const sessionIdentifier = free ?? (await drawIdentifier(tx, random))
  await tx.run(
    `INSERT INTO sessions (session_id, session_identifier, ai_id, session_type, title, status, metadata, resumable,
       started_at, seen_at)
     VALUES (?, ?, ?, 'agent', NULL, 'active', '{}', 1, ?, ?)`,
    sessionId,
    sessionIdentifier,
    aiId,
    now,
    now,
  )
  await tx.run(
    `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ai_id = ? AND resumable = 1
       AND status <> 'active' ORDER BY id DESC LIMIT 1000 OFFSET ?)`,
    aiId,
    overMax,
  )
  if (free !== undefined || wanted === undefined) {
    return { sessionId, sessionIdentifier, outcome: free === undefined ? 'new' : 'kept' }
  }
  return { sessionId, sessionIdentifier, outcome: isOwn || row?.status === 'expired' ? 'expired' : 'unknown' }
}

/** One that no session has. */
async function drawIdentifier(tx: HubTx, random: Random): Promise<string> {
  for (;;) {
    const identifier = drawSessionIdentifier(random)
    const taken = await tx.get('SELECT 1 FROM sessions WHERE session_identifier = ?', identifier)
    if (taken === undefined) return identifier
  }
}
