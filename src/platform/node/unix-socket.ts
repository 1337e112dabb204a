import fs from 'node:fs'
import { PerduraError } from '../../errors.ts'

/** `sun_path` has 108 bytes on Linux and 104 on macOS; what is longer is cut off by some systems without a word. */
const pathBytesMax = 100
const probeTimeoutMs = 2_000

export function checkSocketPath(socketPath: string): void {
  const length = Buffer.byteLength(socketPath)
  if (length <= pathBytesMax) return
  throw new PerduraError(
    'ERR_USAGE',
    `the socket path is ${length} bytes long, and the system takes ${pathBytesMax}: ${socketPath}; ` +
      'choose a shorter folder with --home or PERDURA_HOME',
    { details: { length, lengthMax: pathBytesMax } },
  )
}

/**
 * Removes a socket file that a killed process left: it is a socket, nobody answers on it, and it is the same file
 * before and after the question. Returns false when it is in use, or no socket at all. Two processes that start at
 * once are kept apart by the lock of their home, not by this.
 */
export async function removeStaleSocket(socketPath: string): Promise<boolean> {
  const before = statSocket(socketPath)
  if (before === 'missing') return true
  if (before === 'other' || (await isAnswered(socketPath))) return false
  const after = statSocket(socketPath)
  if (after !== before) return after === 'missing'
  fs.rmSync(socketPath, { force: true })
  return true
}

/** Device and inode of the socket, `missing`, or `other` for what is no socket. */
function statSocket(socketPath: string): string {
  const stat = fs.lstatSync(socketPath, { throwIfNoEntry: false })
  if (stat === undefined) return 'missing'
  return stat.isSocket() ? `${stat.dev}:${stat.ino}` : 'other'
}

/** Only a refusal counts as nobody: a server that is too busy to accept is alive. */
function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = process.getBuiltinModule('node:net').connect({ path: socketPath })
    const finish = (answered: boolean): void => {
      clearTimeout(timeout)
      socket.destroy()
      resolve(answered)
    }
    const timeout = setTimeout(() => finish(true), probeTimeoutMs)
    socket.once('connect', () => finish(true))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      finish(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
