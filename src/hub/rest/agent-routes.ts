import { PerduraError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { SqlValue } from '../../platform/database.ts'
import { updateProfileBody } from '../../protocol/rest.ts'
import type { Principal } from '../auth/auth.ts'
import { readLeft } from '../holder.ts'
import { findProfile, type Profile, updateProfile } from '../profiles.ts'
import { assertNotFenced } from '../publishing.ts'
import { readBody } from './body.ts'
import { invalid } from './query.ts'
import { type Call, containing, firstOf, type RestDeps, type Route, timestamp } from './route.ts'

/** More than these are not listed as online at once. */
const onlineMax = 500

const onlineSql = `SELECT id AS ai_id, name, nickname, project, seen_at,
    (SELECT session_identifier FROM sessions WHERE sessions.ai_id = profiles.id AND status = 'active'
     ORDER BY sessions.id DESC LIMIT 1) AS session_identifier
  FROM profiles WHERE is_active = 1`

/** One whose connection has ended since it was heard of is known not to be there. */
const hasNotLeft = `NOT EXISTS (SELECT 1 FROM holders WHERE holders.ai_id = profiles.id AND left_at >= seen_at)`

export function agentRoutes({ clock, storage, present, isAsleep }: RestDeps): Route[] {
  return [
    { method: 'GET', path: /^\/ai\/list$/, access: 'agent', answer: list },
    { method: 'GET', path: /^\/ai\/online$/, access: 'agent', answer: listOnline },
    { method: 'GET', path: /^\/ai\/([^/]+)$/, access: 'agent', answer: show },
    { method: 'PUT', path: /^\/ai\/([^/]+)$/, access: 'agent', answer: update },
  ]

  async function list({ query }: Call): Promise<JsonObject> {
    const page = query.page()
    const isActive = query.flag('is_active')
    const expertise = query.text('expertise')
    const where = ['1 = 1']
    const parameters: SqlValue[] = []
    if (isActive !== undefined) {
      where.push('is_active = ?')
      parameters.push(isActive ? 1 : 0)
    }
    if (expertise) {
      where.push(`lower(expertise) LIKE lower(?) ESCAPE '!'`)
      parameters.push(containing(expertise))
    }
    const condition = where.join(' AND ')
    return storage.read(async (reader) => {
      const rows = await reader.all<AgentRow>(
        `SELECT id, name, nickname, expertise, version, project, created_at, is_active FROM profiles
         WHERE ${condition} ORDER BY id DESC LIMIT ? OFFSET ?`,
        ...parameters,
        page.limit,
        page.offset,
      )
      const counted = await reader.get<{ total: number }>(
        `SELECT count(*) AS total FROM profiles WHERE ${condition}`,
        ...parameters,
      )
      const ais = rows.map(({ created_at: createdAt, is_active: active, ...row }) => ({
        ...row,
        created_at: timestamp(createdAt),
        is_active: active === 1,
      }))
      return { ais, total: Number(counted?.total), ...page }
    })
  }

  async function listOnline({ query }: Call): Promise<JsonObject> {
    const minutes = query.count('minutes', { initial: 5, min: 1, max: 525_600 })
    const connected = present().slice(0, onlineMax)
    const now = clock.now()
    const rows = await storage.read(async (reader) => {
      const seen = await reader.all<OnlineRow>(
        `${onlineSql} AND seen_at >= ? AND ${hasNotLeft} ORDER BY seen_at DESC, id LIMIT ?`,
        now - minutes * 60_000,
        onlineMax,
      )
      const known = new Set(seen.map((row) => row.ai_id))
      // One by one: a list of numbers would be a statement of its own each time.
      for (const aiId of connected) {
        const row = known.has(aiId) ? undefined : await reader.get<OnlineRow>(`${onlineSql} AND id = ?`, aiId)
        if (row !== undefined) seen.push(row)
      }
      return seen
        .toSorted((a, b) => (b.seen_at ?? 0) - (a.seen_at ?? 0) || a.ai_id - b.ai_id)
        .slice(0, onlineMax)
    })
    const online = rows.map(({ seen_at: seenAt, ...row }) => ({
      ...row,
      last_activity: timestamp(connected.includes(row.ai_id) ? now : seenAt),
      is_sleeping: isAsleep(row.ai_id),
      current_task: null,
    }))
    return { online_ais: online, count: online.length, minutes }
  }

  async function show({ names: [id = ''] }: Call): Promise<JsonObject> {
    const wanted = agentIdOf(id)
    const { profile, left } = await storage.read(async (reader) => ({
      profile: await findProfile(reader, { id: wanted }),
      left: await readLeft(reader, wanted),
    }))
    if (profile === undefined) {
      throw new PerduraError('ERR_NO_SUCH_PROFILE', `there is no agent with the id ${wanted} at this hub`)
    }
    const { createdAt, isActive, updatedAt } = profile
    return {
      ai: {
        ...fieldsOf(profile),
        created_at: timestamp(createdAt),
        updated_at: timestamp(updatedAt),
        is_active: isActive,
        ...presenceOf(present().includes(wanted), left),
      },
    }
  }

  async function update({ names: [id = ''], request }: Call, agent: Principal): Promise<JsonObject> {
    if (agentIdOf(id) !== agent.aiId) {
      throw new PerduraError('ERR_NOT_YOURS', 'You can only update your own profile')
    }
    const body = readBody(request, updateProfileBody)
    const changes = {
      ...optional('nickname', firstOf(body.ai_nickname, body.nickname)),
      ...optional('expertise', body.expertise),
      ...optional('version', body.version),
      ...optional('project', body.project),
    }
    if (Object.keys(changes).length === 0) {
      throw invalid(
        'the body',
        'has none of ai_nickname, expertise, version and project: No fields to update',
      )
    }
    if (changes.nickname === '') throw invalid('ai_nickname', 'must not be empty')
    const profile = await storage.write(async (tx) => {
      await assertNotFenced(tx, agent)
      return updateProfile(tx, agent.aiId, changes, clock.now())
    })
    if (profile === undefined) throw new PerduraError('ERR_NO_SUCH_PROFILE', 'register this agent again')
    return { ai: { ...fieldsOf(profile), updated_at: timestamp(profile.updatedAt) } }
  }
}

interface AgentRow {
  readonly id: number
  readonly name: string
  readonly nickname: string
  readonly expertise: string
  readonly version: string
  readonly project: string
  readonly created_at: number
  readonly is_active: number
}

type OnlineRow = Pick<AgentRow, 'name' | 'nickname' | 'project'> & {
  readonly ai_id: number
  readonly session_identifier: string | null
  readonly seen_at: number | null
}

/** Since when and why it is offline, as far as that is known. */
function presenceOf(connected: boolean, left: { at: number; reason: string } | undefined): JsonObject {
  const offline = connected ? undefined : left
  return {
    is_connected: connected,
    offline_since: offline === undefined ? null : timestamp(offline.at),
    offline_reason: offline?.reason ?? null,
  }
}

function fieldsOf({ id, name, nickname, expertise, version, project }: Profile): JsonObject {
  return { id, name, nickname, expertise, version, project }
}

function optional<K extends string>(
  key: K,
  value: string | null | undefined,
): { readonly [key in K]?: string } {
  return (value === undefined || value === null ? {} : { [key]: value }) as { readonly [key in K]?: string }
}

function agentIdOf(text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (id > 0) return id
  throw invalid('id', 'must be the number of an agent')
}
