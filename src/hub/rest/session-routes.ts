import { PerduraError } from '../../errors.ts'
import type { Json, JsonObject } from '../../json.ts'
import { createSessionBody } from '../../protocol/rest.ts'
import type { Principal } from '../auth/auth.ts'
import { endHolder } from '../holder.ts'
import { assertNotFenced, assertNotReplaced } from '../publishing.ts'
import {
  createSession,
  endSession,
  findSession,
  listSessions,
  type SessionRow,
  sessionStatuses,
} from '../sessions.ts'
import { readBody } from './body.ts'
import { type Call, type RestDeps, type Route, timestamp } from './route.ts'

export function sessionRoutes({ clock, random, storage, hasSession, onSessionEnded }: RestDeps): Route[] {
  return [
    { method: 'POST', path: /^\/session\/create$/, access: 'agent', answer: create },
    {
      method: 'GET',
      path: /^\/session\/history$/,
      access: 'agent',
      answer: ({ query }, agent) => history(query, agent.aiId),
    },
    { method: 'GET', path: /^\/session\/([^/]+)$/, access: 'agent', answer: show },
    { method: 'DELETE', path: /^\/session\/([^/]+)$/, access: 'agent', answer: end },
    {
      method: 'GET',
      path: /^\/session\/([^/]+)\/history$/,
      access: 'agent',
      // Of the agent whose session this is: any agent may read what the others' sessions were.
      answer: async ({ names: [key = ''], query }) => history(query, (await find(key)).ai_id),
    },
  ]

  async function create({ request }: Call, agent: Principal): Promise<JsonObject> {
    const body = readBody(request, createSessionBody)
    const row = await storage.write(async (tx) => {
      await assertNotFenced(tx, agent)
      const session = {
        aiId: agent.aiId,
        sessionType: body.session_type || 'general',
        title: body.title ?? undefined,
        metadata: body.metadata ?? {},
        resumable: false,
      }
      return createSession(tx, random, session, clock.now())
    })
    return { session: { ...fieldsOf(row), metadata: JSON.parse(row.metadata) as Json } }
  }

  async function show({ names: [key = ''] }: Call): Promise<JsonObject> {
    const row = await find(key)
    return {
      session: {
        ...fieldsOf(row),
        metadata: JSON.parse(row.metadata) as Json,
        ended_at: timestamp(row.ended_at),
      },
    }
  }

  async function end({ names: [key = ''] }: Call, agent: Principal): Promise<JsonObject> {
    const row = await storage.write(async (tx) => {
      // It may be asked for by whoever looks after the agent while no process acts for it.
      await assertNotReplaced(tx, agent)
      const found = await findSession(tx, key)
      if (found?.ai_id !== agent.aiId) return undefined
      // What waits in the agent's stream stays there, for the session that comes next.
      await endHolder(tx, agent.aiId, found.session_id)
      return endSession(tx, found.id, clock.now())
    })
    if (row === undefined) {
      throw new PerduraError('ERR_NO_SUCH_SESSION', "Session not found or you don't have permission")
    }
    onSessionEnded(agent.aiId)
    const { id, session_id, session_identifier, status } = row
    return { session: { id, session_id, session_identifier, status, ended_at: timestamp(row.ended_at) } }
  }

  async function history(query: Call['query'], aiId: number): Promise<JsonObject> {
    const page = query.page()
    const status = query.choice('status', sessionStatuses)
    const resumable = query.flag('resumable')
    const { rows, total } = await storage.read((reader) =>
      listSessions(reader, aiId, { status, resumable }, page),
    )
    const sessions = rows.map((row) => ({
      ...fieldsOf(row),
      ended_at: timestamp(row.ended_at),
      resumable: row.resumable === 1,
      last_seen_at: timestamp(row.seen_at),
      connected: row.resumable === 1 && row.status === 'active' && hasSession(aiId),
    }))
    return { sessions, total, ...page }
  }

  async function find(key: string): Promise<SessionRow> {
    const row = await storage.read((reader) => findSession(reader, key))
    if (row === undefined) throw new PerduraError('ERR_NO_SUCH_SESSION', 'Session not found')
    return row
  }
}

function fieldsOf(row: SessionRow): JsonObject {
  const { id, session_id, session_identifier, ai_id, session_type, title, status, started_at } = row
  return {
    id,
    session_id,
    session_identifier,
    ai_id,
    session_type,
    title,
    status,
    started_at: timestamp(started_at),
  }
}
