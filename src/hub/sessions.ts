import { PerduraError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Random } from '../platform/random.ts'
import type { HubReader, HubTx } from './storage.ts'

export const sessionStatuses = ['active', 'ended', 'expired'] as const

export interface SessionRow {
  readonly id: number
  readonly session_id: string
  /** Seven hexadecimal digits, at least one of them a letter, so that it is never taken for an `id`. */
  readonly session_identifier: string
  readonly ai_id: number
  readonly session_type: string
  readonly title: string | null
  readonly status: (typeof sessionStatuses)[number]
  /** JSON. */
  readonly metadata: string
  /** 1: of a session that an agent resumes; 0: a record that a client of v1 made. */
  readonly resumable: number
  readonly started_at: number
  /** When it had its last connection, or, of a record, was made. */
  readonly seen_at: number
  readonly ended_at: number | null
}

const columns =
  'id, session_id, session_identifier, ai_id, session_type, title, status, metadata, resumable, started_at, seen_at, ended_at'

/** Of 2^28 identifiers, so many draws in a row are never all taken. */
const drawsMax = 20

export async function createSession(
  tx: HubTx,
  random: Random,
  session: {
    readonly aiId: number
    readonly sessionType: string
    readonly title: string | undefined
    readonly metadata: JsonObject
    readonly resumable: boolean
  },
  now: number,
): Promise<SessionRow> {
  for (let draw = 0; draw < drawsMax; draw += 1) {
    const row = await tx.get<SessionRow>(
      `INSERT INTO sessions (session_id, session_identifier, ai_id, session_type, title, status, metadata, resumable,
         started_at, seen_at)
       VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING ${columns}`,
      random.uuid(),
      drawSessionIdentifier(random),
      session.aiId,
      session.sessionType,
      session.title ?? null,
      JSON.stringify(session.metadata),
      session.resumable ? 1 : 0,
      now,
      now,
    )
    if (row !== undefined) return row
  }
  throw new PerduraError('ERR_HUB_STORAGE', 'no free session identifier was found: try again')
}

/** By its UUID, its identifier or its number. */
export async function findSession(reader: HubReader, key: string): Promise<SessionRow | undefined> {
  return reader.get<SessionRow>(
    `SELECT ${columns} FROM sessions WHERE session_id = ? OR session_identifier = ? OR id = ?`,
    key,
    key,
    /^\d{1,15}$/.test(key) ? Number(key) : 0,
  )
}

/** Ends it; what has ended already stays as it is. */
export async function endSession(tx: HubTx, id: number, now: number): Promise<SessionRow | undefined> {
  return tx.get<SessionRow>(
    `UPDATE sessions SET status = 'ended', ended_at = coalesce(ended_at, ?) WHERE id = ? RETURNING ${columns}`,
    now,
    id,
  )
}

/** The agent's sessions, newest first, and how many there are. */
export async function listSessions(
  reader: HubReader,
  aiId: number,
  { status, resumable }: { readonly status: string | undefined; readonly resumable: boolean | undefined },
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<{ readonly rows: SessionRow[]; readonly total: number }> {
  const kind = resumable === undefined ? '' : ` AND resumable = ${resumable ? 1 : 0}`
  const where = `ai_id = ?${status === undefined ? '' : ' AND status = ?'}${kind}`
  const parameters = status === undefined ? [aiId] : [aiId, status]
  const rows = await reader.all<SessionRow>(
    `SELECT ${columns} FROM sessions WHERE ${where} ORDER BY id DESC LIMIT ? OFFSET ?`,
    ...parameters,
    limit,
    offset,
  )
  const counted = await reader.get<{ total: number }>(
    `SELECT count(*) AS total FROM sessions WHERE ${where}`,
    ...parameters,
  )
  return { rows, total: Number(counted?.total) }
}

/** Whether a text may be the identifier of a session. */
export function isSessionIdentifier(text: string): boolean {
  return /^[0-9a-f]{7}$/.test(text) && /[a-f]/.test(text)
}

/** One that may be taken already. */
export function drawSessionIdentifier(random: Random): string {
  for (;;) {
    const text = Buffer.from(random.bytes(4)).toString('hex').slice(0, 7)
    if (isSessionIdentifier(text)) return text
  }
}
