import { PerduraError } from '../../errors.ts'
import type { Random } from '../../platform/random.ts'
import type { HubReader, HubTx } from '../storage.ts'
import { noteLoginChange } from './login-changes.ts'

/** A login and all tokens that come of it by refreshing. */
export interface Family {
  readonly sid: string
  readonly aiId: number
  readonly nickname: string
  readonly generation: number | undefined
  /** The refresh token that is live now. */
  readonly leaf: string
  /** The one before. */
  readonly previous: string | undefined
  /** When the leaf was made. */
  readonly rotatedAt: number
  /** When the leaf expires, and with it the family. */
  readonly expiresAt: number
  /** How often a leaf has taken the place of another. */
  readonly rotations: number
  /** What the leaf was asked for with: the agent's own note of that one exchange. */
  readonly intent: string | undefined
}

interface FamilyRow {
  readonly sid: string
  readonly ai_id: number
  readonly nickname: string
  readonly generation: number | null
  readonly leaf: string
  readonly previous: string | null
  readonly rotated_at: number
  readonly expires_at: number
  readonly revoked_at: number | null
  readonly rotations: number
  readonly intent: string | null
}

const columns =
  'sid, ai_id, nickname, generation, leaf, previous, rotated_at, expires_at, revoked_at, rotations, intent'

/** An agent that got no answer to its refresh may ask again for so long, and gets the same successor (FAPI 2.0 6.1). */
export const graceMs = 30_000

/** Logins of one agent that are kept at a time; one more ends the oldest. */
const familiesMax = 100

export async function openFamily(
  tx: HubTx,
  random: Random,
  login: { readonly aiId: number; readonly nickname: string; readonly generation: number | undefined },
  { now, expiresAt }: { readonly now: number; readonly expiresAt: number },
): Promise<Family> {
  const sid = random.uuid()
  const leaf = random.uuid()
  await tx.run(
    `INSERT INTO token_families (sid, ai_id, nickname, generation, leaf, rotated_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    sid,
    login.aiId,
    login.nickname,
    login.generation ?? null,
    leaf,
    now,
    expiresAt,
  )
  const ended = await tx.all<{ sid: string }>(
    `DELETE FROM token_families WHERE sid IN (SELECT sid FROM token_families WHERE ai_id = ? AND sid <> ?
       ORDER BY rotated_at DESC, sid LIMIT 1000 OFFSET ?) RETURNING sid`,
    login.aiId,
    sid,
    familiesMax - 1,
  )
  for (const over of ended) await noteLoginChange(tx, { aiId: login.aiId, sid: over.sid })
  return {
    ...login,
    sid,
    leaf,
    previous: undefined,
    rotatedAt: now,
    expiresAt,
    rotations: 0,
    intent: undefined,
  }
}

/** Throws ERR_TOKEN_REVOKED where it was revoked, or is not known, as after a restore of the hub. */
export async function readFamily(reader: HubReader, sid: string, aiId: number): Promise<Family> {
  const row = await reader.get<FamilyRow>(
    `SELECT ${columns} FROM token_families WHERE sid = ? AND ai_id = ?`,
    sid,
    aiId,
  )
  if (row === undefined || row.revoked_at !== null) throw revoked()
  return {
    sid,
    aiId,
    nickname: row.nickname,
    generation: row.generation ?? undefined,
    leaf: row.leaf,
    previous: row.previous ?? undefined,
    rotatedAt: row.rotated_at,
    expiresAt: row.expires_at,
    rotations: row.rotations,
    intent: row.intent ?? undefined,
  }
}

/** A refresh token that has come, and what it was sent with. */
export interface Presented {
  readonly jti: string
  readonly rotation: number | undefined
  readonly intent: string | undefined
}

export type Standing =
  /** The live one. */
  | 'leaf'
  /** The one before, within the grace: it gets the same successor. */
  | 'previous'
  /** The one before, and it is too late, or nobody can tell; refused, and no reason for alarm. */
  | 'late'
  /** Made after everything that this hub knows of the login: the hub was put back. Refused likewise. */
  | 'unknown'
  /** An old one that comes again has been stolen, here or before. */
  | 'replayed'

/**
 * Which refresh token of the family this is. A request can be held up on its way for longer than the grace, and clocks
 * jump and differ between hubs; so what comes with the very note that its exchange was asked for with is a repeat of that,
 * whenever it comes. It gets nothing then, and costs nobody anything.
 */
export function standing(family: Family, { jti, rotation, intent }: Presented, now: number): Standing {
  if (jti === family.leaf) return 'leaf'
  if (rotation !== undefined && rotation >= family.rotations) return 'unknown'
  if (jti !== family.previous) return 'replayed'
  const ageMs = now - family.rotatedAt
  if (Math.abs(ageMs) <= graceMs) return 'previous'
  return ageMs < 0 || (intent !== undefined && intent === family.intent) ? 'late' : 'replayed'
}

/** Puts a new leaf in the place of the live one, which must still be it where another hub writes at the same time. */
export async function rotateFamily(
  tx: HubTx,
  random: Random,
  family: Family,
  {
    now,
    expiresAt,
    intent,
  }: { readonly now: number; readonly expiresAt: number; readonly intent: string | undefined },
): Promise<Family> {
  const leaf = random.uuid()
  const { changes } = await tx.run(
    `UPDATE token_families SET leaf = ?, previous = ?, rotated_at = ?, expires_at = ?, rotations = rotations + 1,
       intent = ?
     WHERE sid = ? AND leaf = ? AND revoked_at IS NULL`,
    leaf,
    family.leaf,
    now,
    expiresAt,
    intent ?? null,
    family.sid,
    family.leaf,
  )
  if (changes === 0) {
    throw new PerduraError('ERR_HUB_STORAGE', 'the token has just been used elsewhere: try again')
  }
  const { rotations } = family
  return {
    ...family,
    leaf,
    previous: family.leaf,
    rotatedAt: now,
    expiresAt,
    rotations: rotations + 1,
    intent,
  }
}

/**
 * From now on no token of it is good; the row stays until the last of them would have expired. With `isReplayed`, because an
 * old token of it was used again: the agent is told of that at its next login.
 */
export async function revokeFamily(
  tx: HubTx,
  sid: string,
  now: number,
  { isReplayed = false }: { readonly isReplayed?: boolean } = {},
): Promise<void> {
  const row = await tx.get<{ ai_id: number }>(
    `UPDATE token_families SET revoked_at = ?, replayed_at = ? WHERE sid = ? AND revoked_at IS NULL
     RETURNING ai_id`,
    now,
    isReplayed ? now : null,
    sid,
  )
  if (row !== undefined) await noteLoginChange(tx, { aiId: row.ai_id, sid })
}

/**
 * Revokes every login of an agent, or all but one; returns how many there were. Those that have run out are not counted, and
 * revoked all the same: by a clock that is ahead they only seem to have, and once it is put right they would be good again.
 */
export async function revokeFamilies(tx: HubTx, aiId: number, now: number, except = ''): Promise<number> {
  const ended = await tx.all<{ sid: string; expires_at: number }>(
    `UPDATE token_families SET revoked_at = ?
     WHERE ai_id = ? AND sid <> ? AND revoked_at IS NULL RETURNING sid, expires_at`,
    now,
    aiId,
    except,
  )
  for (const { sid } of ended) await noteLoginChange(tx, { aiId, sid })
  return ended.filter(({ expires_at: expiresAt }) => expiresAt > now).length
}

/** A login that was ended because an old token of it came again. */
export interface ReplayedLogin {
  readonly sid: string
  /** Wall-clock ms. */
  readonly replayedAt: number
}

/** What an agent is told at its login, the newest first; as long as the rows are kept, since an answer can be lost. */
export function replayedLogins(reader: HubReader, aiId: number): Promise<ReplayedLogin[]> {
  return reader.all<ReplayedLogin>(
    `SELECT sid, replayed_at AS "replayedAt" FROM token_families WHERE ai_id = ? AND replayed_at IS NOT NULL
     ORDER BY replayed_at DESC LIMIT 10`,
    aiId,
  )
}

export async function sweepFamilies(tx: HubTx, now: number, limit: number): Promise<number> {
  const { changes } = await tx.run(
    `DELETE FROM token_families
     WHERE sid IN (SELECT sid FROM token_families WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`,
    now,
    limit,
  )
  return changes
}

export function revoked(): PerduraError {
  return new PerduraError(
    'ERR_TOKEN_REVOKED',
    'the token has been revoked, or the hub has lost it: log in again',
  )
}
