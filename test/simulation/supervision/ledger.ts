import type { ChildSpec } from '../../../src/supervisor/supervisor.ts'
import type { ChildProcess } from './process.ts'

/** What people asked for of one child, and what the judge has seen of it since. */
export class Ledger {
  readonly spec: ChildSpec
  /** `either`: the last word has no answer yet. */
  wanted: 'running' | 'stopped' | 'either' = 'either'
  /** When somebody last asked for an end of its process, or for a start. */
  askedMs = -Infinity
  /** It said that starting it is of no use, and nobody has asked since. */
  refused = false
  /** The same, before it is on disk. */
  hasRefused = false
  /** Ends since progress, or since somebody had it tried again: no more than these count against it. */
  counted = 0
  /** Processes in a row that surely count against it, since none did anything or was stable. */
  setbacks = 0
  /** Ends of processes of which a supervisor could know. */
  ends = 0
  mode: 'normal' | 'safe' = 'normal'
  /** The process that was started last. */
  last: ChildProcess | undefined
  /** Of its last record. */
  onDisk = { inARow: 0, level: 0 }
  /** Time in safe mode while a supervisor was there, since it began or the supervisor changed, ms. */
  safeMs = 0
  /** When it was started by itself, of the last minute. */
  startsMs: number[] = []

  constructor(spec: ChildSpec) {
    this.spec = spec
  }

  /** Somebody asks for it to be started, ended or killed. */
  asked(nowMs: number): void {
    this.askedMs = nowMs
    this.setbacks = 0
  }

  /** It is tried again with all its budget. */
  forgiven(): void {
    this.refused = false
    this.hasRefused = false
    // An end that its supervisor has not been told of yet counts after that.
    this.counted = Math.min(this.counted, 1)
  }
}
