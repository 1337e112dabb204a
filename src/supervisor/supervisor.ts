import type { JsonObject } from '../json.ts'
import type { AdoptedProcess, ChildCommand, ChildExit, Spawner } from '../platform/child.ts'
import { sleep, type Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { ProcessTable } from '../platform/process-table.ts'
import type { Random } from '../platform/random.ts'
import type { ChildState, ChildWord } from './child-state.ts'
import type { ChildMode, EndReason } from './exits.ts'
import type { PastFigures } from './history.ts'
import type { SupervisorParts } from './parts.ts'
import type { ChildPolicy } from './policy.ts'
import type { ProcessRecordFacts } from './record.ts'
import { StartSpacing } from './start-spacing.ts'
import { Ward } from './ward.ts'

/** One child of a supervisor: its name, what it is, and how it is kept. */
export interface ChildSpec {
  readonly name: string
  /** A hub starts before the agents and stops after them, and has no mind that could be left out. */
  readonly kind: 'hub' | 'agent'
  readonly policy: ChildPolicy
  /** What is to be started; the supervisor keeps it and does not look inside. */
  readonly launch: JsonObject
  /** Whether it beats from when it is ready. */
  readonly beats: boolean
}

/** Where records are kept: one document for each child. All three are done when they return. */
export interface SupervisionRecords {
  /** Undefined where there is none. Throws where it cannot be read. */
  read(name: string): string | undefined
  /** Replaces it whole, durably. Throws where it could not be written: a full disk. */
  write(name: string, text: string): void
  /** Keeps what is there under another name, as evidence. Never throws. */
  setAside(name: string): void
}

export type StartedProcesses = ReadonlyMap<string, readonly AdoptedProcess[]>

/** What is told of each child, by name. */
export interface SupervisorSink {
  onState(name: string, state: ChildState): void
  onMessage(name: string, message: unknown): void
  onLine(name: string, stream: 'stdout' | 'stderr', line: string): void
  onExit(name: string, exit: ChildExit, reason: EndReason): void
  onEvidence(name: string, reason: EndReason, evidence: string): void
}

export interface SupervisorOptions {
  readonly spawner: Spawner
  readonly clock: Clock
  readonly random: Random
  readonly processes: ProcessTable
  /** Of this boot; undefined where the system does not tell. */
  readonly bootId: string | undefined
  readonly log: Log
  readonly records: SupervisionRecords
  readonly command: (spec: ChildSpec, mode: ChildMode) => ChildCommand
  readonly understand: (message: unknown) => ChildWord | undefined
  /** The process that serves this child by its own word (its pid file), if there is one; it may be gone. */
  readonly find: (name: string) => AdoptedProcess | undefined
  /**
   * The processes that were started for children and still run, by child, whether or not they can speak; undefined where
   * the system does not show them. It looks at all processes of the machine.
   */
  readonly search: () => StartedProcesses | undefined
  readonly sink: SupervisorSink
  /** Between two starts, ms. Default 100. */
  readonly startGapMs?: number
  readonly parts?: Partial<SupervisorParts>
}

/** A child as it stands, for whoever looks. */
export interface ChildView {
  readonly name: string
  readonly kind: ChildSpec['kind']
  readonly launch: JsonObject
  readonly policy: ChildPolicy
  readonly wanted: 'running' | 'stopped'
  readonly state: ChildState
  readonly process: ProcessRecordFacts | null
  readonly past: PastFigures
  readonly failuresInWindow: number
  /** Why its record is not on disk as it stands here; undefined when it is. */
  readonly unsaved: string | undefined
}

/** Agents wait so long for their hub to be ready, ms; without it they work, and try to reach it. */
const hubLeadMs = 5_000
const startGapMs = 100

/**
 * Keeps many children running, each by its name, and remembers what it has to do over its own death.
 *
 * What a child was, is and is to be stands in its record, which is written before anything is done on the strength of it:
 * before a process is started, before a stop is said to be done. So the next supervisor takes over what runs, looks for
 * what was being started, starts what is wanted, and nothing else.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #spacing: StartSpacing
  readonly #wards = new Map<string, Ward>()
  readonly #leaving = new AbortController()

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#spacing = new StartSpacing(options.clock, options.startGapMs ?? startGapMs)
  }

  /**
   * Takes over what runs and starts what is wanted of these, the hub first; of a child that has no record nothing is
   * wanted yet. Resolves when each start that was due has been made.
   */
  async begin(specs: readonly ChildSpec[]): Promise<void> {
    const added = specs.map((spec) => this.#add(spec))
    let started: StartedProcesses | 'unknown' | undefined
    const search = (): StartedProcesses | undefined => {
      started ??= this.#options.search() ?? 'unknown'
      return started === 'unknown' ? undefined : started
    }
    for (const ward of added) ward.takeOver(search)
    const hubs = added.filter(({ kind }) => kind === 'hub')
    const agents = added.filter(({ kind }) => kind === 'agent')
    for (const wards of [hubs, agents]) {
      await Promise.all(wards.map((ward) => this.#resume(ward)))
      if (wards === hubs) await this.#started(hubs.filter(({ isWanted }) => isWanted))
    }
  }

  /** A process says of itself that it serves this child: it is taken over where none is known. */
  found(name: string, process: AdoptedProcess): boolean {
    return this.#wards.get(name)?.found(process) ?? false
  }

  get names(): readonly string[] {
    return [...this.#wards.keys()]
  }

  /** Undefined for a name that is not supervised. */
  view(name: string): ChildView | undefined {
    return this.#wards.get(name)?.view
  }

  get views(): readonly ChildView[] {
    return [...this.#wards.values()].map(({ view }) => view)
  }

  /**
   * From now on it is wanted. A child that is known is started from what `spec` says now, at its next start. Resolves when
   * that is on disk and the start is made or has its place; throws ERR_RECORD_WRITE where it could not be written, and then
   * starts nothing, and ERR_NOT_RUNNING where this supervisor is on its way out.
   */
  async start(spec: ChildSpec): Promise<void> {
    let ward = this.#wards.get(spec.name)
    if (ward === undefined) {
      ward = this.#add(spec)
      ward.takeOver(this.#options.search)
    } else ward.change(spec)
    await ward.start()
  }

  /**
   * From now on it is not wanted. Resolves when no process of it is left and that is on disk; throws ERR_RECORD_WRITE where
   * it could not be written: then it has stopped, and the next supervisor would start it again. Of a name that is not
   * known it does nothing.
   */
  async stop(name: string): Promise<void> {
    await this.#wards.get(name)?.stop()
  }

  /** Ends its process and starts the next one, with all its budget; also one that is not running. Throws as `start` does. */
  async restart(name: string): Promise<void> {
    await this.#wards.get(name)?.restart()
  }

  /** Kills its process at once; unless it is stopping it comes back. */
  kill(name: string): boolean {
    return this.#wards.get(name)?.kill() ?? false
  }

  /** What it is made of has changed: one that is in safe mode, or waits for its next try, is tried with that at once. */
  definitionChanged(name: string): void {
    this.#wards.get(name)?.definitionChanged()
  }

  /** Takes policies anew; no process is touched. Of a name that is not known it does nothing. */
  change(spec: ChildSpec): void {
    this.#wards.get(spec.name)?.change(spec)
  }

  /** It is not supervised any more, and has no process. Its record stays until somebody removes it. */
  async remove(name: string): Promise<void> {
    await this.stop(name)
    this.#wards.get(name)?.leave()
    this.#wards.delete(name)
  }

  /** Stops supervising; whatever runs goes on. */
  leave(): void {
    this.#leaving.abort()
    for (const ward of this.#wards.values()) ward.leave()
  }

  /**
   * Ends all processes, the hub's last, so that what agents have just committed still gets out. What is wanted stays
   * wanted: the next supervisor starts it again.
   */
  async end(): Promise<void> {
    this.#leaving.abort()
    const wards = [...this.#wards.values()]
    for (const kind of ['agent', 'hub'] as const) {
      await Promise.all(wards.filter((ward) => ward.kind === kind).map((ward) => ward.rest()))
    }
    for (const ward of wards) ward.leave()
  }

  #add(spec: ChildSpec): Ward {
    const ward = new Ward(spec, { ...this.#options, spacing: this.#spacing })
    this.#wards.set(spec.name, ward)
    return ward
  }

  async #resume(ward: Ward): Promise<void> {
    await ward.settled
    if (!this.#leaving.signal.aborted) ward.resume()
  }

  async #started(hubs: readonly Ward[]): Promise<void> {
    if (hubs.length === 0) return
    const late = sleep(this.#options.clock, hubLeadMs, this.#leaving.signal)
    await Promise.race([late, Promise.all(hubs.map((ward) => ward.started))])
  }
}
