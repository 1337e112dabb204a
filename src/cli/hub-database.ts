import { PerduraError } from '../errors.ts'
import { openReader } from '../store/sqlite/files.ts'
import type { Call } from './call.ts'
import { hubPaths } from './hub-record.ts'

/** An agent as the hub of this home knows it. */
export interface KnownAgent {
  readonly name: string
  readonly id: number
  readonly active: boolean
  /** Wall-clock ms; null for one that has never been there. */
  readonly seenAt: number | null
  /** Messages that it has not said it has on its disk. */
  readonly waiting: number
  readonly waitingBytes: number
  readonly session: string | null
  readonly generation: number | null
  /** When and why its last connection ended, wall-clock ms; null while it has one, as far as the hub knows. */
  readonly leftAt: number | null
  readonly leftReason: string | null
}

/** From the hub's database, which is not changed by it; undefined where there has been no hub. */
export function knownAgents(call: Call): KnownAgent[] | undefined {
  const { database: path } = hubPaths(call.home)
  if (!call.disk.exists(path)) return undefined
  try {
    const database = openReader(path)
    try {
      const left = database.prepare("SELECT 1 FROM pragma_table_info('holders') WHERE name = 'left_at'").get()
      const rows = database.prepare(sqlOf(left !== undefined)).all() as unknown as AgentRow[]
      return rows.map((row) => ({
        name: row.name,
        id: row.id,
        active: row.is_active === 1,
        seenAt: row.seen_at,
        waiting: row.waiting_count ?? 0,
        waitingBytes: row.waiting_bytes ?? 0,
        session: row.session_identifier,
        generation: row.generation,
        leftAt: row.left_at,
        leftReason: row.left_reason,
      }))
    } finally {
      database.close()
    }
  } catch (cause) {
    throw new PerduraError(
      'ERR_HUB_STORAGE',
      `${path} cannot be read (${(cause as Error).message}): start the hub, or look at its log`,
      { cause },
    )
  }
}

/** A database that no hub of this version has brought up to date does not tell who has left. */
const sqlOf = (tellsLeft: boolean): string => `
  SELECT p.id, p.name, p.is_active, p.seen_at, s.waiting_count, s.waiting_bytes, h.generation,
    ${tellsLeft ? 'h.left_at, h.left_reason' : 'NULL AS left_at, NULL AS left_reason'},
    (SELECT session_identifier FROM sessions WHERE sessions.ai_id = p.id AND status = 'active'
     ORDER BY sessions.id DESC LIMIT 1) AS session_identifier
  FROM profiles p LEFT JOIN streams s ON s.ai_id = p.id LEFT JOIN holders h ON h.ai_id = p.id ORDER BY p.name`

interface AgentRow {
  readonly id: number
  readonly name: string
  readonly is_active: number
  readonly seen_at: number | null
  readonly waiting_count: number | null
  readonly waiting_bytes: number | null
  readonly generation: number | null
  readonly session_identifier: string | null
  readonly left_at: number | null
  readonly left_reason: string | null
}
