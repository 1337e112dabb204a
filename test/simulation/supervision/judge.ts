import type { ChildState } from '../../../src/supervisor/child-state.ts'
import type { ChildView } from '../../../src/supervisor/supervisor.ts'
import type { ChildMode } from '../../../src/supervisor/exits.ts'
import type { Daemon, DaemonWatch } from './daemon.ts'
import type { Ledger } from './ledger.ts'
import type { Machine, MachineWatch } from './machine.ts'
import { handoverMs, type ChildProcess, type ProcessWord } from './process.ts'

export type Invariant =
  | 'one-process'
  | 'healthy-untouched'
  | 'strangers-untouched'
  | 'hang-noticed'
  | 'adopts'
  | 'stop-obeyed'
  | 'refused-stays'
  | 'no-hot-loop'
  | 'delays-bounded'
  | 'starts-apart'
  | 'crash-loop-ends'
  | 'safe-mode-justified'
  | 'safe-mode-ends'
  | 'stable-earned'
  | 'drains'
  | 'remembers'
  | 'reasons-right'
  | 'converges'
  | 'no-stray-errors'

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
}

/** Of a record, what is judged. */
interface WrittenRecord {
  readonly process: { readonly pid: number | null; readonly asked: string | null } | null
  readonly failures_in_a_row: number
  readonly safe_mode: { readonly level: number }
}

/** Starts of one child in a minute that nobody asked for: a process that works for a second before it dies takes 1.5 s. */
const startsPerMinuteMax = 90
const evidenceMs = 2_000
/** An adopted one has so much longer, to find its supervisor. */
const findMs = 10_000
const slackMs = 4_000

/** Holds what must always hold against what really happens on the machine, and against what people asked for. */
export class Judge implements MachineWatch, DaemonWatch {
  readonly violations: Violation[] = []
  readonly ledgers: ReadonlyMap<string, Ledger>
  machine!: Machine
  /** No write of a record has failed, so that all of them are exact. */
  exact = true
  readonly #silence = new Map<ChildProcess, { ms: number; daemon: Daemon }>()
  #lastStart: { readonly daemon: Daemon | undefined; readonly ms: number } | undefined
  daemon: Daemon | undefined
  #sleeps: { readonly fromMs: number; readonly untilMs: number }[] = []

  constructor(ledgers: ReadonlyMap<string, Ledger>) {
    this.ledgers = ledgers
  }

  violate(invariant: Invariant, message: string): void {
    if (this.violations.length < 20)
      this.violations.push({ invariant, message: `${this.#now} ms: ${message}` })
    this.machine.say(`VIOLATION ${invariant}: ${message}`)
  }

  started(process: ChildProcess): void {
    const { name, pid, mode } = process
    const ledger = this.#ledger(name)
    const now = this.#now
    for (const other of this.machine.children) {
      if (other === process || other.name !== name) continue
      // Nobody can know of it: its supervisor died before it could write its number, it cannot speak, and is not to be seen.
      const hides = !this.machine.isSearchable
      const hidden =
        hides && !this.machine.isNamed(other) && (other.hangs || other.asleepUntilMs > now - 3_000)
      if (!hidden) this.violate('one-process', `${name} runs as ${other.pid}, and is started as ${pid}`)
      this.machine.reach('hidden')
      other.end('SIGKILL', null)
    }
    if (ledger.wanted === 'stopped') this.violate('stop-obeyed', `${name} was stopped, and is started`)
    if (ledger.refused && this.exact)
      this.violate('refused-stays', `${name} said that starting it is of no use, and is started`)
    const asked = now - ledger.askedMs < 2_000
    ledger.startsMs = [...ledger.startsMs.filter((ms) => ms > now - 60_000), ...(asked ? [] : [now])]
    if (ledger.startsMs.length > startsPerMinuteMax)
      this.violate('no-hot-loop', `${name} was started ${ledger.startsMs.length} times in a minute`)
    const last = this.#lastStart
    if (last !== undefined && last.daemon === this.daemon && now - last.ms < 49)
      this.violate('starts-apart', `${name} is started ${now - last.ms} ms after the start before`)
    ledger.last = process
    this.#lastStart = { daemon: this.daemon, ms: now }
    this.#judgeMode(ledger, name, mode)
  }

  notStarted(name: string, mode: ChildMode): void {
    const ledger = this.#ledger(name)
    this.#judgeMode(ledger, name, mode)
    if (mode === 'safe') return
    ledger.counted += 1
    ledger.setbacks += 1
  }

  #judgeMode(ledger: Ledger, name: string, mode: ChildMode): void {
    const { failuresMax } = ledger.spec.policy
    if (mode === 'safe' && ledger.mode === 'normal') {
      this.machine.reach('safe mode')
      if (ledger.counted < failuresMax && this.exact)
        this.violate('safe-mode-justified', `${name} goes into safe mode after ${ledger.counted} failures`)
      ledger.counted = 0
    }
    if (mode === 'safe') ledger.setbacks = 0
    else {
      if (ledger.mode === 'safe') this.machine.reach('safe mode over')
      ledger.safeMs = 0
      if (ledger.setbacks > failuresMax + 1 && ledger.spec.kind === 'agent')
        this.violate('crash-loop-ends', `${name} is started with its mind after ${ledger.setbacks} failures`)
    }
    ledger.mode = mode
  }

  ended(process: ChildProcess): void {
    const { cause, mode, name, signals } = process
    const ledger = this.#ledger(name)
    if (process.known) ledger.ends += 1
    this.#silence.delete(process)
    if (cause === 'reboot') return
    const now = this.#now
    const asked = ledger.askedMs >= process.startedMs || ledger.wanted !== 'running'
    // Later it may be taken for one that goes on, and is told to end for another reason.
    const handsOver = process.handoverHeard && process.sinceHandoverMs < 2_000 && signals.length === 0
    if (handsOver || mode === 'safe') return
    const sick =
      process.hangs || process.saidStalled || !process.isReady || process.asleepUntilMs > now - 3_000
    const told = signals.length > 0
    if (told && this.daemon?.isEnding === true) return
    // What may count against it; and what surely does.
    if (!told || (sick && process.beatsTooLarge < 3)) ledger.counted += 1
    if (told || asked || (process.saidHandover && !this.#isHandoverOver(process))) return
    const stable = process.isReady && now - process.startedMs > ledger.spec.policy.stableMs
    ledger.setbacks = stable || process.turns > 0 ? 0 : ledger.setbacks + 1
  }

  signalledStranger(pid: number): void {
    this.violate('strangers-untouched', `a signal goes to ${pid}, which is another program by now`)
  }

  signalled(process: ChildProcess, name: 'SIGTERM' | 'SIGKILL', daemon: Daemon): void {
    const ledger = this.#ledger(process.name)
    const { hangMs, startMs } = ledger.spec.policy
    const now = this.#now
    const reasons = [
      process.signals.length > 0,
      ledger.wanted !== 'running',
      ledger.askedMs >= process.startedMs && now - ledger.askedMs < 30_000,
      daemon.isEnding,
      // By one that died meanwhile.
      process.askedOnDisk !== undefined && process.askedOnDisk !== daemon,
      process.mode === 'safe',
      process.saidStalled,
      process.beatsTooLarge >= 3,
      !process.isReady && now - process.startedMs >= startMs * 0.9,
      now - process.loopedMs >= hangMs * 0.7,
    ]
    if (!reasons.some(Boolean))
      this.violate('healthy-untouched', `${process.name} ${process.pid} is well, and gets ${name}`)
    if (name === 'SIGTERM') process.toldToEnd = { by: daemon, ms: now }
    else this.#judgeKill(process, daemon)
  }

  /** Whoever was told to end is given time for it, in which somebody was there who could have seen its end. */
  #judgeKill({ name, pid, toldToEnd }: ChildProcess, daemon: Daemon): void {
    const { askedMs, spec } = this.#ledger(name)
    if (toldToEnd?.by !== daemon || askedMs === this.#now) return
    const ms = this.#now - toldToEnd.ms - this.#sleptMs(toldToEnd.ms)
    if (ms < spec.policy.stopMs * 0.8)
      this.violate('drains', `${name} ${pid} is killed ${ms} ms after it was told to end`)
  }

  /** The daemon does not run for so long from now on. */
  slept(ms: number): void {
    this.#sleeps.push({ fromMs: this.#now, untilMs: this.#now + ms })
  }

  #sleptMs(sinceMs: number): number {
    const now = this.#now
    return this.#sleeps.reduce((sum, { fromMs, untilMs }) => {
      return sum + Math.max(0, Math.min(now, untilMs) - Math.max(sinceMs, fromMs))
    }, 0)
  }

  recorded(name: string, text: string): void {
    const ledger = this.#ledger(name)
    ledger.refused ||= ledger.hasRefused
    const { process: named, ...record } = JSON.parse(text) as WrittenRecord
    this.#judgeStable(ledger, record)
    for (const process of this.machine.children) {
      if (process.name !== name || process.pid !== named?.pid) continue
      process.known = true
      if (typeof named.asked === 'string' && named.asked !== 'handover') process.askedOnDisk ??= this.daemon
    }
  }

  /** A row of failures is forgotten because somebody asks for it, for safe mode, or for a process that was watched for long. */
  #judgeStable(
    ledger: Ledger,
    {
      failures_in_a_row: inARow,
      safe_mode: { level },
    }: Pick<WrittenRecord, 'failures_in_a_row' | 'safe_mode'>,
  ): void {
    const { name, policy } = ledger.spec
    const before = ledger.onDisk
    ledger.onDisk = { inARow, level }
    if (inARow > 0 || before.inARow === 0 || level > before.level || !this.exact) return
    if (ledger.wanted === 'either' || this.#now - ledger.askedMs < 1_000) return
    // Its end may not have been noticed yet.
    const sinceMs = Math.max(ledger.last?.readyMs ?? Infinity, this.daemon?.startedMs ?? 0)
    // A look that comes late counts for more than was watched.
    const lateMs = 2_000 * this.#sleeps.filter(({ untilMs }) => untilMs > sinceMs).length
    const watchedMs = this.#now - sinceMs - this.#sleptMs(sinceMs) + lateMs
    // What is seen between two looks counts from the one before.
    if (watchedMs < policy.stableMs - 1_000)
      this.violate('stable-earned', `${name} failed ${before.inARow} times, which is forgotten`)
  }

  heard(process: ChildProcess, word: ProcessWord, daemon: Daemon): void {
    if (word.kind === 'handover') {
      process.handoverHeard = true
      process.sinceHandoverMs = 0
    }
    if (word.kind !== 'beat' || word.turnsDone <= process.turnsSeen) return
    const isNews = process.seenBy === daemon || !process.wasAdopted
    process.turnsSeen = word.turnsDone
    process.seenBy = daemon
    // What it did before its end is heard after it: then the end counts.
    if (
      !isNews ||
      !daemon.alive ||
      !process.alive ||
      daemon.supervisor.view(process.name)?.unsaved !== undefined
    )
      return
    const ledger = this.#ledger(process.name)
    ledger.counted = 0
    ledger.setbacks = 0
  }

  entered(name: string, state: ChildState): void {
    if (state.name !== 'backing-off') return
    const { capMs } = this.#ledger(name).spec.policy.backoff
    if (state.delayMs > capMs) this.violate('delays-bounded', `${name} waits for ${state.delayMs} ms`)
  }

  exited(process: ChildProcess | undefined, reason: string, name: string): void {
    const ledger = this.#ledger(name)
    const asked =
      process !== undefined && (ledger.askedMs >= process.startedMs || ledger.wanted !== 'running')
    // Of an adopted one the code is not always known; once it is, and is on disk, it is never forgotten.
    if (process?.code === 78 && reason !== 'lost' && reason !== 'stop' && !asked) ledger.hasRefused = true
    if (process === undefined || process.signals.length > 0) return
    if (process.saidHandover && !this.#isHandoverOver(process)) return
    if (process.saidStalled || process.beatsTooLarge >= 3 || process.askedOnDisk !== undefined) return
    const expected = truthOf(process)
    // An adopted one may take its exit code with it.
    if (expected === reason || (process.wasAdopted && reason === 'lost')) return
    if (reason === 'stop' && ledger.wanted !== 'running') return
    if (ledger.askedMs >= process.startedMs || this.daemon?.isEnding === true) return
    this.violate('reasons-right', `${name} ${process.pid}: ${reason}, where it was ${expected}`)
  }

  /** Once a second. `awake`: the daemon is there and runs, and has for so long. */
  look(daemon: Daemon | undefined, awakeMs: number): void {
    if (daemon === undefined || awakeMs === 0) return
    for (const process of this.machine.children) this.#lookAt(process, daemon, awakeMs)
    for (const [name, ledger] of this.ledgers) {
      if (ledger.mode === 'normal') continue
      ledger.safeMs = awakeMs < 1_500 ? 0 : ledger.safeMs + 1_000
      const { safeModeMaxMs, stopMs, backoff, startMs } = ledger.spec.policy
      if (ledger.safeMs > safeModeMaxMs + stopMs + backoff.capMs + 9 * startMs + slackMs)
        this.violate('safe-mode-ends', `${name} is in safe mode for ${ledger.safeMs} ms`)
    }
  }

  /** It has announced its end, and so long has been watched since that this says nothing any more. */
  #isHandoverOver({ name, sinceHandoverMs }: ChildProcess): boolean {
    return sinceHandoverMs > handoverMs + this.#ledger(name).spec.policy.stopMs + slackMs
  }

  #watch(process: ChildProcess, daemon: Daemon): void {
    process.sinceHandoverMs = process.watchedBy === daemon ? process.sinceHandoverMs + 1_000 : 0
    process.watchedBy = daemon
  }

  #lookAt(process: ChildProcess, daemon: Daemon, awakeMs: number): void {
    const { name, pid } = process
    this.#watch(process, daemon)
    const ledger = this.#ledger(name)
    const { hangMs, startMs, stopMs } = ledger.spec.policy
    const now = this.#now
    const speaks = !process.hangs && process.asleepUntilMs < now - 3_000
    const isOld = now - process.startedMs > 3_000
    const view = daemon.supervisor.view(name)
    if (awakeMs > 4_000 && speaks && isOld && view?.process?.pid !== pid)
      this.violate('adopts', `${name} runs as ${pid}, and its supervisor does not know`)
    if (!process.hangs && (process.isReady || process.asleepUntilMs > now)) return
    const before = this.#silence.get(process)
    const ms = before?.daemon === daemon ? before.ms + 1_000 : 0
    this.#silence.set(process, { ms, daemon })
    if (!process.known) return
    const patienceMs = process.isReady ? (process.wasAdopted ? hangMs + findMs : hangMs) : 8 * startMs
    if (ms > patienceMs + evidenceMs + stopMs + slackMs)
      this.violate('hang-noticed', `${name} ${pid} has been silent for ${ms} ms, and is still there`)
  }

  /** Before the daemon goes, however it goes: what it knew. */
  remember(daemon: Daemon): ReadonlyMap<string, ChildView> {
    return new Map(daemon.supervisor.views.map((view) => [view.name, view]))
  }

  /** The next daemon is there. */
  succeeded(daemon: Daemon): void {
    this.daemon = daemon
    this.#sleeps = []
    // A safe mode may have begun and ended while there was nobody who would have started anything in it.
    for (const ledger of this.ledgers.values()) {
      ledger.setbacks = 0
      // The last one died before it could write that down.
      ledger.hasRefused = false
    }
  }

  /** When the next one has taken over. */
  compare(before: ReadonlyMap<string, ChildView>, daemon: Daemon): void {
    for (const [name, { past, unsaved }] of before) {
      if (unsaved !== undefined || !this.exact) continue
      const now = daemon.supervisor.view(name)?.past
      if (now === undefined) {
        this.violate('remembers', `${name} is forgotten`)
        continue
      }
      const missed = total(now.counts) - total(past.counts)
      const kept = now.ends.slice(0, missed === 0 ? undefined : -missed).at(-1)
      const same = JSON.stringify(kept) === JSON.stringify(past.ends.at(-1))
      if (missed < 0 || missed > 1 || now.restarts !== past.restarts || !same)
        this.violate('remembers', `${name}: ${JSON.stringify(past)} became ${JSON.stringify(now)}`)
    }
  }

  /** After the faults, when all had time. */
  checkEnd(daemon: Daemon | undefined): void {
    for (const [name, ledger] of this.ledgers) {
      const view = daemon?.supervisor.view(name)
      // The end of an adopted one is seen within a second.
      const pid = view?.process?.pid
      if (typeof pid === 'number' && this.machine.find(pid) === undefined) continue
      const counted = total(view?.past.counts ?? {}, 'not-started')
      if (this.exact && ledger.wanted !== 'either' && counted !== ledger.ends)
        this.violate('remembers', `${name} ended ${ledger.ends} times, and ${counted} are counted`)
    }
  }

  #ledger(name: string): Ledger {
    const ledger = this.ledgers.get(name)
    if (ledger === undefined) throw new Error(`nobody knows ${name}`)
    return ledger
  }

  get #now(): number {
    return Math.round(this.machine.clock.monotonicMs())
  }
}

function truthOf({ cause, code }: ChildProcess): string {
  if (cause !== 'exit' && cause !== 'drained') return 'killed'
  if (code === 78) return 'refused'
  return code === 0 ? 'exited' : 'crashed'
}

function total(counts: ChildView['past']['counts'], without?: string): number {
  return Object.entries(counts).reduce((sum, [reason, times]) => sum + (reason === without ? 0 : times), 0)
}
