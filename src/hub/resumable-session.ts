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
  /**
   * What became of the session that was asked for: `ended` by its owner, `expired` because it had no connection for too
   * long, `unknown` where the identifier is somebody else's.
   */
  readonly outcome: 'kept' | 'new' | 'unknown' | 'ended' | 'expired'
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
  const kept = (session: SessionRow, outcome: AdoptedSession['outcome']): AdoptedSession => ({
    sessionId: session.session_id,
    sessionIdentifier: session.session_identifier,
    outcome,
  })
  const isAlive = own !== undefined && now - own.seen_at <= sessionTtlMs
  // Whoever asks for one that is over, or for somebody else's, gets the one that it has.
  if (isAlive && (row !== undefined || wanted === undefined)) {
    await touchSession(tx, own.session_id, now)
    return kept(own, outcomeOf(row, own))
  }
  if (own !== undefined) {
    await tx.run(
      'UPDATE sessions SET status = ?, ended_at = ? WHERE session_id = ?',
      isAlive ? 'ended' : 'expired',
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
  if (wanted === undefined) return { sessionId, sessionIdentifier, outcome: 'new' }
  return { sessionId, sessionIdentifier, outcome: free === undefined ? outcomeOf(row, own) : 'kept' }

  function outcomeOf(
    asked: SessionRow | undefined,
    active: SessionRow | undefined,
  ): AdoptedSession['outcome'] {
    if (asked === undefined) return 'kept'
    if (asked.ai_id !== aiId) return 'unknown'
    if (asked.status === 'ended') return 'ended'
    if (asked.status === 'expired') return 'expired'
    // A record that a v1 client made is no session to resume.
    if (asked !== active) return 'unknown'
    return isAlive ? 'kept' : 'expired'
  }
}

/** There is, or was just now, a connection of it. A clock that was set back shortens nobody's time. */
export async function touchSession(tx: HubTx, sessionId: string, now: number): Promise<void> {
  await tx.run('UPDATE sessions SET seen_at = ? WHERE session_id = ? AND seen_at < ?', now, sessionId, now)
}

/** Marks as expired what has had no connection for too long; returns how many. */
export async function sweepSessions(
  tx: HubTx,
  { now, countMax }: { readonly now: number; readonly countMax: number },
): Promise<number> {
  const due = await tx.all<{ id: number }>(
    `SELECT id FROM sessions WHERE resumable = 1 AND status = 'active' AND seen_at < ? LIMIT ?`,
    now - sessionTtlMs,
    countMax,
  )
  for (const { id } of due) {
    await tx.run("UPDATE sessions SET status = 'expired', ended_at = ? WHERE id = ?", now, id)
  }
  return due.length
}

/** One that no session has. */
async function drawIdentifier(tx: HubTx, random: Random): Promise<string> {
  for (;;) {
    const identifier = drawSessionIdentifier(random)
    const taken = await tx.get('SELECT 1 FROM sessions WHERE session_identifier = ?', identifier)
    if (taken === undefined) return identifier
  }
}
