import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { agentNames, nobody, type Target, type Task } from './plan.ts'

/** Looks into the databases of agents and hub from outside, with nothing of the product's, and changes nothing. */
export class Databases {
  readonly #home: string

  constructor(home: string) {
    this.#home = home
  }

  get hubFolder(): string {
    return join(this.#home, 'hub')
  }

  agentFolder(name: string): string {
    return join(this.#home, 'agents', name)
  }

  /** How much has happened there: messages that the hub has taken, or what took effect at an agent. */
  progress(target: Target): number {
    if (target !== 'hub') return this.handled(target).length
    return Number(this.#hub('SELECT count(*) AS count FROM messages')[0]?.['count'] ?? 0)
  }

  /** Labels in the order in which they took effect. */
  handled(name: string): string[] {
    const rows = this.#agent(
      name,
      "SELECT value FROM state WHERE key LIKE 'block%' ORDER BY CAST(substr(key, 6) AS INTEGER)",
    )
    return rows.flatMap((row) => JSON.parse(String(row['value'])) as string[])
  }

  refused(): Set<string> {
    const rows = agentNames.flatMap((name) =>
      this.#agent(name, "SELECT content FROM outbox WHERE status = 'refused'"),
    )
    return new Set(rows.map((row) => (JSON.parse(String(row['content'])) as Task).label))
  }

  keptForNobody(): Set<string> {
    const rows = this.#hub(
      `SELECT content FROM messages JOIN profiles ON profiles.id = recipient_id WHERE name = '${nobody}'`,
    )
    return new Set(rows.map((row) => (JSON.parse(String(row['content'])) as Task).label))
  }

  /** What the hub keeps of its own order that must not be: messages that it has twice, streams with a hole. */
  faultsOfHub(): string[] {
    const twice = this.#hub(
      'SELECT message_id FROM messages GROUP BY sender_id, recipient_id, message_id HAVING count(*) > 1',
    )
    const holes = this.#hub(
      `SELECT streams.ai_id FROM streams LEFT JOIN entries USING (ai_id) GROUP BY streams.ai_id
       HAVING count(position) <> top - floor OR coalesce(max(position), floor) <> top`,
    )
    return [
      ...twice.map((row) => `the hub has message ${String(row['message_id'])} twice`),
      ...holes.map((row) => `the stream of agent ${String(row['ai_id'])} has a hole`),
    ]
  }

  /** What an agent has not handled, and what it has not got through to the hub. */
  waiting(name: string): number {
    return this.#inboxOf(name) + this.#outboxOf(name)
  }

  /** What is still under way; empty where everything is at rest, and nothing has moved while this was found out. */
  unrest(): string {
    const before = this.#positions()
    const found = agentNames.flatMap((name) => {
      const [inbox, outbox] = [this.#inboxOf(name), this.#outboxOf(name)]
      return inbox + outbox === 0 ? [] : [`${name}: ${inbox} in, ${outbox} out`]
    })
    for (const row of this.#hub('SELECT name, waiting_count FROM streams JOIN profiles ON id = ai_id')) {
      const { name, waiting_count: waiting } = row
      if (waiting !== 0 && name !== nobody) found.push(`${String(waiting)} wait for ${String(name)}`)
    }
    if (found.length === 0 && before !== this.#positions()) return 'something has just been written'
    return found.join(', ')
  }

  #inboxOf(name: string): number {
    return this.#count(name, "inbox WHERE status IN ('pending', 'running', 'parked')")
  }

  #outboxOf(name: string): number {
    return this.#count(name, "outbox WHERE status = 'pending'")
  }

  #positions(): string {
    return agentNames
      .map((name) => String(this.#agent(name, 'SELECT sequence FROM journal_position')[0]?.['sequence']))
      .join()
  }

  #count(name: string, from: string): number {
    return Number(this.#agent(name, `SELECT count(*) AS count FROM ${from}`)[0]?.['count'] ?? 1)
  }

  #agent(name: string, sql: string): Record<string, unknown>[] {
    return query(join(this.agentFolder(name), 'state.db'), sql)
  }

  #hub(sql: string): Record<string, unknown>[] {
    return query(join(this.hubFolder, 'hub.db'), sql)
  }
}

function query(path: string, sql: string): Record<string, unknown>[] {
  if (!existsSync(path)) return []
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  try {
    return database.prepare(sql).all()
  } finally {
    database.close()
  }
}
