import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

/** Names in lower case, as Node has them; what came several times is joined as RFC 9110 5.3 has it. */
export function flatten(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

/** A listener of both families has IPv4 peers mapped into IPv6 (RFC 4291 2.5.5.2): one address, one spelling. */
export function remoteAddressOf(socket: Socket): string {
  return (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
}
