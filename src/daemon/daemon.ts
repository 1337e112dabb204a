import { toError } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { Disk } from '../platform/disk.ts'
import type { HttpListener, HttpServer } from '../platform/http.ts'
import type { Lock, Locks } from '../platform/locks.ts'
import type { Log } from '../platform/log.ts'
import { memoryUsage } from '../platform/node/memory.ts'
import { makePrivateFolder, removePrivateFolder } from '../platform/node/private-folder.ts'
import { isAlive, type ProcessTable } from '../platform/process-table.ts'
import type { Random } from '../platform/random.ts'
import { unwritable } from '../platform/unwritable.ts'
import type { Children } from './children.ts'
import { claimHome } from './claim.ts'
import { createControl } from './control.ts'
import { Link } from './link.ts'
import type { DaemonPaths } from './paths.ts'
import { controlProtocol, readDaemonRecord, type DaemonRecord } from './record.ts'

export interface DaemonOptions {
  readonly paths: DaemonPaths
  readonly disk: Disk
  readonly locks: Locks
  readonly processes: ProcessTable
  readonly random: Pick<Random, 'uuid'>
  readonly listener: HttpListener
  /** Opened once this process is the daemon: two of them would rotate one file. */
  readonly openLog: () => Log & { close(): void }
  /** Of Perdura. */
  readonly version: string
  /** The service that this process is, as its manager started it; see `service/mark.ts`. */
  readonly service: string | undefined
  readonly makeChildren: (link: Link, log: Log) => Children
}

const bodyBytesMax = 256 * 1024
const graceMs = 1_000
/** How often the daemon looks whether it is still the one that its record names, ms. */
const recordEveryMs = 5_000

/**
 * One daemon: has the lock of its home for life, keeps children running, and answers on its control socket.
 *
 * It ends when it is told to, with its children or without them; or when it finds that another one is the daemon of its
 * home, which can only be where somebody removed its lock: then it lets go of its children.
 */
export class Daemon {
  readonly #options: DaemonOptions
  readonly #lock: Lock
  readonly #log: Log & { close(): void }
  readonly #link: Link
  readonly #children: Children
  readonly #record: DaemonRecord
  readonly #startedMs = performance.now()
  #opened: Promise<void> = Promise.resolve()
  readonly #asked = Promise.withResolvers<{ readonly reason: string; readonly keepChildren: boolean }>()
  #control: HttpServer | undefined
  #stopping = false
  /** Its children go on without it. */
  #hasLeft = false
  #mending = false
  #watch: NodeJS.Timeout | undefined

  /** Resolves when it answers. Rejects with ERR_DAEMON_RUNNING where another one is the daemon. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { disk, paths } = options
    try {
      disk.makeFolder(paths.folder)
    } catch (cause) {
      throw unwritable(paths.folder, cause)
    }
    const lock = await claimHome(options)
    const daemon = new Daemon(options, lock)
    try {
      await daemon.#open()
    } catch (error) {
      daemon.#leave()
      await daemon.#close()
      throw error
    }
    return daemon
  }

  private constructor(options: DaemonOptions, lock: Lock) {
    this.#options = options
    this.#lock = lock
    this.#log = options.openLog()
    this.#link = new Link({ processes: options.processes, log: this.#log })
    this.#children = options.makeChildren(this.#link, this.#log)
    this.#record = {
      pid: process.pid,
      identity: options.processes.identify(process.pid) ?? '',
      instance: options.random.uuid(),
      version: options.version,
      protocol: controlProtocol,
      startedAt: Date.now(),
      controlSocket: options.paths.controlSocket,
      service: options.service ?? null,
    }
  }

  get log(): Log {
    return this.#log
  }

  /** Begins to end; what was asked for first holds. */
  stop(reason: string, { keepChildren = false } = {}): void {
    this.#stopping = true
    this.#asked.resolve({ reason, keepChildren })
  }

  /** What still stops is to wait for nothing, and then is killed. */
  hurry(): void {
    this.#children.hurry()
  }

  kill(): void {
    this.#children.kill()
  }

  reload(): void {
    this.#log.info('daemon:reload')
    this.#children.reload()
  }

  /** Resolves when its children have been started or taken over. */
  get opened(): Promise<void> {
    return this.#opened
  }

  get children(): Children {
    return this.#children
  }

  /** Resolves when it is told to end, to why. */
  get asked(): Promise<{ readonly reason: string; readonly keepChildren: boolean }> {
    return this.#asked.promise
  }

  /** Ends as it was asked to: children first. */
  async end(): Promise<void> {
    const { reason, keepChildren } = await this.#asked.promise
    this.#log.info('daemon:stop:began', { reason, keepChildren })
    const startedMs = performance.now()
    if (keepChildren) this.#leave()
    else await this.#children.stop()
    this.#log.info('daemon:stop:done', { reason, durationMs: Math.round(performance.now() - startedMs) })
    await this.#close()
  }

  async #open(): Promise<void> {
    const { paths, version } = this.#options
    this.#writeRecord()
    // Not before the home is claimed: the daemon before removes it when it goes.
    if (paths.socketFolder !== undefined) makePrivateFolder(paths.socketFolder)
    await this.#link.listen(paths.linkSocket)
    this.#opened = this.#children.open()
    this.#control = await this.#listen()
    this.#watch = setInterval(() => void this.#look(), recordEveryMs)
    this.#watch.unref()
    const { pid, instance } = this.#record
    this.#log.info('daemon:start:ready', { pid, instance, version, node: process.version })
  }

  async #listen(): Promise<HttpServer> {
    const { listener, paths } = this.#options
    return await listener.listen(
      { socketPath: paths.controlSocket },
      { bodyBytesMax, onError: (error) => this.#log.error('http:server:failed', { error }) },
      createControl({
        children: this.#children,
        describeDaemon: () => this.#describe(),
        stop: (asked) => this.stop('asked over the control socket', asked),
        log: this.#log,
      }),
    )
  }

  #leave(): void {
    this.#hasLeft = true
    this.#children.leave()
  }

  async #close(): Promise<void> {
    const { disk, paths } = this.#options
    clearInterval(this.#watch)
    await this.#control?.close(graceMs)
    await this.#link.close()
    // Those that stay look for the next daemon there: nobody else is to make the folder meanwhile.
    if (paths.socketFolder !== undefined && !this.#hasLeft) removePrivateFolder(paths.socketFolder)
    if (readDaemonRecord(disk, paths.record)?.instance === this.#record.instance) disk.remove(paths.record)
    this.#lock.release()
    this.#log.close()
  }

  #writeRecord(): void {
    const { disk, paths } = this.#options
    try {
      disk.replaceFile(paths.record, Buffer.from(`${JSON.stringify(this.#record)}\n`))
    } catch (cause) {
      throw unwritable(paths.record, cause)
    }
  }

  /** Whether this is still the daemon of its home, and can be found: files are removed by accident, and by those who tidy. */
  async #look(): Promise<void> {
    const { paths, disk, processes } = this.#options
    if (this.#stopping || this.#mending) return
    this.#mending = true
    try {
      const found = readDaemonRecord(disk, paths.record)
      if (found?.instance === this.#record.instance) await this.#mendSockets()
      else if (isAlive(processes, found)) {
        this.#log.error('daemon:home:lost', { pid: found.pid, instance: found.instance })
        this.stop(`process ${found.pid} is the daemon now`, { keepChildren: true })
      } else if (disk.exists(paths.folder)) this.#writeRecord()
      else this.stop('its home is gone')
    } catch (error) {
      this.#log.warn('daemon:record:unwritten', { error: toError(error) })
    } finally {
      this.#mending = false
    }
  }

  async #mendSockets(): Promise<void> {
    const { paths, disk } = this.#options
    if (paths.socketFolder !== undefined) makePrivateFolder(paths.socketFolder)
    if (!disk.exists(paths.linkSocket)) {
      this.#log.warn('daemon:socket:missing', { path: paths.linkSocket })
      await this.#link.close()
      await this.#link.listen(paths.linkSocket)
    }
    if (!disk.exists(paths.controlSocket)) {
      this.#log.warn('daemon:socket:missing', { path: paths.controlSocket })
      await this.#control?.close(graceMs)
      this.#control = await this.#listen()
    }
  }

  #describe(): JsonObject {
    const { pid, instance, version, protocol, startedAt, service } = this.#record
    return {
      pid,
      instance,
      version,
      protocol,
      started_at: startedAt,
      uptime_ms: Math.round(performance.now() - this.#startedMs),
      node: process.versions.node,
      service,
      stopping: this.#stopping,
      children: this.#children.list().length,
      memory: { rss_bytes: memoryUsage().rssBytes },
    }
  }
}
