import { join } from 'node:path'
import { isJsonObject } from '../json.ts'
import type { Disk } from '../platform/disk.ts'
import { describeAddress } from '../platform/http-error.ts'
import { readJson } from '../platform/json-file.ts'
import { isAlive } from '../platform/process-table.ts'
import { socketPlace } from '../platform/socket-place.ts'
import type { Call } from './call.ts'

/** Where the parts of the hub of one home are. */
export interface HubPaths {
  readonly folder: string
  readonly database: string
  readonly log: string
  /** What the daemon keeps of it; see `supervision-files.ts`. */
  readonly supervision: string
  readonly output: string
  /** Names the process that runs the hub. */
  readonly record: string
  /** Where the hub was the last time: agents know it by its address, so it comes back to it where it can. */
  readonly place: string
  /** Where its owner asks how it does. */
  readonly controlSocket: string
  /** The folder made for the socket alone, where the hub's own path is too long for one. */
  readonly socketFolder: string | undefined
}

export function hubPaths(home: string): HubPaths {
  const folder = join(home, 'hub')
  const socket = socketPlace(folder)
  return {
    folder,
    database: join(folder, 'hub.db'),
    log: join(folder, 'hub.log'),
    supervision: join(folder, 'supervision.json'),
    output: join(folder, 'hub.out'),
    record: join(folder, 'hub.pid'),
    place: join(folder, 'hub.json'),
    controlSocket: join(socket.folder, 'control.sock'),
    socketFolder: socket.elsewhere ? socket.folder : undefined,
  }
}

export interface PortAddress {
  readonly host: string
  readonly port: number
}

/** Who runs the hub of a home; written when it is ready, replaced whole, removed when it stops cleanly. */
export interface HubRecord {
  readonly pid: number
  /** What the process table knew the process by; a number alone may belong to another one by now. */
  readonly identity: string
  readonly instance: string
  readonly startedAt: number
  readonly addresses: readonly PortAddress[]
  /** The process that restarts it, and that it does not outlive; null when there is none. */
  readonly supervisorPid: number | null
  /** Whether the daemon of the home, whichever process that is, keeps it running. */
  readonly daemon?: boolean
  /** Agents that have a session over a connection, as of a second ago. */
  readonly connected: number
}

export function readHubRecord(disk: Disk, path: string): HubRecord | undefined {
  const value = readJson(disk, path)
  if (value === undefined) return undefined
  const { pid, identity, instance, startedAt, addresses, supervisorPid, daemon, connected } = value
  if (typeof pid !== 'number' || typeof identity !== 'string' || !Array.isArray(addresses)) return undefined
  return {
    pid,
    identity,
    instance: typeof instance === 'string' ? instance : '',
    startedAt: typeof startedAt === 'number' ? startedAt : 0,
    addresses: (addresses as unknown[]).flatMap((address) => portAddress(address) ?? []),
    supervisorPid: typeof supervisorPid === 'number' ? supervisorPid : null,
    ...(daemon === true && { daemon }),
    connected: typeof connected === 'number' ? connected : 0,
  }
}

export function writeHubRecord(disk: Disk, path: string, record: HubRecord): void {
  disk.replaceFile(path, Buffer.from(`${JSON.stringify(record)}\n`))
}

/** Removes the record unless another process has put its own in place. */
export function removeHubRecord(disk: Disk, path: string, instance: string): void {
  if (readHubRecord(disk, path)?.instance === instance) disk.remove(path)
}

/** The record of the hub of this home, where its process lives. */
export function runningHub(call: Call): HubRecord | undefined {
  const record = readHubRecord(call.disk, hubPaths(call.home).record)
  return isAlive(call.processes, record) ? record : undefined
}

/** Where agents find it: the first of its addresses, which has both kinds. */
export function urlOf({ addresses: [address] }: Pick<HubRecord, 'addresses'>): string {
  if (address === undefined) return ''
  const { host, port } = address
  // What listens everywhere is reached from here over loopback.
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${describeAddress({ host: reached, port })}`
}

/** The address that the hub of this home had the last time. */
export function lastPlace(disk: Disk, home: string): PortAddress | undefined {
  return portAddress(readJson(disk, hubPaths(home).place))
}

function portAddress(value: unknown): PortAddress | undefined {
  if (!isJsonObject(value)) return undefined
  const { host, port } = value
  return typeof host === 'string' && typeof port === 'number' ? { host, port } : undefined
}
