import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { drainMsMax, formatDuration } from '../../duration.ts'
import { PerduraError, toError } from '../../errors.ts'
import { startHub, type StartHubOptions } from '../../hub/server/start-hub.ts'
import type { Hub } from '../../hub/hub.ts'
import type { Disk } from '../../platform/disk.ts'
import type { Log } from '../../platform/log.ts'
import type { LogFileOptions } from '../../platform/node/log-file.ts'
import { createNodeLog } from '../../platform/node/log.ts'
import { createNodePlatform } from '../../platform/node/platform.ts'
import { describeAddress } from '../../platform/http-error.ts'
import { isLoopback } from '../../platform/loopback.ts'
import { originalPorts } from '../../protocol/ports.ts'
import { unwritable } from '../../platform/unwritable.ts'
import { Beats } from '../beats.ts'
import type { Call } from '../call.ts'
import { captureOutput } from '../captured-output.ts'
import { HubHealth } from '../hub-health/hub-health.ts'
import { openOwnersDoor } from '../hub-health/owners-door.ts'
import { hubPages } from '../hub-health/hub-pages.ts'
import {
  hubPaths,
  readHubRecord,
  removeHubRecord,
  urlOf,
  writeHubRecord,
  type HubPaths,
  type HubRecord,
  type PortAddress,
} from '../hub-record.ts'
import { activityOf, admissionOf } from '../hub-settings.ts'
import { boundedLog } from '../log-bounds.ts'
import { reloadSettings, settingsOf } from '../settings-of.ts'
import { connectParent, refusalCode, type Parent } from '../own-process.ts'
import { CrashWatch } from '../crash-watch.ts'
import { RecentLines } from '../../platform/recent-lines.ts'
import { watchForStop } from '../stop-request.ts'
import { ownVersion } from '../version.ts'
import { exitCodes } from '../../exit-codes.ts'
import { connectService } from '../own-service.ts'

const { rest: defaultPort, webSocket: defaultWebSocketPort } = originalPorts
const recordEveryMs = 1_000
/** Time for what is under way, and for agents to go one after the other. It takes so long only where some do not go. */
const drainMs = 5_000
/** Beyond it, for a manager that waits for the end. */
const serviceMarginMs = 10_000

export async function run(call: Call): Promise<number> {
  const parent = await connectParent()
  try {
    return await runHub(call, parent)
  } catch (error) {
    if (!parent.connected) throw error
    const code = error instanceof PerduraError ? error.code : 'ERR_INTERNAL'
    await parent.tell({ type: 'failed', code, message: toError(error).message })
    if (!(error instanceof PerduraError)) throw error
    parent.disconnect()
    return refusalCode(error, parent)
  }
}

async function runHub(call: Call, parent: Parent): Promise<number> {
  const addresses = addressesOf(call)
  const token = metricsToken(call)
  const openLogin = call.flag('open-login')
  const graceMs = call.durationMs('drain', drainMs, drainMsMax)
  const settings = { admission: admissionOf(call), activity: activityOf(call) }
  const [first] = addresses
  if (openLogin && !isLoopback(first?.host ?? '')) {
    throw new PerduraError(
      'ERR_USAGE',
      `--open-login lets in whoever gives a name, so it goes with a loopback --host only, not ${first?.host}`,
    )
  }
  let reload = (): void => undefined
  const stop = watchForStop(parent, () => reload())
  // Whatever it has decided is in its database: there is nothing to put in order.
  stop.hurry.addEventListener('abort', () => {
    if (stop.forced) process.exit(exitCodes.failed)
  })
  call.onBrokenPipe = () => stop.ask('broken pipe')
  const platform = createNodePlatform()
  const paths = hubPaths(call.home)
  makeFolder(platform.disk, paths)
  const home = settingsOf(call, parent)
  const logFile = (): LogFileOptions => boundedLog(call.home, paths.log, home.settings.current.base.logs)
  const recent = new RecentLines()
  const secrets = token === undefined ? [] : [token]
  const log = createNodeLog({ file: logFile(), sink: recent, secrets })
  reload = () => {
    reloadSettings(home.settings, log)
    log.bound(logFile())
  }
  const crash = new CrashWatch({ log, recent, folder: join(paths.folder, 'crashes'), secrets })
  crash.lastWord = (code) => parent.lastWord(code)
  crash.tellOfEarlier()
  if (parent.kind === 'link') captureOutput(log)
  if (home.problem !== undefined)
    log.error('settings:load:failed', { error: home.problem, inForce: 'defaults' })
  const service = parent.connected ? undefined : await connectService(log)
  const health = new HubHealth({ platform, log, folder: paths.folder, settings: home.settings })
  const startedMs = performance.now()
  const startedAt = Date.now()
  const metrics = async (): Promise<string> => {
    // Loaded when the first one asks: most hubs are never asked.
    const { hubMetrics } = await import('../hub-health/hub-metrics.ts')
    const versions = { version: ownVersion(), node: process.versions.node }
    return hubMetrics({ health, startedAt, ...versions })
  }
  const pages = hubPages({ health, metrics, token })
  const kept = parent.kind !== 'none'
  const opening = { addresses, kept, openLogin, paths, log, settings, watch: health.counts, pages }
  const hub = await open(call, opening)
  health.begin(hub)
  const door = await openOwnersDoor({ paths, log, health, metrics })
  const bound = hub.addresses.flatMap((address) =>
    'port' in address ? [{ host: address.host, port: address.port }] : [],
  )
  const record: HubRecord = {
    pid: process.pid,
    identity: call.processes.identify(process.pid) ?? '',
    instance: platform.random.uuid(),
    startedAt,
    addresses: bound,
    supervisorPid: parent.kind === 'channel' ? process.ppid : null,
    ...(parent.kind === 'link' && { daemon: true }),
    connected: 0,
  }
  const url = urlOf(record)
  const keeper = new RecordKeeper(platform.disk, paths, record, hub, (connected) => {
    void parent.tell({ type: 'hub', pid: process.pid, url, connected })
  })
  keeper.begin()
  const beats = new Beats(parent, () => ({
    health: health.report,
    loopDelayMs: health.loopDelayMs,
    turnsDone: 0,
    stalled: false,
    session: null,
    inbox: 0,
    outbox: 0,
    safeMode: false,
  }))
  log.info('hub:start:ready', { url, addresses: bound.map(({ host, port }) => `${host}:${port}`).join(' ') })
  if (!parent.connected) {
    call.output.note(
      `the hub is ready (process ${process.pid}): ${bound.map((address) => `http://${describeAddress(address)}`).join(', ')}`,
    )
    call.output.note(`  agents come with:  ${call.program} start <agent|file> --hub ${url}`)
  }
  await service?.ready({ status: () => `at ${url}, ${hub.sessionCount} connected`, healthy: () => true })

  const reason = await stop.asked
  void service?.stopping(graceMs + serviceMarginMs)
  health.stopping()
  log.info('hub:stop:began', { reason })
  if (!parent.connected) call.output.note(`the hub is stopping (${reason})`)
  keeper.end()
  await hub.close(stop.hurry.aborted ? 0 : graceMs)
  beats.stop()
  service?.close()
  health.stop()
  await door?.close(0)
  removeHubRecord(platform.disk, paths.record, record.instance)
  log.info('hub:stop:done', { reason })
  log.close()
  const uptimeMs = Math.round(performance.now() - startedMs)
  if (!parent.connected) call.output.note(`the hub stopped after ${formatDuration(uptimeMs)}`)
  call.output.document({ stopped: true, reason, url, uptimeMs })
  parent.disconnect()
  return exitCodes.fine
}

async function open(
  call: Call,
  options: {
    readonly addresses: readonly PortAddress[]
    /** Somebody keeps the process running. */
    readonly kept: boolean
    readonly openLogin: boolean
    readonly paths: HubPaths
    readonly log: Log
    readonly settings: Pick<StartHubOptions, 'admission' | 'activity'>
    readonly watch: NonNullable<StartHubOptions['watch']>
    readonly pages: NonNullable<StartHubOptions['pages']>
  },
): Promise<Hub> {
  const { addresses, kept, openLogin, paths, log, settings, watch, pages } = options
  try {
    return await startHub({
      folder: paths.folder,
      addresses,
      platform: createNodePlatform(),
      log,
      auth: { openLogin },
      watch,
      pages,
      ...settings,
    })
  } catch (thrown) {
    const error = toError(thrown)
    log.error('hub:start:failed', { error })
    if (!(error instanceof PerduraError)) throw error
    if (error.code === 'ERR_PORT_IN_USE') {
      // Who started it over the daemon has chosen the first one only.
      const isPlain = kept || call.text('ws-port') === undefined
      throw new PerduraError(
        'ERR_PORT_IN_USE',
        `${error.message}: with ${isPlain ? '--port 0 the hub takes a free one' : '--port 0 --ws-port 0 the hub takes free ones'}`,
        { cause: error, details: error.details },
      )
    }
    const other = readHubRecord(call.disk, paths.record)
    if (error.code === 'ERR_HOME_IN_USE' && other !== undefined) {
      throw new PerduraError(
        'ERR_HOME_IN_USE',
        `the hub of this home runs already, in process ${other.pid}, at ${urlOf(other)}: agents can use it; another one needs another --home`,
        { cause: error, details: { pid: other.pid } },
      )
    }
    throw error
  }
}

/** Both kinds are served on each port; that there are two is for clients that know the original's two. */
function addressesOf(call: Call): PortAddress[] {
  const host = call.text('host') ?? '127.0.0.1'
  if (host === '' || /[\s/]/.test(host)) {
    throw new PerduraError('ERR_USAGE', '--host is the address to listen on, such as 127.0.0.1 or ::1')
  }
  const port = call.count('port', defaultPort, 65_535)
  const second =
    call.text('ws-port') === undefined && port !== defaultPort
      ? undefined
      : call.count('ws-port', defaultWebSocketPort, 65_535)
  if (second === undefined || (second === port && port !== 0)) return [{ host, port }]
  return [
    { host, port },
    { host, port: second },
  ]
}

/** A token that is set and empty is a script's mistake: taken for none it would open what it was to close. */
function metricsToken(call: Call): string | undefined {
  const token = call.environment['PERDURA_METRICS_TOKEN']
  if (token === undefined || /^[\x21-\x7e]{16,512}$/.test(token)) return token
  throw new PerduraError(
    'ERR_USAGE',
    'PERDURA_METRICS_TOKEN must be 16 to 512 printable ASCII characters without spaces (openssl rand -hex 16 makes one): set it to such a token, or unset it',
  )
}

function makeFolder(disk: Disk, { folder }: HubPaths): void {
  try {
    disk.makeFolder(folder)
  } catch (cause) {
    throw unwritable(folder, cause)
  }
}

/** Keeps the record of this process true: who looks wants to know how many agents are connected. */
class RecordKeeper {
  readonly #disk: Disk
  readonly #paths: HubPaths
  readonly #hub: Hub
  readonly #tell: (connected: number) => void
  readonly #ended = new AbortController()
  #record: HubRecord

  constructor(disk: Disk, paths: HubPaths, record: HubRecord, hub: Hub, tell: (connected: number) => void) {
    this.#disk = disk
    this.#paths = paths
    this.#record = record
    this.#hub = hub
    this.#tell = tell
  }

  begin(): void {
    try {
      this.#disk.replaceFile(this.#paths.place, Buffer.from(`${JSON.stringify(this.#record.addresses[0])}\n`))
      writeHubRecord(this.#disk, this.#paths.record, this.#record)
    } catch (cause) {
      throw unwritable(this.#paths.record, cause)
    }
    this.#tell(0)
    void this.#watch()
  }

  end(): void {
    this.#ended.abort()
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      await delay(recordEveryMs, undefined, { signal, ref: false }).catch(() => undefined)
      const connected = this.#hub.sessionCount
      if (signal.aborted || connected === this.#record.connected) continue
      this.#record = { ...this.#record, connected }
      this.#tell(connected)
      try {
        writeHubRecord(this.#disk, this.#paths.record, this.#record)
      } catch {
        // A full disk: the number is a hint, and the next change writes it.
      }
    }
  }
}
