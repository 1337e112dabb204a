import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isJsonObject, type JsonObject } from '../../../src/json.ts'
import { createNodeHttp } from '../../../src/platform/node/http-client.ts'
import { isAlive } from '../../helpers/command-line.ts'
import type { Ledger } from './ledger.ts'

/** What a running agent says of itself. */
export interface AgentView {
  readonly instance: string
  /** '' without a hub. */
  readonly session: string
}

const http = createNodeHttp()

/** Looks at the processes and files of a home, with nothing of the product's that decides anything. */
export class Members {
  readonly #home: string

  constructor(home: string) {
    this.#home = home
  }

  agentFolder(name: string): string {
    return join(this.#home, 'agents', name)
  }

  pidOf(member: string): number | undefined {
    const record =
      member === 'daemon'
        ? join(this.#home, 'daemon', 'daemon.pid')
        : member === 'hub'
          ? join(this.#home, 'hub', 'hub.pid')
          : join(this.agentFolder(member), 'agent.pid')
    const pid = readObject(record)?.['pid']
    return typeof pid === 'number' && isAlive(pid) ? pid : undefined
  }

  /** Port of the hub; undefined while it does not run. */
  hubPort(): number | undefined {
    if (this.pidOf('hub') === undefined) return undefined
    const addresses = readObject(join(this.#home, 'hub', 'hub.pid'))?.['addresses']
    const [first] = Array.isArray(addresses) ? addresses : []
    return isJsonObject(first) && typeof first['port'] === 'number' ? first['port'] : undefined
  }

  ingressOf(name: string): string | undefined {
    const port = readObject(join(this.agentFolder(name), 'agent.pid'))?.['ingressPort']
    return typeof port === 'number' ? `http://127.0.0.1:${port}/agents/${name}/inbox` : undefined
  }

  /** Undefined where no process answers within a second. */
  async agent(name: string): Promise<AgentView | undefined> {
    const record = readObject(join(this.agentFolder(name), 'agent.pid'))
    const socketPath = record?.['controlSocket']
    if (typeof socketPath !== 'string' || this.pidOf(name) === undefined) return undefined
    try {
      const { body } = await http.request(
        { socketPath },
        { method: 'GET', path: '/v1/process', headers: {}, body: new Uint8Array() },
        { timeoutMs: 1_000 },
      )
      const answer = JSON.parse(Buffer.from(body).toString('utf8')) as JsonObject
      const { session = null, instance } = answer
      const state = isJsonObject(session) ? session['state'] : ''
      return {
        instance: typeof instance === 'string' ? instance : '',
        session: typeof state === 'string' ? state : '',
      }
    } catch {
      return undefined
    }
  }

  /** What is under way at an agent, in words; '' where nothing is. */
  unrest(name: string): string {
    const inbox = this.#count(name, "inbox WHERE status IN ('pending', 'running', 'parked')")
    const outbox = this.#count(name, "outbox WHERE status = 'pending'")
    return inbox + outbox === 0 ? '' : `${name}: ${inbox} in, ${outbox} out`
  }

  dead(name: string): number {
    return this.#count(name, "inbox WHERE status = 'dead'")
  }

  ledger(name: string): Ledger | undefined {
    const rows = this.#query(name, 'SELECT key, value FROM state')
    if (rows.length === 0) return undefined
    return Object.fromEntries(
      rows.map(({ key, value }) => [String(key), JSON.parse(String(value))]),
    ) as unknown as Ledger
  }

  #count(name: string, from: string): number {
    return Number(this.#query(name, `SELECT count(*) AS count FROM ${from}`)[0]?.['count'] ?? 1)
  }

  #query(name: string, sql: string): Record<string, unknown>[] {
    const path = join(this.agentFolder(name), 'state.db')
    if (!existsSync(path)) return []
    const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
    try {
      return database.prepare(sql).all()
    } finally {
      database.close()
    }
  }
}

function readObject(path: string): JsonObject | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as JsonObject
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
