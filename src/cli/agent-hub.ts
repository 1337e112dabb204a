import { createNodeLog } from '../platform/node/log.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import type { AgentPaths } from '../runtime/home.ts'
import { HubSessions } from '../runtime/hub/hub-sessions.ts'
import { openHub } from '../runtime/hub/open-hub.ts'
import type { StoredSession } from '../runtime/session-queries.ts'
import { hubAddress } from '../session/hub-address.ts'
import { createDatabaseFiles } from '../store/sqlite/files.ts'

/**
 * Asks the hub in the name of an agent that does not run. Its lock is held meanwhile (ERR_HOME_IN_USE where it has been
 * started): two processes must not act for it at a time.
 */
export async function askHubOf<T>(
  {
    agent,
    paths,
    session,
  }: { readonly agent: string; readonly paths: AgentPaths; readonly session: StoredSession },
  ask: (sessions: HubSessions) => Promise<T>,
): Promise<T> {
  const lock = createDatabaseFiles(paths.folder).lock()
  try {
    const platform = createNodePlatform()
    const hub = openHub({
      addresses: [hubAddress(session.hub)],
      name: agent,
      home: paths.home,
      credentialsPath: paths.credentials,
      platform,
      log: createNodeLog({ level: 'error' }),
    })
    const current = (): string | undefined => session.sessionIdentifier ?? undefined
    try {
      return await ask(new HubSessions({ ...hub, http: platform.http, current }))
    } finally {
      await hub.credentials.close()
    }
  } finally {
    lock.release()
  }
}
