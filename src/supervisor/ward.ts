import { toError } from '../errors.ts'
import type { AdoptedProcess } from '../platform/child.ts'
import { sleep, type Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import { SupervisedChild } from './child.ts'
import type { ChildState } from './child-state.ts'
import { isFailure } from './exits.ts'
import {
  readRecord,
  writeRecord,
  type ProcessRecordFacts,
  type RecordReading,
  type SupervisionRecord,
} from './record.ts'
import type { StartSpacing } from './start-spacing.ts'
import type { ChildSpec, ChildView, SupervisorOptions } from './supervisor.ts'

export interface WardOptions extends SupervisorOptions {
  readonly spacing: StartSpacing
}

/** A record that could not be written is tried again so often, ms: a full disk does not stay full. */
const retryMs = 1_000
/** A process that was being started when its supervisor died has so long to say that it is there, ms. */
const unknownProcessMs = 2_000

/**
 * One child of a supervisor with its record: what is wanted of it, and what the last supervisor knew.
 *
 * A record that cannot be written does not keep a process from being started: an agent that works and is not recorded is
 * worth more than one that waits for room on the disk. It is tried again until it is on disk, and shown until then.
 */
export class Ward {
  readonly #options: WardOptions
  readonly #log: Log
  readonly #child: SupervisedChild
  readonly #before: SupervisionRecord | undefined
  readonly #beforeStarted = Promise.withResolvers<void>()
  #spec: ChildSpec
  #wanted: 'running' | 'stopped'
  /** Until when a process may be there that has said nothing yet. */
  #settled: Promise<void> | undefined
  #identity: AdoptedProcess | undefined
  #written: string | undefined
  #unsaved: Error | undefined
  #retry: Timer | undefined
  #isLeft = false

  constructor(spec: ChildSpec, options: WardOptions) {
    this.#options = options
    this.#spec = spec
    this.#log = options.log.with({ child: spec.name })
    this.#before = this.#readRecord()
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

  /** Goes on with the process that the last supervisor left, if there is one. */
  takeOver(): void {
    const { bootId, find } = this.#options
    const { name, kind, policy } = this.#spec
    const known = this.#before?.process ?? undefined
    const rebooted =
      bootId !== undefined && typeof this.#before?.bootId === 'string' && this.#before.bootId !== bootId
    const recorded = rebooted ? undefined : identityOf(known)
    if (recorded !== undefined && this.#adopt(recorded, known)) return
    const found = find(name)
    if (found !== undefined && this.#adopt(found, recorded?.pid === found.pid ? known : undefined)) return
    if (known === undefined) return
    if (known.pid !== null || rebooted) {
      this.#child.history.missed(rebooted ? 'reboot' : 'lost', known, kind === 'agent', policy)
    } else {
      this.#settled = sleep(this.#options.clock, unknownProcessMs).then(() => {
        this.#settled = undefined
      })
    }
  }

  /** Starts it where it is wanted and there is no process, as its past allows. */
  resume(): void {
    if (this.#isLeft || this.#wanted === 'stopped') return
    const isAnnounced = this.#before?.process?.pid === null
    this.#child.resume(this.#before?.outcome ?? undefined, !isAnnounced)
  }

  found(process: AdoptedProcess): boolean {
    if (this.#isLeft) return false
    if (this.#child.process?.pid === process.pid) return true
    return this.#adopt(process, undefined)
  }

  change(spec: ChildSpec): void {
    this.#spec = spec
    this.#child.setPolicy(spec.policy)
    this.#save()
  }

  async want(): Promise<void> {
    this.#wanted = 'running'
    this.#save()
    await this.settled
    if (this.#mayAct('running')) this.#child.start()
  }

  async restart(): Promise<void> {
    this.#wanted = 'running'
    this.#save()
    await this.settled
    if (this.#mayAct('running')) this.#child.restart()
  }

  async stop(): Promise<void> {
    this.#wanted = 'stopped'
    this.#save()
    await this.settled
    if (this.#mayAct('stopped')) await this.#child.stop()
    this.#save()
    if (this.#unsaved !== undefined && this.#wanted === 'stopped') throw this.#unsaved
  }

  /** Ends the process; what is wanted stays as it is. */
  async rest(): Promise<void> {
    const { name } = this.#child.state
    if (name !== 'failed' && name !== 'finished') await this.#child.stop()
  }

  kill(): boolean {
    return this.#child.kill()
  }

  definitionChanged(): void {
    const waits = this.#child.state.name === 'backing-off'
    if (waits || this.#child.history.safeMode.isOn) this.#child.restart()
  }

  leave(): void {
    if (this.#isLeft) return
    this.#save()
    this.#isLeft = true
    this.#retry?.cancel()
    this.#child.leave()
  }

  /** Whether this is still what people want, after a wait. */
  #mayAct(wanted: 'running' | 'stopped'): boolean {
    return !this.#isLeft && this.#wanted === wanted
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
          const level = isFailure(reason) || reason === 'refused' ? 'warn' : 'info'
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
    const { mode, ready, startedAt } = known ?? {
      mode: 'normal',
      ready: true,
      startedAt: this.#options.clock.now(),
    }
    this.#identity = process
    if (!this.#child.adopt(process, { mode, ready, startedAt })) return false
    // One that runs although there is no record of it is wanted by whoever started it; one that was to stop is to stop.
    if (this.#before === undefined) this.#wanted = 'running'
    this.#save()
    if (this.#wanted === 'stopped') void this.#child.stop()
    return true
  }

  get #process(): ProcessRecordFacts | null {
    const { process } = this.#child
    if (process === undefined) return null
    const { mode, ready, startedAt, pid = null } = process
    if (pid !== null && this.#identity?.pid !== pid) {
      const identity = this.#options.processes.identify(pid)
      this.#identity = identity === undefined ? undefined : { pid, identity }
    }
    return { pid, identity: pid === null ? null : (this.#identity?.identity ?? null), mode, ready, startedAt }
  }

  #readRecord(): SupervisionRecord | undefined {
    const { records } = this.#options
    const { name } = this.#spec
    let reading: RecordReading
    try {
      const text = records.read(name)
      if (text === undefined) return undefined
      reading = readRecord(text)
    } catch (thrown) {
      reading = { status: 'foreign', reason: toError(thrown).message, record: undefined }
    }
    if (reading.status === 'foreign') {
      this.#log.error('supervisor:record:foreign', { reason: reading.reason })
      records.setAside(name)
    }
    return reading.record
  }

  #save(): void {
    if (this.#isLeft) return
    const { state } = this.#child
    const record: SupervisionRecord = {
      launch: this.#spec.launch,
      wanted: this.#wanted,
      outcome: state.name === 'failed' || state.name === 'finished' ? state.name : null,
      process: this.#process,
      bootId: this.#options.bootId ?? null,
      past: this.#child.history.figures,
    }
    const text = writeRecord(record)
    if (text === this.#written) return
    this.#retry?.cancel()
    try {
      this.#options.records.write(this.#spec.name, text)
      this.#written = text
      this.#unsaved = undefined
    } catch (thrown) {
      const error = toError(thrown)
      if (this.#unsaved === undefined) this.#log.error('supervisor:record:failed', { error })
      this.#written = undefined
      this.#unsaved = error
      this.#retry = this.#options.clock.setTimer(retryMs, () => this.#save())
    }
  }
}

function identityOf(process: ProcessRecordFacts | undefined): AdoptedProcess | undefined {
  if (process === undefined || process.pid === null || process.identity === null) return undefined
  return { pid: process.pid, identity: process.identity }
}
