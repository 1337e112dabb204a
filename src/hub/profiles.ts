import type { Random } from '../platform/random.ts'
import { isProfileName } from '../protocol/rest.ts'
import type { HubReader, HubTx } from './storage.ts'

/** How the owner of a profile proves to be it; without one, only open login lets anybody act as it. */
export type Credential =
  | { readonly kind: 'none' }
  /** SHA-256 of a secret, in hex. */
  | { readonly kind: 'secret'; readonly value: string }
  /** Ed25519 public key: 32 bytes, in base64url. */
  | { readonly kind: 'key'; readonly value: string }

export interface ProfileFields {
  readonly name: string
  readonly nickname: string
  readonly expertise: string
  readonly version: string
  readonly project: string
}

export interface Profile extends ProfileFields {
  readonly id: number
  readonly credential: Credential
  readonly isActive: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

interface ProfileRow extends ProfileFields {
  readonly id: number
  readonly credential_kind: Credential['kind']
  readonly credential: string | null
  readonly is_active: number
  readonly created_at: number
  readonly updated_at: number
}

const columns =
  'id, name, nickname, expertise, version, project, credential_kind, credential, is_active, created_at, updated_at'

/** Names that are expected at one time; a fleet that is larger comes back by registering. */
const expectedMax = 1_000

/** One that is only expected is nobody yet. */
const isSomebody = "credential_kind <> 'expected'"

/** What a profile has that was created by a login alone, as in v1. */
export const profileDefaults = { expertise: 'General', version: '1.0.0', project: 'default' } as const

/**
 * Creates a profile with its stream and its numbering, both empty and new; undefined where the name is taken. The
 * lineages are drawn, so that an agent that comes back to a hub which has lost it can tell.
 */
export async function createProfile(
  tx: HubTx,
  random: Random,
  { name, nickname, expertise, version, project }: ProfileFields,
  credential: Credential,
  now: number,
): Promise<Profile | undefined> {
  const row = await tx.get<ProfileRow>(
    `INSERT INTO profiles (name, nickname, expertise, version, project, credential_kind, credential, is_active,
       created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
     ON CONFLICT (name) DO UPDATE SET nickname = excluded.nickname, expertise = excluded.expertise,
       version = excluded.version, project = excluded.project, credential_kind = excluded.credential_kind,
       credential = excluded.credential, updated_at = excluded.updated_at
     WHERE profiles.credential_kind = 'expected' RETURNING ${columns}`,
    name,
    nickname,
    expertise,
    version,
    project,
    credential.kind,
    credential.kind === 'none' ? null : credential.value,
    now,
    now,
  )
  if (row === undefined) return undefined
  await createLineages(tx, random, row.id)
  return profileOf(row)
}

/**
 * Makes sure that there is somebody of that name to send to, for a hub that was put back to before they registered: what
 * is sent to them waits, and whoever registers first under the name has it.
 */
export async function expectProfile(tx: HubTx, random: Random, name: string, now: number): Promise<void> {
  const expected = await tx.get<{ count: number }>(
    "SELECT count(*) AS count FROM profiles WHERE credential_kind = 'expected'",
  )
  if ((expected?.count ?? 0) >= expectedMax || !isProfileName(name)) return
  const { expertise, version, project } = profileDefaults
  const row = await tx.get<{ id: number }>(
    `INSERT INTO profiles (name, nickname, expertise, version, project, credential_kind, credential, is_active,
       created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, 'expected', NULL, 1, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING id`,
    name,
    name,
    expertise,
    version,
    project,
    now,
    now,
  )
  if (row !== undefined) await createLineages(tx, random, row.id)
}

async function createLineages(tx: HubTx, random: Random, aiId: number): Promise<void> {
  await tx.run(
    `INSERT INTO streams (ai_id, epoch, floor, acked, top, waiting_count, waiting_bytes)
     VALUES (?, ?, 0, 0, 0, 0, 0) ON CONFLICT (ai_id) DO NOTHING`,
    aiId,
    random.uuid(),
  )
  await tx.run(
    'INSERT INTO producers (ai_id, epoch, verdict_seq) VALUES (?, ?, 0) ON CONFLICT (ai_id) DO NOTHING',
    aiId,
    random.uuid(),
  )
}

export async function findProfile(
  reader: HubReader,
  by: { readonly id: number } | { readonly name: string },
): Promise<Profile | undefined> {
  const row =
    'id' in by
      ? await reader.get<ProfileRow>(`SELECT ${columns} FROM profiles WHERE id = ? AND ${isSomebody}`, by.id)
      : await reader.get<ProfileRow>(
          `SELECT ${columns} FROM profiles WHERE name = ? AND ${isSomebody}`,
          by.name,
        )
  return row === undefined ? undefined : profileOf(row)
}

/** Sets the fields that are given. */
export async function updateProfile(
  tx: HubTx,
  id: number,
  changes: Partial<Omit<ProfileFields, 'name'>>,
  now: number,
): Promise<Profile | undefined> {
  const row = await tx.get<ProfileRow>(
    `UPDATE profiles SET nickname = coalesce(?, nickname), expertise = coalesce(?, expertise),
       version = coalesce(?, version), project = coalesce(?, project), updated_at = ?
     WHERE id = ? RETURNING ${columns}`,
    changes.nickname ?? null,
    changes.expertise ?? null,
    changes.version ?? null,
    changes.project ?? null,
    now,
    id,
  )
  return row === undefined ? undefined : profileOf(row)
}

/** Another public key proves from now on that somebody is this agent. */
export async function setKey(tx: HubTx, id: number, publicKey: string, now: number): Promise<void> {
  await tx.run(
    "UPDATE profiles SET credential = ?, updated_at = ? WHERE id = ? AND credential_kind = 'key'",
    publicKey,
    now,
    id,
  )
}

/** Whether it is switched on; not where there is none. */
export async function isActive(reader: HubReader, id: number): Promise<boolean> {
  const row = await reader.get<{ is_active: number }>('SELECT is_active FROM profiles WHERE id = ?', id)
  return row?.is_active === 1
}

/** Switches an agent on or off. */
export async function setActive(tx: HubTx, id: number, active: boolean, now: number): Promise<void> {
  await tx.run('UPDATE profiles SET is_active = ?, updated_at = ? WHERE id = ?', active ? 1 : 0, now, id)
}

/** Notes that the agent has been heard of. */
export async function markSeen(tx: HubTx, id: number, now: number): Promise<void> {
  await tx.run('UPDATE profiles SET seen_at = ? WHERE id = ?', now, id)
}

export function sameCredential(a: Credential, b: Credential): boolean {
  return a.kind === b.kind && (a.kind === 'none' || (b.kind !== 'none' && a.value === b.value))
}

function profileOf(row: ProfileRow): Profile {
  const { id, name, nickname, expertise, version, project } = row
  const { credential_kind: kind, credential: value } = row
  return {
    id,
    name,
    nickname,
    expertise,
    version,
    project,
    credential: kind === 'none' || value === null ? { kind: 'none' } : { kind, value },
    isActive: row.is_active === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
