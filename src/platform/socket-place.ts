import { createHash } from 'node:crypto'
import { join } from 'node:path'

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
  return { folder: `/tmp/perdura-${hash}`, elsewhere: true }
}
