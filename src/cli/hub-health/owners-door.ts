import { toError } from '../../errors.ts'
import type { HttpServer } from '../../platform/http.ts'
import type { Log } from '../../platform/log.ts'
import { createNodeHttpListener } from '../../platform/node/http-server.ts'
import { makePrivateFolder, removePrivateFolder } from '../../platform/node/private-folder.ts'
import type { HubPaths } from '../hub-record.ts'
import { hubOwnerPages, type HubPagesOptions } from './hub-pages.ts'

const bodyBytesMax = 1_024

export interface OwnersDoorOptions extends Omit<HubPagesOptions, 'token'> {
  readonly paths: HubPaths
  readonly log: Log
}

/** Serves what the owner may ask, on a Unix socket in the hub's folder. A hub works without it, so it does not fail for it. */
export async function openOwnersDoor(
  options: OwnersDoorOptions,
): Promise<Pick<HttpServer, 'close'> | undefined> {
  const { paths, log } = options
  const { controlSocket, socketFolder } = paths
  const onError = (error: Error): void => log.error('hub:request:failed', { error })
  try {
    if (socketFolder !== undefined) makePrivateFolder(socketFolder)
    const server = await createNodeHttpListener().listen(
      { socketPath: controlSocket },
      { bodyBytesMax, onError },
      hubOwnerPages(options),
    )
    return {
      async close(graceMs) {
        await server.close(graceMs)
        if (socketFolder !== undefined) removePrivateFolder(socketFolder)
      },
    }
  } catch (error) {
    log.error('hub:control:failed', { error: toError(error) })
    return undefined
  }
}
