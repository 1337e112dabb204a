import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { HubCredentials } from '../../src/credentials/hub-credentials.ts'
import type { Hub } from '../../src/hub/hub.ts'
import { startHub, type StartHubOptions } from '../../src/hub/server/start-hub.ts'
import type { Log, LogFields } from '../../src/platform/log.ts'
import { createNodePlatform } from '../../src/platform/node/platform.ts'
import { openCredentials } from '../../src/runtime/hub/open-credentials.ts'
import { hubAddress } from '../../src/session/hub-address.ts'
import { createSimulatedLog } from '../../src/testing/simulated-log.ts'
import { Trace } from '../../src/testing/trace.ts'
import { withFolder } from './folder.ts'

export interface LoggedLine extends Record<string, unknown> {
  readonly event: string
}

/** A log that keeps what it is told. */
export function logTo(lines: LoggedLine[]): Log {
  return createSimulatedLog(new Trace(), (event, fields: LogFields) => lines.push({ event, ...fields }))
}

/** A real hub on a port of its own, and a home for agents. */
export interface TokenWorld {
  readonly home: string
  readonly hubFolder: string
  readonly hub: Hub
  /** Such as `http://127.0.0.1:43211`. */
  readonly url: string
  /** What the hub has logged. */
  readonly hubLog: LoggedLine[]
  /** Opens the credentials that an agent of the home has, as another process does. */
  credentials(name: string, log?: Log): HubCredentials
  /** Rows of the hub's database. */
  look<Row>(sql: string): Row[]
  /** A call to the hub's REST interface. */
  call(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<TokenAnswer>
}

export interface TokenAnswer {
  readonly status: number
  readonly body: Record<string, unknown>
}

export async function withTokenWorld<T>(
  use: (world: TokenWorld) => Promise<T>,
  options: Partial<StartHubOptions> = {},
): Promise<T> {
  return withFolder(async (folder) => {
    const home = join(folder, 'home')
    const hubFolder = join(folder, 'hub')
    const hubLog: LoggedLine[] = []
    const hub = await startHub({
      folder: hubFolder,
      addresses: [{ host: '127.0.0.1', port: 0 }],
      platform: createNodePlatform(),
      log: logTo(hubLog),
      requestsPerMinute: 1_000_000,
      ...options,
    })
    const [address] = hub.addresses
    const url = `http://127.0.0.1:${address !== undefined && 'port' in address ? address.port : 0}`
    try {
      return await use({
        home,
        hubFolder,
        hub,
        url,
        hubLog,
        credentials: (name, log = logTo([])) => openAt({ home, name, url, log }),
        look: <Row>(sql: string) => lookInto<Row>(join(hubFolder, 'hub.db'), sql),
        call: (method, path, { token, body } = {}) => callHub(url, method, path, token, body),
      })
    } finally {
      await hub.close(100)
    }
  })
}

export interface OpenAt {
  readonly home: string
  readonly name: string
  readonly url: string
  readonly log: Log
  readonly platform?: ReturnType<typeof createNodePlatform>
}

export function credentialsPath(home: string, name: string): string {
  return join(home, 'agents', name, 'credentials')
}

export function openAt({ home, name, url, log, platform = createNodePlatform() }: OpenAt): HubCredentials {
  const { boot, clock, http, random } = platform
  const file = openCredentials({ platform, home, path: credentialsPath(home, name), log })
  const address = hubAddress(url)
  const hub = { addresses: { list: [address], current: address }, pathPrefix: '' }
  return new HubCredentials({ file, http, clock, boot, random, log, hub, name })
}

function lookInto<Row>(path: string, sql: string): Row[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return database.prepare(sql).all() as Row[]
  } finally {
    database.close()
  }
}

async function callHub(
  url: string,
  method: string,
  path: string,
  token: string | undefined,
  body: unknown,
): Promise<TokenAnswer> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
