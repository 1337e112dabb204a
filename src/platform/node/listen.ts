import fs from 'node:fs'
import type { ListenOptions, Server } from 'node:net'
import { removeStaleSocket } from './unix-socket.ts'

/** Rejects with the error of the system where it cannot listen there. */
export function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      server.off('listening', onListening)
      reject(error)
    }
    const onListening = (): void => {
      server.off('error', onError)
      resolve()
    }
    server.once('error', onError)
    server.once('listening', onListening)
    server.listen(options)
  })
}

/** Listens on a Unix socket that only this user can use, in place of one that a killed process left. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  try {
    await listen(server, { path })
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    if (!inUse || !(await removeStaleSocket(path))) throw error
    await listen(server, { path })
  }
  // Before anything is accepted; until here the folder (0700) keeps others out.
  fs.chmodSync(path, 0o600)
}
