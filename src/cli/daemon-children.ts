import { setTimeout as delay } from 'node:timers/promises'
import type { Children, ChildAction } from '../daemon/children.ts'
import { createDetachedSpawner } from '../daemon/detached-spawner.ts'
import type { Link } from '../daemon/link.ts'
import { findStartedChildren } from '../daemon/started-children.ts'
import { PerduraError, toError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { AdoptedProcess, ChildExit } from '../platform/child.ts'
import type { Disk } from '../platform/disk.ts'
import type { Log } from '../platform/log.ts'
import { createNodeBootClock } from '../platform/node/boot-clock.ts'
import { createNodeClock } from '../platform/node/clock.ts'
import type { NodeBinary } from '../platform/node/node-binary.ts'
import { boundOutputFile } from '../platform/node/output-file.ts'
import { createNodeRandom } from '../platform/node/random.ts'
import { signalProcess } from '../platform/node/signal-process.ts'
import { isAlive, type ProcessTable } from '../platform/process-table.ts'
import { agentPaths } from '../runtime/home.ts'
import { readProcessRecord } from '../runtime/process-record.ts'
import type { SettingsSource } from '../settings/settings.ts'
import { awaitsMending, type ChildState } from '../supervisor/child-state.ts'
import type { EndReason } from '../supervisor/exits.ts'
import { Supervisor, type ChildSpec, type SupervisorSink } from '../supervisor/supervisor.ts'
import { childCommand } from './child-command.ts'
import { agentOf, hubChild } from './child-name.ts'
import { policyOf, understand } from './child-policy.ts'
import { describeChild, summarize, type ChildNotes } from './child-view.ts'
import { codeTime, lastStart } from './code-file.ts'
import { HealthFeeds } from './health-feeds.ts'
import { hubPaths, readHubRecord } from './hub-record.ts'
import { KeeperRecords } from './keeper-records.ts'
import { launchJson, launchOf, type Launch } from './launch.ts'
import { programPath } from './own-program.ts'
import { isOnline, isProcessMessage } from './process-messages.ts'
import { childFiles, recordedChildren, SupervisionFiles } from './supervision-files.ts'

export interface DaemonChildrenOptions {
  readonly home: string
  readonly disk: Disk
  readonly processes: ProcessTable
  readonly link: Link
  readonly linkSocket: string
  readonly log: Log
  readonly settings: SettingsSource
  readonly node: NodeBinary
}

/** How often files are looked at: the output of processes, and the code of agents that wait for it to change. */
const lookEveryMs = 1_000
/** Where nobody has looked for so long, ms, something is wrong with this process. No time passes while a machine sleeps. */
const lookPatienceMs = 10_000
const queuePollMs = 20

/** The agents of a home and its hub, as its daemon keeps them running. */
export class DaemonChildren implements Children, SupervisorSink {
  readonly #options: DaemonChildrenOptions
  readonly #files: SupervisionFiles
  readonly #keeper: KeeperRecords
  readonly #supervisor: Supervisor
  readonly #health: HealthFeeds
  readonly #notes = new Map<string, ChildNotes>()
  readonly #timer: NodeJS.Timeout
  #lookedMs = performance.now()
  /** How what is to stop is made to; undefined while it may take its time. */
  #haste: 'hurry' | 'kill' | undefined

  constructor(options: DaemonChildrenOptions) {
    const { home, disk, processes, link, linkSocket, log } = options
    this.#options = options
    this.#files = new SupervisionFiles(disk, home)
    this.#keeper = new KeeperRecords({ home, disk, processes, log })
    this.#health = new HealthFeeds({
      home,
      log,
      settings: () => options.settings.current,
      policyOf: (child) => this.#supervisor.view(child)?.policy,
    })
    this.#supervisor = new Supervisor({
      spawner: createDetachedSpawner({ link, linkSocket, processes }),
      clock: createNodeClock(),
      random: createNodeRandom(),
      processes,
      bootId: createNodeBootClock().bootId,
      log,
      records: this.#files,
      command: ({ name, launch }, mode) =>
        childCommand({
          disk,
          home,
          child: name,
          launch: launchOf(launch),
          mode,
          node: options.node,
          log,
        }),
      understand,
      find: (name) => this.#find(name),
      search: () => findStartedChildren({ linkSocket, processes, program: programPath }),
      sink: this,
    })
    link.onStranger = ({ child, pid, identity }) => {
      this.#supervisor.found(child, { pid, identity })
    }
    this.#timer = setInterval(() => this.#look(), lookEveryMs)
    this.#timer.unref()
  }

  async open(): Promise<void> {
    const { disk, home, log } = this.#options
    const specs = recordedChildren(disk, home).flatMap((child) => {
      try {
        const record = this.#files.record(child)
        if (record !== undefined) return [this.#specOf(child, launchOf(record.launch))]
        log.error('daemon:record:refused', { child, error: new Error('it cannot be understood') })
      } catch (error) {
        log.error('daemon:record:refused', { child, error: toError(error) })
      }
      return []
    })
    try {
      await this.#supervisor.begin(specs)
      // Starts have their place by then, one behind the other.
      while (this.#supervisor.views.some(({ state }) => state.name === 'queued')) await delay(queuePollMs)
    } catch (error) {
      log.error('daemon:start:failed', { error: toError(error) })
    }
  }

  get attended(): boolean {
    return performance.now() - this.#lookedMs < lookPatienceMs
  }

  get summary(): string {
    return summarize(this.#supervisor.views)
  }

  get stopMs(): number {
    // Agents first, side by side, and then their hub.
    const longest = (kind: 'agent' | 'hub'): number =>
      Math.max(
        0,
        ...this.#supervisor.views.filter((view) => view.kind === kind).map(({ policy }) => policy.stopMs),
      )
    return longest('agent') + longest('hub')
  }

  list(): readonly JsonObject[] {
    return this.#supervisor.views.map((view) => describeChild(view, this.#notesOf(view.name)))
  }

  show(child: string): JsonObject | undefined {
    const view = this.#supervisor.view(child)
    return view === undefined ? undefined : describeChild(view, this.#notesOf(child))
  }

  act(child: string, action: ChildAction, body: JsonObject): JsonObject {
    const known = this.#supervisor.view(child)
    if (action === 'start') {
      if ('launch' in body || known === undefined) this.#start(child, launchOf(body['launch']))
      else this.#start(child, launchOf(known.launch))
    } else if (known === undefined) {
      throw new PerduraError('ERR_NO_SUCH_CHILD', `the daemon keeps no ${JSON.stringify(child)} running`)
    } else if (action === 'restart') {
      const launch = launchOf('launch' in body ? body['launch'] : known.launch)
      this.#keeper.check(child)
      this.#supervisor.change(this.#specOf(child, launch))
      this.#forgetPast(child)
      this.#ignore(this.#supervisor.restart(child))
    } else if (action === 'stop') this.#ignore(this.#supervisor.stop(child))
    else if (action === 'reload') {
      this.#readSettings()
      this.#reload(child, launchOf(known.launch))
    } else this.#ignore(this.#forget(child))
    return this.show(child) ?? { child, state: 'forgotten' }
  }

  reload(): void {
    this.#readSettings()
    for (const { name, launch } of this.#supervisor.views) this.#reload(name, launchOf(launch))
  }

  async stop(): Promise<void> {
    await this.#supervisor.end()
    this.#close()
  }

  hurry(): void {
    this.#haste ??= 'hurry'
    for (const name of this.#supervisor.names) this.#hasten(name)
  }

  kill(): void {
    this.#haste = 'kill'
    for (const name of this.#supervisor.names) this.#hasten(name)
  }

  leave(): void {
    this.#supervisor.leave()
    this.#close()
  }

  onState(child: string, state: ChildState): void {
    this.#health.entered(child, state)
    const notes = this.#notesOf(child)
    notes.since = Date.now()
    if (state.name === 'starting' || state.name === 'running') this.#keeper.keep(child)
    // Before it reads the file: what is changed while it does so, or while it fails at it, is a change. Safe mode reads none.
    if (state.name === 'starting' && state.mode === 'normal')
      notes.codeChanged = state.adopted ? undefined : this.#codeTime(child)
    // What is being started reads its settings itself.
    if (state.name === 'starting') notes.reloadDue = false
    if (state.name === 'running') {
      notes.failure = undefined
      if (notes.reloadDue === true) this.#signal(child, 'SIGHUP')
    } else notes.beat = undefined
    if (state.name === 'stopped' || state.name === 'failed' || state.name === 'finished')
      this.#keeper.release(child)
    // That it is to be quick it hears before it is asked to end, which comes right after this; it is killed after that.
    if (state.name === 'stopping' && this.#haste === 'hurry') this.#hasten(child)
    else if (state.name === 'stopping') queueMicrotask(() => this.#hasten(child))
  }

  onMessage(child: string, message: unknown): void {
    this.#health.heard(child, message)
    if (!isProcessMessage(message)) return
    const notes = this.#notesOf(child)
    if (message.type === 'beat') notes.beat = JSON.parse(JSON.stringify(message)) as JsonObject
    if (message.type === 'failed') notes.failure = { code: message.code, message: message.message }
    if (message.type === 'hub') notes.connected = message.connected
    if (isOnline(message)) this.#tookOver(child)
    // Somebody asked the agent itself: it is not wanted any more.
    if (message.type === 'stop') this.#ignore(this.#supervisor.stop(child))
  }

  onLine(): void {
    // Its output goes to a file.
  }

  onExit(child: string, exit: ChildExit, reason: EndReason): void {
    this.#health.exited(child, exit, reason)
    const { error } = exit
    const notes = this.#notesOf(child)
    if (error !== undefined)
      notes.failure = { code: 'ERR_NOT_RUNNING', message: `it could not be started: ${error.message}` }
  }

  onEvidence(child: string, reason: string, evidence: string): void {
    this.#options.log.warn('daemon:child:evidence', { child, reason, evidence })
    this.#notesOf(child).evidence = { at: Date.now(), reason, text: evidence }
  }

  #start(child: string, launch: Launch): void {
    if (agentOf(child) === undefined && child !== hubChild)
      throw new PerduraError('ERR_NO_SUCH_CHILD', 'a child is "hub" or "agent:<name>"')
    this.#keeper.check(child)
    const state = this.#supervisor.view(child)?.state.name
    if (state !== 'starting' && state !== 'running') this.#forgetPast(child)
    this.#ignore(this.#supervisor.start(this.#specOf(child, launch)))
  }

  /** To take over is meant for once: two daemons that did it at each start would take the session from each other for ever. */
  #tookOver(child: string): void {
    const view = this.#supervisor.view(child)
    const launch = view === undefined ? undefined : launchOf(view.launch)
    if (launch === undefined || launch.untilOnline.length === 0) return
    this.#supervisor.change(this.#specOf(child, { ...launch, untilOnline: [] }))
  }

  #readSettings(): void {
    const problem = this.#options.settings.reload()
    if (problem !== undefined)
      this.#options.log.error('settings:load:failed', { error: problem, inForce: 'before' })
  }

  #reload(child: string, launch: Launch): void {
    this.#supervisor.change(this.#specOf(child, launch))
    this.#signal(child, 'SIGHUP')
  }

  async #forget(child: string): Promise<void> {
    await this.#supervisor.remove(child)
    this.#files.remove(child)
    this.#health.forget(child)
    this.#notes.delete(child)
  }

  #specOf(child: string, launch: Launch): ChildSpec {
    const { settings } = this.#options
    const agent = agentOf(child)
    const own = agent === undefined ? settings.current.base : settings.current.of(agent)
    return {
      name: child,
      kind: agent === undefined ? 'hub' : 'agent',
      policy: { ...policyOf(own.supervision), ...launch.policy },
      launch: launchJson(launch),
      beats: true,
    }
  }

  /** The process that has the agent open by its own word, if a daemon started it. */
  #find(child: string): AdoptedProcess | undefined {
    const { disk, home, processes } = this.#options
    const agent = agentOf(child)
    const record =
      agent === undefined
        ? readHubRecord(disk, hubPaths(home).record)
        : readProcessRecord(disk, agentPaths(home, agent).processRecord)
    return record?.daemon === true && isAlive(processes, record) ? record : undefined
  }

  /** The hub is left alone until its agents have gone and its turn has come: they say good-bye, and it would be started again. */
  #hasten(child: string): void {
    if (this.#haste === undefined) return
    if (agentOf(child) === undefined && this.#supervisor.view(child)?.state.name !== 'stopping') return
    if (this.#haste === 'kill') this.#supervisor.kill(child)
    else this.#signal(child, 'SIGQUIT')
  }

  /**
   * One that is being started is left alone: it would be ended by a signal that it does not handle yet. It may have read its
   * settings before they were changed: it is told to read them again when it is ready.
   */
  #signal(child: string, signal: 'SIGHUP' | 'SIGQUIT'): void {
    const { pid = null, identity = null, ready = true } = this.#supervisor.view(child)?.process ?? {}
    if (signal === 'SIGHUP') this.#notesOf(child).reloadDue = !ready
    if (pid === null || identity === null || !ready) return
    signalProcess(this.#options.processes, { pid, identity }, signal)
  }

  #look(): void {
    this.#lookedMs = performance.now()
    for (const { name, state, past } of this.#supervisor.views) {
      const notes = this.#notesOf(name)
      boundOutputFile(childFiles(this.#options.home, name).output)
      if (!awaitsMending(state, past.safeMode.period !== null)) continue
      const changed = this.#codeTime(name)
      // A file that is gone is no reason to try; the one that comes in its place is.
      if (changed === undefined || changed === 0) continue
      // An earlier daemon saw the last start: what is younger than that is what it has not been tried with.
      const isNew =
        notes.codeChanged === undefined ? changed > lastStart(past) : changed !== notes.codeChanged
      if (!isNew) {
        notes.codeChanged = changed
        continue
      }
      if (this.#isElsewhere(name)) continue
      notes.codeChanged = changed
      this.#options.log.info('daemon:child:code-changed', { child: name })
      this.#supervisor.definitionChanged(name)
    }
  }

  /** While it waited here, somebody has started it with `up`. */
  #isElsewhere(child: string): boolean {
    try {
      this.#keeper.check(child)
      return false
    } catch {
      return true
    }
  }

  /** When its definition's file was changed, wall-clock ms: 0 where that is gone, undefined where it has none. */
  #codeTime(child: string): number | undefined {
    const view = this.#supervisor.view(child)
    const file = isJsonObject(view?.launch) ? (view.launch['code_file'] as Json) : null
    if (typeof file !== 'string') return undefined
    return codeTime(file)
  }

  #notesOf(child: string): ChildNotes {
    let notes = this.#notes.get(child)
    if (notes === undefined) {
      notes = { since: Date.now() }
      this.#notes.set(child, notes)
    }
    return notes
  }

  #forgetPast(child: string): void {
    this.#notes.set(child, { since: Date.now() })
  }

  /** What is asked for is done in its time; what goes wrong with it is said in the log. */
  #ignore(done: Promise<unknown> | undefined | void): void {
    Promise.resolve(done).catch((error: unknown) => {
      this.#options.log.error('daemon:child:failed', { error: toError(error) })
    })
  }

  #close(): void {
    clearInterval(this.#timer)
    this.#health.close()
    this.#keeper.close()
  }
}
