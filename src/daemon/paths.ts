import { join } from 'node:path'
import { socketPlace } from '../platform/socket-place.ts'

/** Where the parts of the daemon of one home are. */
export interface DaemonPaths {
  readonly folder: string
  /** Held for the life of the daemon: there is one for each home. */
  readonly lock: string
  /** Says who it is; see `record.ts`. */
  readonly record: string
  /** Where the command line asks it. */
  readonly controlSocket: string
  /** Where the processes that it keeps running speak to it. */
  readonly linkSocket: string
  /** The folder made for the sockets alone, where the daemon's own path is too long for one. */
  readonly socketFolder: string | undefined
  readonly log: string
  /** What the daemon's process wrote besides its log, where nobody was there to read it. */
  readonly output: string
}

export function daemonPaths(home: string): DaemonPaths {
  const folder = join(home, 'daemon')
  const place = socketPlace(folder)
  return {
    folder,
    lock: join(folder, 'lock.db'),
    record: join(folder, 'daemon.pid'),
    controlSocket: join(place.folder, 'control.sock'),
    linkSocket: join(place.folder, 'link.sock'),
    socketFolder: place.elsewhere ? place.folder : undefined,
    log: join(folder, 'daemon.log'),
    output: join(folder, 'daemon.out'),
  }
}
