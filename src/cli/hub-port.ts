import { createServer } from 'node:net'
import { originalPorts } from '../protocol/ports.ts'
import type { Call } from './call.ts'

export const hubPorts = originalPorts

/** Where the hub of a home listens that is started along with its agents. */
export const hubHost = '127.0.0.1'

/** A port for it: the one that it had, the usual one, or any that is free. */
export async function chooseHubPort(call: Pick<Call, 'output'>, last: number | undefined): Promise<number> {
  for (const port of new Set([last ?? hubPorts.rest, hubPorts.rest])) {
    const wanted = port === hubPorts.rest ? [port, hubPorts.webSocket] : [port]
    const free = await Promise.all(wanted.map(async (one) => (await tryPort(one)) !== undefined))
    if (free.every(Boolean)) return port
    call.output.note(`port ${wanted.join(' or ')} is in use by another program: the hub takes another one`)
  }
  return (await tryPort(0)) ?? 0
}

/** The port that could be listened on, for 0 any that is free; undefined where another program does. */
export function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: hubHost, port, exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : undefined))
    })
  })
}
