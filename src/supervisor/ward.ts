import { PerduraError } from '../errors.ts'
import type { AdoptedProcess } from '../platform/child.ts'
import type { Log } from '../platform/log.ts'
import { SupervisedChild } from './child.ts'
import { awaitsMending, type ChildState } from './child-state.ts'
import { supervisorParts, type SupervisorParts } from './parts.ts'
import type { ProcessRecordFacts, SupervisionRecord } from './record.ts'
import { RecordKeeper } from './record-keeper.ts'
import type { StartSpacing } from './start-spacing.ts'
import type { ChildSpec, ChildView, SupervisorOptions } from './supervisor.ts'

export interface WardOptions extends SupervisorOptions {
  readonly spacing: StartSpacing
}

/** A process that no record names has so long to say that it is there, ms: it tries to each second. */
const unknownProcessMs = 1_500

/**
 * One child of a supervisor with its record: what is wanted of it, and what the last supervisor knew.
 *
 * A record that cannot be written does not keep a process from being started: an agent that works and is not recorded is
 * worth more than one that waits for room on the disk. It is tried again until it is on disk, and shown until then.
 */
export class Ward {
  readonly #options: WardOptions
  readonly #log: Log
  readonly #parts: SupervisorParts
  readonly #child: SupervisedChild
  readonly #keeper: RecordKeeper
  readonly #before: SupervisionRecord | undefined
  readonly #beforeStarted = Promise.withResolvers<void>()
  #spec: ChildSpec
  #wanted: 'running' | 'stopped'
  /** Until when a process may be there that has said nothing yet. */
  #settled: Promise<void> | undefined
  /** Of the process that started then: a number alone is used again. */
  #identity: { readonly startedAt: number; readonly pid: number; readonly identity: string } | undefined
  /** Somebody wanted it started while it was not known yet which process there is. */
  #isAsked = false
  /** Nothing is started any more. */
  #isClosing = false
  #isLeft = false

  constructor(spec: ChildSpec, options: WardOptions) {
    this.#options = options
    this.#spec = spec
    this.#log = options.log.with({ child: spec.name })
    this.#parts = { ...supervisorParts, ...options.parts }
    this.#keeper = new RecordKeeper({
      ...options,
      name: spec.name,
      log: this.#log,
      parts: this.#parts,
      current: () => this.#record(),
    })
    this.#before = this.#keeper.read()
    this.#wanted = this.#before?.wanted ?? 'stopped'
    this.#child = this.#createChild()
  }

  get kind(): ChildSpec['kind'] {
    return this.#spec.kind
  }

  get isWanted(): boolean {
    return this.#wanted === 'running'
  }

  /** Resolves once its first start has come to something, good or bad. */
  get started(): Promise<void> {
    return this.#beforeStarted.promise
  }

  /** Resolves once it is known which process there is. */
  get settled(): Promise<void> {
    return this.#settled ?? Promise.resolve()
  }

  get view(): ChildView {
    const { name, kind, launch, policy } = this.#spec
    return {
      name,
      kind,
      launch,
      policy,
      wanted: this.#wanted,
      state: this.#child.state,
      process: this.#process,
      past: this.#child.history.figures,
      failuresInWindow: this.#child.history.failuresInWindow(policy),
      unsaved: this.#unsaved?.message,
    }
  }

  /**
   * Goes on with the process that the last supervisor left, if there is one: the last supervisor may have died before it
   * could write down what it started, or had no room for that. The process table says so; where it cannot be searched, a
   * process that is wanted and not to be found is given time to say that it is there.
   */
  takeOver(search: SupervisorOptions['search']): void {
    const before = this.#before
    const { bootId, clock, find } = this.#options
    const { name, kind, policy } = this.#spec
    const rebooted = bootId !== undefined && typeof before?.bootId === 'string' && before.bootId !== bootId
    const known = before?.process ?? undefined
    const recorded = rebooted ? undefined : identityOf(known)
    if (recorded !== undefined && this.#adopt(recorded, known)) return
    const found = find(name)
    // It is ready when it writes that file; whether it has its mind is known since it was announced.
    const mode = known?.mode ?? 'normal'
    const facts = { ready: true, asked: null, mode, startedAt: known?.startedAt ?? clock.now() }
    if (found !== undefined && this.#adopt(found, { ...found, ...facts })) return
    if (before === undefined) return
    if (known !== undefined && known.pid !== null) {
      // Of one that is not wanted no end is a failure: somebody stopped it while there was no supervisor to tell.
      const reason = before.wanted === 'stopped' ? 'stop' : rebooted ? 'reboot' : (known.asked ?? 'lost')
      this.#child.history.missed(reason, known, kind === 'agent', policy)
      this.#save()
    }
    const started = before.wanted === 'running' || known !== undefined ? search() : undefined
    const [unknown] = started?.get(name) ?? []
    if (unknown !== undefined && this.#adopt(unknown, { ...unknown, ...this.#guess(known) })) return
    if (before.wanted === 'stopped') return
    if (before.outcome !== null) this.#child.resume(before.outcome, false)
    if (before.outcome !== null || started !== undefined) return
    this.#settled = new Promise((resolve) => {
      this.#parts.setAwakeTimer(clock, unknownProcessMs, () => {
        this.#settled = undefined
        resolve()
      })
    })
  }

  /** Starts it where it is wanted and there is no process, as its past allows. */
  resume(): void {
    if (!this.#mayAct('running')) return
    if (this.#isAsked && this.#child.state.name === 'stopped') {
      this.#child.start()
      return
    }
    const isAnnounced = this.#before?.process?.pid === null
    this.#child.resume(undefined, !isAnnounced)
  }

  found(process: AdoptedProcess): boolean {
    if (this.#isClosing) return false
    if (this.#child.process?.pid === process.pid) return true
    return this.#adopt(process, { ...process, ...this.#guess(this.#before?.process ?? undefined) })
  }

  /** What a process that no record names may be; whether it is ready, and has its mind, it says by itself. */
  #guess(known: ProcessRecordFacts | undefined): Omit<ProcessRecordFacts, 'pid' | 'identity'> {
    const announced = known?.pid === null ? known : undefined
    const { mode = 'normal', startedAt = this.#options.clock.now() } = announced ?? {}
    return { mode, ready: false, asked: null, startedAt }
  }

  change(spec: ChildSpec): void {
    this.#spec = spec
    this.#child.setPolicy(spec.policy)
    this.#save()
  }

  async start(): Promise<void> {
    await this.#want('running')
    if (this.#mayAct('running')) this.#child.start()
    this.#save()
    this.#checkKept('running')
  }

  async restart(): Promise<void> {
    const settling = this.#settled
    await this.#want('running')
    const { state } = this.#child
    const isThere = 'adopted' in state && state.adopted
    if (this.#mayAct('running')) {
      // One that was only just started since somebody wants it is not started a second time.
      if (settling === undefined || isThere) this.#child.restart()
      else this.#child.start()
    }
    this.#save()
    this.#checkKept('running')
  }

  async stop(): Promise<void> {
    await this.#want('stopped')
    if (this.#mayAct('stopped')) await this.#child.stop()
    this.#save()
    this.#checkKept('stopped')
  }

  /** Ends the process; what is wanted stays as it is. */
  async rest(): Promise<void> {
    this.#isClosing = true
    const { name } = this.#child.state
    if (name !== 'failed' && name !== 'finished') await this.#child.stop()
  }

  kill(): boolean {
    return this.#child.kill()
  }

  definitionChanged(): void {
    if (!this.#mayAct('running')) return
    if (awaitsMending(this.#child.state, this.#child.history.safeMode.isOn)) this.#child.restart()
    this.#save()
  }

  leave(): void {
    if (this.#isLeft) return
    this.#save()
    this.#isClosing = true
    this.#isLeft = true
    this.#keeper.close()
    this.#child.leave()
  }

  /**
   * Notes what is wanted before anything is done about it. A start that cannot be written down is not made: the next
   * supervisor would not look for the process. A stop is made all the same.
   */
  async #want(wanted: 'running' | 'stopped'): Promise<void> {
    if (this.#isClosing) throw closing()
    const before = this.#wanted
    this.#wanted = wanted
    this.#save()
    if (this.#unsaved !== undefined && wanted === 'running' && this.#child.process === undefined) {
      this.#wanted = before
      throw unkept(`${this.#spec.name} was not started, since that could not be written down`, this.#unsaved)
    }
    if (this.#settled !== undefined) this.#isAsked = wanted === 'running'
    await this.settled
  }

  /** Whether this is still what people want, after a wait. */
  #mayAct(wanted: 'running' | 'stopped'): boolean {
    return !this.#isClosing && this.#wanted === wanted
  }

  /** What is said to be done is done for the next supervisor too. */
  #checkKept(wanted: 'running' | 'stopped'): void {
    if (this.#isLeft) throw closing()
    if (this.#unsaved === undefined || this.#wanted !== wanted) return
    const { name } = this.#spec
    const [done, next] =
      wanted === 'running' ? ['runs', 'would not know'] : ['has stopped', 'would start it again']
    throw unkept(
      `${name} ${done}, but that could not be written down, and the next daemon ${next}`,
      this.#unsaved,
    )
  }

  #createChild(): SupervisedChild {
    const { clock, command, random, sink, spacing, spawner, understand } = this.#options
    const { name, beats, kind, policy } = this.#spec
    return new SupervisedChild({
      command: (mode) => command(this.#spec, mode),
      spawner,
      clock,
      random,
      understand,
      beats,
      hasSafeMode: kind === 'agent',
      policy,
      spacing,
      parts: this.#parts,
      ...(this.#before !== undefined && { past: this.#before.past }),
      sink: {
        onState: (state) => {
          this.#entered(state)
          sink.onState(name, state)
        },
        onMessage: (message) => sink.onMessage(name, message),
        onLine: (stream, line) => sink.onLine(name, stream, line),
        onExit: (exit, reason) => {
          const { code, signal, error } = exit
          const level = this.#parts.isFailure(reason) || reason === 'refused' ? 'warn' : 'info'
          this.#log[level]('supervisor:child:ended', { reason, code, signal, error })
          sink.onExit(name, exit, reason)
        },
        onFacts: () => this.#save(),
        onEvidence: (reason, evidence) => sink.onEvidence(name, reason, evidence),
      },
    })
  }

  #entered(state: ChildState): void {
    const { name } = state
    if (name !== 'starting' && name !== 'queued') this.#beforeStarted.resolve()
    const { period, level } = this.#child.history.safeMode
    if (name === 'starting' && state.mode === 'safe' && period !== undefined) {
      const lastsMs = Math.round(period.untilMs - this.#options.clock.monotonicMs())
      this.#log.error('supervisor:safe-mode:entered', { level, lastsMs })
    }
    const fields = {
      state: name,
      ...('pid' in state && { pid: state.pid }),
      ...('reason' in state && { reason: state.reason }),
      ...('delayMs' in state && { delayMs: state.delayMs }),
      ...('adopted' in state && { adopted: state.adopted }),
    }
    this.#log.info('supervisor:child:state', fields)
  }

  #adopt(process: AdoptedProcess, known: ProcessRecordFacts | undefined): boolean {
    const { mode, ready, asked, startedAt } = known ?? {
      mode: 'normal',
      ready: true,
      asked: null,
      startedAt: this.#options.clock.now(),
    }
    this.#identity = { pid: process.pid, identity: process.identity, startedAt }
    if (!this.#child.adopt(process, { mode, ready, asked: asked ?? undefined, startedAt })) return false
    // One that runs although there is no record of it is wanted by whoever started it; one that was to stop is to stop.
    if (this.#before === undefined) this.#wanted = 'running'
    this.#save()
    if (this.#wanted === 'stopped') void this.#child.stop()
    return true
  }

  get #process(): ProcessRecordFacts | null {
    const { process } = this.#child
    if (process === undefined) return null
    const { mode, ready, asked = null, startedAt, pid = null } = process
    return { pid, identity: this.#identify(pid, startedAt), mode, ready, asked, startedAt }
  }

  #identify(pid: number | null, startedAt: number): string | null {
    if (pid === null) return null
    if (this.#identity?.pid !== pid || this.#identity.startedAt !== startedAt) {
      const identity = this.#options.processes.identify(pid)
      this.#identity = identity === undefined ? undefined : { pid, identity, startedAt }
    }
    return this.#identity?.identity ?? null
  }

  #record(): SupervisionRecord {
    const { state } = this.#child
    return {
      launch: this.#spec.launch,
      wanted: this.#wanted,
      outcome: state.name === 'failed' || state.name === 'finished' ? state.name : null,
      process: this.#process,
      bootId: this.#options.bootId ?? null,
      past: this.#child.history.figures,
    }
  }

  #save(): void {
    this.#keeper.save()
  }

  get #unsaved(): Error | undefined {
    return this.#keeper.problem
  }
}

function unkept(what: string, cause: Error): PerduraError {
  return new PerduraError(
    'ERR_RECORD_WRITE',
    `${what} (${cause.message}): make room on the disk, and ask again`,
    {
      cause,
    },
  )
}

function closing(): PerduraError {
  return new PerduraError('ERR_NOT_RUNNING', 'the daemon is going: ask the next one')
}

function identityOf(process: ProcessRecordFacts | undefined): AdoptedProcess | undefined {
  if (process === undefined || process.pid === null || process.identity === null) return undefined
  return { pid: process.pid, identity: process.identity }
}
