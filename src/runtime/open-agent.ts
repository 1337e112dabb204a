import { join } from 'node:path'
import { isAgentDefinition } from '../agent/define-agent.ts'
import type { AgentDefinition } from '../agent/definition.ts'
import { PerduraError } from '../errors.ts'
import type { Log } from '../platform/log.ts'
import { userEnvironment } from '../platform/node/environment.ts'
import { createNodeLog } from '../platform/node/log.ts'
import { createNodePlatform } from '../platform/node/platform.ts'
import type { Platform } from '../platform/platform.ts'
import type { Outgoing, Verdict } from '../queue/outbox.ts'
import { hubAddressList } from '../session/hub-address.ts'
import type { SessionLimits } from '../session/session-limits.ts'
import { SettingsSource } from '../settings/settings.ts'
import { createDatabaseFiles } from '../store/sqlite/files.ts'
import { openNoteIndex } from '../store/sqlite/note-index.ts'
import type { Agent } from './agent.ts'
import type { AgentLimits } from './agent-limits.ts'
import { AgentTimes } from './agent-times.ts'
import { assembleAgent } from './assemble.ts'
import { prepareAgentFolder, resolveHome } from './home.ts'
import { LocalDelivery } from './local-delivery.ts'
import { checkReconnect, type ReconnectOptions } from './reconnect-options.ts'
import { refuseMoved, removeMoved } from './move/moved-marker.ts'

export interface OpenAgentOptions {
  /** Where Perdura keeps everything. Default: `$PERDURA_HOME`, `$XDG_STATE_HOME/perdura`, `~/.local/state/perdura`. */
  readonly home?: string
  /** Default: JSON lines in the agent's `agent.log`. */
  readonly log?: Log
  readonly platform?: Platform
  readonly limits?: Partial<AgentLimits>
  /**
   * Opens it with its mind off: of the definition only the name and `limits.crashesMax` are used, the state stays as it is
   * stored, no turn is begun and no timer fires. It takes in, sends, and can be looked at. Default false.
   */
  readonly safeMode?: boolean
  /**
   * Address of the hub to be at, such as `http://127.0.0.1:8767`, or several of the same hub, the preferred one first. Default:
   * none, and messages go to `deliver`.
   */
  readonly hub?: string | readonly string[] | undefined
  /** How it comes back when the connection to the hub is lost. */
  readonly reconnect?: ReconnectOptions
  /** How long the connection to the hub may be quiet until it is tried, ms; 1,000 to 300,000. Default 10,000. */
  readonly heartbeatMs?: number | undefined
  /** Take the session at the hub from whichever process has it: for who knows that the other one is to end. */
  readonly takeover?: boolean
  /** Start it although it was exported from here: where it was imported nowhere, and never will be. */
  readonly despiteMove?: boolean
  /** Accept that another hub than before is at its address: where the old one has lost its database for good. */
  readonly trustNewHub?: boolean
  /** How long the session waits for what, and how much the hub may send at once. */
  readonly sessionLimits?: Partial<SessionLimits>
  /** Where its health turns. Default: what `config.json` of the home says, or its defaults where that cannot be understood. */
  readonly settings?: SettingsSource
  /** Unexpected ends of its earlier processes within the last `windowMs`; undefined where nobody counts them. */
  readonly restarts?: (windowMs: number) => number | undefined
  /** Where messages to other agents go without a hub. Default: to agents of the same home. */
  readonly deliver?: (message: Outgoing) => Promise<Verdict>
}

/**
 * Opens an agent in this process: takes its lock (ERR_HOME_IN_USE), recovers, and begins to handle what is in its
 * inbox. Should a commit fail half-way, the process is ended (exit code 70), since nobody can know what is on disk:
 * start it again and it recovers.
 */
export async function openAgent<State extends object>(
  definition: AgentDefinition<State>,
  options: OpenAgentOptions = {},
): Promise<Agent> {
  if (!isAgentDefinition(definition)) {
    throw new PerduraError('ERR_DEFINITION', 'openAgent takes what defineAgent returns')
  }
  const platform = options.platform ?? createNodePlatform()
  const home = resolveHome({ home: options.home, ...userEnvironment() })
  const {
    hub,
    takeover,
    trustNewHub,
    sessionLimits,
    reconnect = {},
    heartbeatMs,
    despiteMove = false,
    safeMode = false,
  } = options
  const addresses = hub === undefined ? undefined : hubAddressList(hub)
  const { retry, limits } = checkReconnect(reconnect, heartbeatMs)
  const paths = prepareAgentFolder(platform.disk, home, definition.name)
  const { folder } = paths
  const { log, closeLog } =
    options.log === undefined ? openOwnLog(paths.log) : { log: options.log, closeLog: () => undefined }
  // What a session is made of costs an agent without a hub nothing.
  const hubCode = addresses === undefined ? undefined : await import('./hub/open-hub.ts')
  // Most agents start without a look at their backups.
  const hasBackups = platform.disk.list(paths.backups).length > 0
  const backupCode = hasBackups ? await import('../backup/copy-source.ts') : undefined
  const lenient = (error: Error): void => log.error('settings:load:failed', { error, inForce: 'defaults' })
  const settings = options.settings ?? new SettingsSource(platform.disk, home, { lenient })
  const sensors = platform.openSensors()
  const delivery = new LocalDelivery({ home, disk: platform.disk, http: platform.http })
  try {
    const agent = await assembleAgent({
      definition,
      safeMode,
      folder,
      files: createDatabaseFiles(folder),
      ...(backupCode && { copies: backupCode.backupsAsCopies(platform.disk, paths.backups) }),
      platform,
      log,
      // While it was not this process's, it may have been exported.
      admit: () => {
        if (despiteMove) removeMoved(platform.disk, paths.movedMarker)
        else refuseMoved(platform.disk, paths.movedMarker, definition.name)
      },
      openSearch: (reader) => openNoteIndex({ path: join(folder, 'memory-index.db'), reader, log }),
      ...(hubCode !== undefined &&
        addresses !== undefined && {
          openHub: () =>
            hubCode.openHub({
              addresses,
              name: definition.name,
              home,
              credentialsPath: paths.credentials,
              platform,
              log,
              ...(takeover !== undefined && { takeover }),
              ...(trustNewHub !== undefined && { trustNewHub }),
              limits: { ...sessionLimits, ...limits },
              retry,
            }),
        }),
      deliver: options.deliver ?? ((message) => delivery.deliver({ ...message, from: definition.name })),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      health: {
        sensors,
        disk: platform.disk,
        settings: () => settings.current.of(definition.name).health,
        times: new AgentTimes(),
        restarts: options.restarts,
        heartbeatMs,
      },
    })
    agent.on('agent:stop:done', closeLog)
    return agent
  } catch (error) {
    sensors.close()
    closeLog()
    throw error
  }
}

function openOwnLog(path: string): { readonly log: Log; readonly closeLog: () => void } {
  const log = createNodeLog({ file: { path } })
  return { log, closeLog: () => log.close() }
}
