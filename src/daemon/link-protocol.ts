import { isJsonObject } from '../json.ts'
import type { ProcessIdentity } from '../platform/process-table.ts'

/*
 * What a supervised process and its daemon say to each other over the link: a Unix socket, one JSON object a line. The
 * process connects, says `hello`, then what it has to say; as its last word, how it ends.
 */

export const linkProtocol = 1

/** Names the socket to a process that the daemon starts, and what the process is to call itself. */
export const linkVariables = { socket: 'PERDURA_LINK', child: 'PERDURA_CHILD' } as const

/** Who connects. */
export interface Hello extends ProcessIdentity {
  readonly type: 'hello'
  readonly protocol: number
  /** `agent:Ada` or `hub`. */
  readonly child: string
  readonly instance: string
  /** Of Perdura. */
  readonly version: string
  readonly node: string
}

/** The last that a process says: nobody may be there to be told its exit code otherwise. */
export interface LastWord {
  readonly type: 'exit'
  readonly code: number
}

export function readHello(value: unknown): Hello | undefined {
  if (!isJsonObject(value)) return undefined
  const { type, protocol, child, pid, identity, instance, version, node } = value
  if (type !== 'hello' || typeof protocol !== 'number' || !Number.isSafeInteger(pid)) return undefined
  if (typeof child !== 'string' || typeof identity !== 'string' || typeof instance !== 'string')
    return undefined
  if (typeof version !== 'string' || typeof node !== 'string') return undefined
  return { type, protocol, child, pid: Number(pid), identity, instance, version, node }
}

export function readLastWord(value: unknown): LastWord | undefined {
  if (!isJsonObject(value)) return undefined
  const { type, code } = value
  return type === 'exit' && typeof code === 'number' ? { type, code } : undefined
}
