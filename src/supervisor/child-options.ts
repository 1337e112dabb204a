import type { ChildCommand, ChildExit, Spawner } from '../platform/child.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { ChildState, ChildWord } from './child-state.ts'
import type { ChildMode, EndReason } from './exits.ts'
import type { PastFigures } from './history.ts'
import type { SupervisorParts } from './parts.ts'
import type { ChildPolicy } from './policy.ts'
import type { StartSpacing } from './start-spacing.ts'

export interface SupervisedChildOptions {
  /** Asked for each time that a process is started. */
  readonly command: (mode: ChildMode) => ChildCommand
  readonly spawner: Spawner
  readonly clock: Clock
  readonly random: Random
  readonly sink: SupervisedChildSink
  /** What a message of the child means. */
  readonly understand: (message: unknown) => ChildWord | undefined
  /** Whether it beats from when it is ready. Default false: then it is watched from its first beat on. */
  readonly beats?: boolean
  /** Whether it can be started without its mind. Default false: when it fails too often it is tried slowly instead. */
  readonly hasSafeMode?: boolean
  readonly policy?: ChildPolicy
  /** What an earlier supervisor knew of it. */
  readonly past?: PastFigures
  /** Shared with the other children, to keep starts apart. */
  readonly spacing?: StartSpacing
  readonly parts?: Partial<SupervisorParts>
}

export interface SupervisedChildSink {
  onState(state: ChildState): void
  onMessage(message: unknown): void
  onLine(stream: 'stdout' | 'stderr', line: string): void
  onExit(exit: ChildExit, reason: EndReason): void
  /** What the next supervisor must know is not as it was; also called just before a process is started. */
  onFacts?(): void
  /** What could be seen of a process that is to be killed for not answering. */
  onEvidence?(reason: EndReason, evidence: string): void
}

/** What the next supervisor must know about the process that there is. */
export interface ProcessFacts {
  /** Undefined while it is being started, and where it could not be. */
  readonly pid: number | undefined
  readonly mode: ChildMode
  readonly ready: boolean
  /** Why it was asked to end, where it was. */
  readonly asked: EndReason | undefined
  /** Wall-clock ms. */
  readonly startedAt: number
}
