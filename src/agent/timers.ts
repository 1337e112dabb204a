import { PerduraError, toError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { Clock, Timer } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { InboxTable } from '../queue/inbox.ts'
import type { Reader, Store, Tx } from '../store/store.ts'

const timersMax = 10_000

export interface NewTimer {
  readonly id: string
  readonly conversation: string
  /** Who is answered when the handler of the timer replies. */
  readonly sender: string
  readonly payload: Json
  readonly hops: number
  readonly dueAt: number
  readonly turn: number
}

interface TimerRow {
  readonly id: string
  readonly conversation: string
  readonly sender: string
  readonly payload: string
  readonly hops: number
  readonly due_at: number
}

/** What the inbox entry of a fired timer carries. */
export interface TimerPayload {
  readonly id: string
  readonly payload: Json
  readonly dueAt: number
}

export interface TimerTable {
  add(tx: Tx, timer: NewTimer, now: number): void
  cancel(tx: Tx, id: string): void
  /** Moves timers that are due into the inbox, oldest first; returns the positions. */
  fire(
    tx: Tx,
    inbox: InboxTable,
    now: number,
    countMax: number,
  ): { readonly position: number; readonly conversation: string }[]
}

export const timerTable: TimerTable = {
  add(tx, timer, now) {
    const count = tx.get<{ count: number }>('SELECT count(*) AS count FROM timers')?.count ?? 0
    if (count >= timersMax) {
      throw new PerduraError(
        'ERR_TIMERS_FULL',
        `${count} timers are set already: cancel some, or let some fire`,
      )
    }
    tx.run(
      `INSERT OR REPLACE INTO timers (id, conversation, sender, payload, hops, due_at, created_at, turn)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      timer.id,
      timer.conversation,
      timer.sender,
      JSON.stringify(timer.payload),
      timer.hops,
      timer.dueAt,
      now,
      timer.turn,
    )
  },
  cancel(tx, id) {
    tx.run('DELETE FROM timers WHERE id = ?', id)
  },
  fire(tx, inbox, now, countMax) {
    const due = tx.all<TimerRow>(
      'SELECT * FROM timers WHERE due_at <= ? ORDER BY due_at, id LIMIT ?',
      now,
      countMax,
    )
    return due.flatMap((row) => {
      const payload: TimerPayload = {
        id: row.id,
        payload: JSON.parse(row.payload) as Json,
        dueAt: row.due_at,
      }
      // The entry and the removal are one transaction: a timer fires once, however late.
      tx.run('DELETE FROM timers WHERE id = ?', row.id)
      const { position, duplicate } = inbox.accept(
        tx,
        {
          kind: 'timer',
          source: 'timer',
          // Its own id and when it was due: a message that comes again after its id was forgotten sets timers of the
          // same ids again, and they are other ones.
          id: `${row.id}@${row.due_at}`,
          sender: row.sender,
          conversation: row.conversation,
          payload: { ...payload },
          hops: row.hops,
          inReplyTo: undefined,
        },
        now,
      )
      return duplicate ? [] : [{ position, conversation: row.conversation }]
    })
  },
}

export interface TimerServiceOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly timers: TimerTable
  readonly inbox: InboxTable
  /** How many entries the inbox has room for now. */
  readonly room: () => number
  readonly onFired: (entries: readonly { readonly position: number; readonly conversation: string }[]) => void
}

/** The wall clock is looked at again at least this often: it may have jumped, or the machine slept. */
const lookAgainMs = 30_000
const firedAtOnceMax = 100

/** Fires timers when their wall-clock time has come. What became due while nobody ran fires late, in order, once. */
export class TimerService {
  readonly #options: TimerServiceOptions
  #timer: Timer | undefined
  #firing = false
  #closed = false

  constructor(options: TimerServiceOptions) {
    this.#options = options
  }

  /** Looks for the next due timer; called at start, and after any turn that set one. */
  look(): void {
    if (this.#closed || this.#firing) return
    this.#timer?.cancel()
    const { store, clock } = this.#options
    const dueAt = nextDue(store.reader)
    if (dueAt === undefined) return
    const inMs = dueAt - clock.now()
    if (inMs <= 0) void this.#fire()
    else this.#timer = clock.setTimer(Math.min(inMs, lookAgainMs), () => this.look())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #fire(): Promise<void> {
    const { store, clock, log, timers, inbox, room, onFired } = this.#options
    const countMax = Math.min(firedAtOnceMax, room())
    if (countMax <= 0) {
      // They stay where they are until the inbox has room.
      this.#timer = clock.setTimer(1_000, () => this.look())
      return
    }
    this.#firing = true
    let lookInMs = 0
    try {
      onFired(await store.write((tx) => timers.fire(tx, inbox, clock.now(), countMax)))
    } catch (thrown) {
      log.error('timer:fire:failed', { error: toError(thrown) })
      lookInMs = 1_000
    }
    this.#firing = false
    if (!this.#closed) this.#timer = clock.setTimer(lookInMs, () => this.look())
  }
}

function nextDue(reader: Reader): number | undefined {
  return (
    reader.get<{ due_at: number | null }>('SELECT min(due_at) AS due_at FROM timers')?.due_at ?? undefined
  )
}
