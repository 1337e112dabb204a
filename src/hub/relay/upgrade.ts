import type { Upgrade } from '../../platform/transport.ts'

/** What a WebSocket is for: a resumable session, or one of the four endpoints of v1. */
export type StreamName = 'session.resume' | 'connect' | 'messages' | 'collaboration' | 'session'

const plain = new Set<string>(['connect', 'messages', 'collaboration', 'session'])
const prefix = '/ws/v1/'

export function streamOf({ path }: Upgrade): StreamName | undefined {
  const [route, query] = split(path)
  const name = route.startsWith(prefix) ? route.slice(prefix.length) : ''
  if (name === 'connect' && new URLSearchParams(query).get('resume') === '1') return 'session.resume'
  return plain.has(name) ? (name as StreamName) : undefined
}

/** From the header, or, for v1 clients, from the query; empty where there is none. It is a secret: never logged. */
export function tokenOf({ path, headers }: Upgrade): string {
  const bearer = /^bearer +(.+)$/i.exec(headers['authorization'] ?? '')
  return bearer?.[1]?.trim() ?? new URLSearchParams(split(path)[1]).get('token') ?? ''
}

function split(path: string): [string, string] {
  const at = path.indexOf('?')
  return at === -1 ? [path, ''] : [path.slice(0, at), path.slice(at + 1)]
}
