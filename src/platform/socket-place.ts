import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'

// `sun_path` holds 108 bytes on Linux and 104 on macOS, the final zero included.
const socketPathBytesMax = 100

/** The folder in which the sockets that belong to `folder` are made. */
export interface SocketPlace {
  readonly folder: string
  /** Whether it is one for the sockets alone, under /tmp, because a path in `folder` would be too long for a socket. */
  readonly elsewhere: boolean
}

/** The same place for whoever asks, without asking the environment, which differs between shells. */
export function socketPlace(folder: string): SocketPlace {
  const long = Buffer.byteLength(join(folder, 'control.sock')) > socketPathBytesMax
  if (!long) return { folder, elsewhere: false }
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 24)
  return { folder: `${sharedFolderPrefix}${hash}`, elsewhere: true }
}

const sharedFolderPrefix = '/tmp/perdura-'

/** The folder of a socket, where it is one that another user can make while it is not there. */
export function sharedFolderOf(socketPath: string): string | undefined {
  return socketPath.startsWith(sharedFolderPrefix) ? dirname(socketPath) : undefined
}
