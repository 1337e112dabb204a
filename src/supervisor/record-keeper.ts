import { toError } from '../errors.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { SupervisorParts } from './parts.ts'
import type { RecordReading, SupervisionRecord } from './record.ts'
import type { SupervisionRecords } from './supervisor.ts'

export interface RecordKeeperOptions {
  readonly name: string
  readonly records: SupervisionRecords
  readonly clock: Pick<Clock, 'setTimer'>
  readonly log: Log
  readonly parts: Pick<SupervisorParts, 'readRecord' | 'writeRecord'>
  /** What is to be on disk now. */
  readonly current: () => SupervisionRecord
}

/** A record that could not be written is tried again so often, ms: a full disk does not stay full. */
const retryMs = 1_000

/**
 * The record of one child on disk. It is written whenever it is not as it was; where it cannot be, that is tried until it
 * is, and `problem` says why it is not.
 */
export class RecordKeeper {
  readonly #options: RecordKeeperOptions
  #written: string | undefined
  #problem: Error | undefined
  #retry: Timer | undefined
  #isClosed = false

  constructor(options: RecordKeeperOptions) {
    this.#options = options
  }

  /** Undefined while it is on disk as it is to be. */
  get problem(): Error | undefined {
    return this.#problem
  }

  /** What the last supervisor left. What cannot be understood is kept under another name. */
  read(): SupervisionRecord | undefined {
    const { log, name, parts, records } = this.#options
    let reading: RecordReading
    try {
      const text = records.read(name)
      if (text === undefined) return undefined
      reading = parts.readRecord(text)
    } catch (thrown) {
      reading = { status: 'foreign', reason: toError(thrown).message, record: undefined }
    }
    if (reading.status === 'foreign') {
      log.error('supervisor:record:foreign', { reason: reading.reason })
      records.setAside(name)
    }
    return reading.record
  }

  save(): void {
    if (this.#isClosed) return
    const { clock, current, log, name, parts, records } = this.#options
    const text = parts.writeRecord(current())
    if (text === this.#written) return
    this.#retry?.cancel()
    try {
      records.write(name, text)
      this.#written = text
      this.#problem = undefined
    } catch (thrown) {
      const error = toError(thrown)
      if (this.#problem === undefined) log.error('supervisor:record:failed', { error })
      this.#written = undefined
      this.#problem = error
      this.#retry = clock.setTimer(retryMs, () => this.save())
    }
  }

  /** What is on disk stays as it is from now on. */
  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
  }
}
