import { PerduraError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { HttpAddress, HttpServer } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Profiler } from '../platform/profile.ts'
import type { Platform } from '../platform/platform.ts'
import type { ProcessTable } from '../platform/process-table.ts'
import { unwritable } from '../platform/unwritable.ts'
import type { Agent } from './agent.ts'
import { createRoutes } from './control.ts'
import { countEvents, type Counters } from './counters.ts'
import { agentPaths } from './home.ts'
import { liveSessionJson, type LiveSession } from './live-session.ts'
import { defaultIngressPort, payloadBytesMax } from './limits.ts'
import {
  readProcessRecord,
  removeProcessRecord,
  writeProcessRecord,
  type ProcessRecord,
} from './process-record.ts'

// What stands around a payload in a message on the control socket: identifiers, all of them bounded.
const envelopeBytesMax = 65_536

export interface ServeOptions {
  readonly platform: Pick<Platform, 'clock' | 'random' | 'disk' | 'process' | 'listener'>
  readonly processes: ProcessTable
  readonly agent: Agent
  readonly home: string
  readonly log: Log
  /** Port of the ingress; 0 takes any. Without it the default one, or any where that is taken. */
  readonly port?: number | undefined
  /** Required of whoever uses the ingress. */
  readonly token?: string | undefined
  readonly supervisorPid: number | null
  /** Whether a daemon keeps it running, which it may outlive. */
  readonly daemon?: boolean
  /** Address of the hub that the agent is at. */
  readonly hub: string | null
  /** Makes a folder that only this user can use; for the socket of an agent with a long path. */
  readonly makePrivateFolder: (path: string) => void
  /** Removes it again, where nothing else is in it. */
  readonly removePrivateFolder: (path: string) => void
  readonly memory: () => JsonObject
  readonly profiler: Profiler
  /** Of Perdura and of Node. */
  readonly versions: { readonly version: string; readonly node: string }
  /** Begins to stop the process. */
  readonly stop: (options: { readonly handover: boolean }) => void
  /** Begins to stop it in favour of the next one. */
  readonly handOver: (deadlineMs: number) => void
  /** Reads the settings again. */
  readonly reload: () => void
}

/** An agent that can be reached. */
export interface Served {
  readonly record: ProcessRecord
  readonly ingressUrl: string
  /** What this process has done, kept up to date. */
  readonly counters: Counters
  /** How its session at the hub stands. */
  readonly session: () => LiveSession | undefined
  /** Stops taking requests from programs; the owner can still look and is answered. */
  closeIngress(graceMs: number): Promise<void>
  /** Closes what is left and removes the traces of this process. */
  close(graceMs: number): Promise<void>
}

/** Opens the doors of a running agent: ingress on loopback, control socket in its folder; and says who serves it. */
export async function serve(options: ServeOptions): Promise<Served> {
  const { platform, agent, log } = options
  const { disk, clock } = platform
  const onError = (error: Error): void => log.error('http:server:failed', { error })
  const paths = agentPaths(options.home, agent.name)
  const instance = platform.random.uuid()
  const startedMs = clock.monotonicMs()
  const startedAt = clock.now()
  const counters = countEvents(agent)
  const metrics = async (): Promise<string> => {
    // Loaded when the first one asks: most agents are never asked.
    const { agentMetrics } = await import('./agent-metrics.ts')
    return agentMetrics({ agent, counters, startedAt, ...options.versions })
  }

  const before = readProcessRecord(disk, paths.processRecord)
  const ingress = await listenIngress(options, metrics, before?.ingressPort ?? defaultIngressPort)
  const port = 'port' in ingress.address ? ingress.address.port : 0
  const record: ProcessRecord = {
    pid: platform.process.pid,
    identity: options.processes.identify(platform.process.pid) ?? '',
    instance,
    startedAt,
    controlSocket: paths.controlSocket,
    ingressPort: port,
    supervisorPid: options.supervisorPid,
    ...(options.daemon === true && { daemon: true }),
    hub: options.hub,
    ...(agent.safeMode && { safeMode: true }),
  }
  const describeProcess = (): JsonObject => ({
    pid: record.pid,
    instance,
    started_at: startedAt,
    uptime_ms: Math.round(clock.monotonicMs() - startedMs),
    ingress_port: port,
    supervisor_pid: options.supervisorPid,
    hub: options.hub,
    safe_mode: agent.safeMode,
    session: liveSessionJson(agent.session),
    memory: options.memory(),
    counters: { ...counters },
    recovered: {
      previous: agent.recovered.previous,
      replayed_records: agent.recovered.replayedRecords,
      torn_bytes: agent.recovered.tornBytes,
      database: agent.recovered.database,
      interrupted_turns: agent.recovered.interruptedTurns,
    },
  })

  let control: HttpServer
  try {
    // Not before: until now the process before may have been about to remove it.
    if (paths.socketFolder !== undefined) options.makePrivateFolder(paths.socketFolder)
    control = await platform.listener.listen(
      { socketPath: paths.controlSocket },
      { bodyBytesMax: payloadBytesMax + envelopeBytesMax, onError },
      createRoutes(agent, {
        kind: 'control',
        log,
        metrics,
        describeProcess,
        profiler: options.profiler,
        stop: options.stop,
        handOver: options.handOver,
        reload: options.reload,
      }),
    )
    try {
      writeProcessRecord(disk, paths.processRecord, record)
    } catch (cause) {
      await control.close(0)
      throw unwritable(paths.processRecord, cause)
    }
  } catch (error) {
    await ingress.close(0)
    throw error
  }

  let ingressClosed: Promise<void> | undefined
  const closeIngress = (graceMs: number): Promise<void> => (ingressClosed ??= ingress.close(graceMs))
  return {
    record,
    ingressUrl: `http://127.0.0.1:${port}/agents/${agent.name}/inbox`,
    counters,
    session: () => agent.session,
    closeIngress,
    async close(graceMs) {
      await closeIngress(graceMs)
      await control.close(graceMs)
      if (paths.socketFolder !== undefined) options.removePrivateFolder(paths.socketFolder)
      removeProcessRecord(disk, paths.processRecord, instance)
    },
  }
}

/** Where no port was asked for: the one that a killed process had, the default one, any. */
async function listenIngress(
  options: ServeOptions,
  metrics: () => Promise<string>,
  preferred: number,
): Promise<HttpServer> {
  const { platform, agent, log, token } = options
  const routes = createRoutes(agent, { kind: 'ingress', log, token, metrics })
  const listen = (port: number): Promise<HttpServer> => {
    const address: HttpAddress = { host: '127.0.0.1', port }
    const onError = (error: Error): void => log.error('http:server:failed', { error })
    return platform.listener.listen(address, { bodyBytesMax: payloadBytesMax, onError }, routes)
  }
  if (options.port !== undefined) return await listen(options.port)
  for (const port of new Set([preferred, defaultIngressPort])) {
    try {
      return await listen(port)
    } catch (error) {
      if (!(error instanceof PerduraError && error.code === 'ERR_PORT_IN_USE')) throw error
      // Several agents on one machine are normal; whoever needs a fixed port asks for one.
      log.info('ingress:port:taken', { port })
    }
  }
  return await listen(0)
}
