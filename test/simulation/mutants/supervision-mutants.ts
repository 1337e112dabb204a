import { LivenessWatch } from '../../../src/supervisor/liveness.ts'
import { supervisorParts, type SupervisorParts } from '../../../src/supervisor/parts.ts'
import { RestartIntensity } from '../../../src/supervisor/intensity.ts'
import { SafeMode } from '../../../src/supervisor/safe-mode.ts'
import type { SupervisionSwaps } from '../supervision/daemon.ts'
import type { Invariant } from '../supervision/judge.ts'
import type { Mishaps } from '../supervision/mishaps.ts'

/** A supervisor with one part replaced by a broken one, and what must notice. */
export interface SupervisionMutant {
  readonly name: string
  readonly caughtBy: readonly Invariant[]
  /** Mishaps that it takes, where those that a seed draws would bring it out too rarely. */
  readonly mishaps?: Partial<Mishaps>
  readonly swaps: SupervisionSwaps
}

/** Adds all the time that has passed, also what its supervisor slept through. */
class RestlessWatch extends LivenessWatch {
  readonly #now: () => number
  #heardMs: number

  constructor(...[clock, onLook]: ConstructorParameters<typeof LivenessWatch>) {
    super(clock, onLook)
    this.#now = () => clock.monotonicMs()
    this.#heardMs = this.#now()
  }

  override heard(): void {
    super.heard()
    this.#heardMs = this.#now()
  }

  override get silentMs(): number {
    return this.#now() - this.#heardMs
  }
}

class DeafWatch extends LivenessWatch {
  override get silentMs(): number {
    return 0
  }
}

class StubbornIntensity extends RestartIntensity {
  override forget(): boolean {
    return false
  }
}

class EndlessSafeMode extends SafeMode {
  override isOver(): boolean {
    return false
  }
}

/** Takes the time that its supervisor slept for time in which the child ran well. */
class SleepyWatch extends LivenessWatch {
  readonly #sinceMs: number
  readonly #now: () => number

  constructor(...[clock, onLook]: ConstructorParameters<typeof LivenessWatch>) {
    super(clock, onLook)
    this.#now = () => clock.monotonicMs()
    this.#sinceMs = this.#now()
  }

  override get ranMs(): number {
    return this.#now() - this.#sinceMs
  }
}

const killAtOnce: SupervisorParts['lookBeforeKill'] = (_clock, _child, sink) => {
  sink.kill()
  return { cancel: () => undefined }
}

export const supervisionMutants: readonly SupervisionMutant[] = [
  {
    name: 'a watch that counts what its supervisor slept through, and no last look',
    caughtBy: ['healthy-untouched'],
    mishaps: { kinds: ['daemon:suspended'] },
    swaps: {
      parts: { createWatch: (...given) => new RestlessWatch(...given), lookBeforeKill: killAtOnce },
    },
  },
  {
    name: 'a kill without a last look',
    caughtBy: ['healthy-untouched'],
    mishaps: { kinds: ['daemon:suspended', 'child:suspended'], gapMs: 3_000 },
    swaps: { parts: { lookBeforeKill: killAtOnce } },
  },
  {
    name: 'a watch that never finds anybody silent',
    caughtBy: ['hang-noticed', 'converges'],
    mishaps: { defects: true },
    swaps: { parts: { createWatch: (...given) => new DeafWatch(...given) } },
  },
  {
    name: 'ends that count as no failures',
    caughtBy: ['crash-loop-ends'],
    mishaps: { defects: true, quiet: true },
    swaps: { parts: { isFailure: () => false } },
  },
  {
    name: 'progress that does not give the budget back',
    caughtBy: ['safe-mode-justified'],
    mishaps: { defects: true },
    swaps: { parts: { createIntensity: (...given) => new StubbornIntensity(...given) } },
  },
  {
    name: 'deployments that burn the budget',
    caughtBy: ['safe-mode-justified'],
    mishaps: { restless: true, quiet: false },
    swaps: {
      parts: { isFailure: (reason) => reason === 'handover' || supervisorParts.isFailure(reason) },
    },
  },
  {
    name: 'a safe mode that does not end by itself',
    caughtBy: ['safe-mode-ends', 'converges'],
    mishaps: { defects: true, quiet: true },
    swaps: { parts: { createSafeMode: (...given) => new EndlessSafeMode(...given) } },
  },
  {
    name: 'restarts without a delay',
    caughtBy: ['no-hot-loop'],
    mishaps: { defects: true, quiet: true },
    swaps: { parts: { nextStartDelayMs: () => 0 } },
  },
  {
    name: 'delays that grow without a bound',
    caughtBy: ['delays-bounded'],
    mishaps: { defects: true },
    swaps: {
      parts: {
        nextStartDelayMs: ({ isFailure }, { failuresInARow }) =>
          isFailure && failuresInARow > 1 ? 100 * 2 ** failuresInARow : 0,
      },
    },
  },
  {
    name: 'exit code 78 taken for a crash',
    caughtBy: ['refused-stays'],
    mishaps: { defects: true },
    swaps: {
      parts: {
        reasonOf: (exit) => (exit.code === 78 ? 'crashed' : supervisorParts.reasonOf(exit)),
      },
    },
  },
  {
    name: 'a record that does not say what is wanted',
    caughtBy: ['stop-obeyed'],
    mishaps: { kinds: ['daemon:killed'], quiet: false },
    swaps: {
      parts: { writeRecord: (record) => supervisorParts.writeRecord({ ...record, wanted: 'running' }) },
    },
  },
  {
    name: 'a record that does not say why the last process ended',
    caughtBy: ['remembers'],
    mishaps: { kinds: ['daemon:killed', 'daemon:upgraded'], quiet: false, restless: true },
    swaps: {
      parts: {
        writeRecord: (record) =>
          supervisorParts.writeRecord({
            ...record,
            past: { ...record.past, ends: record.past.ends.slice(0, -1) },
          }),
      },
    },
  },
  {
    name: 'a record that does not say that the child refuses to be started',
    caughtBy: ['refused-stays'],
    mishaps: { defects: true, kinds: ['daemon:killed', 'daemon:upgraded', 'daemon:stopped'] },
    swaps: { parts: { writeRecord: (record) => supervisorParts.writeRecord({ ...record, outcome: null }) } },
  },
  {
    name: 'a record that is believed to be written when it is not',
    caughtBy: ['stop-obeyed', 'one-process'],
    mishaps: {
      kinds: ['disk:fills', 'daemon:killed', 'daemon:killed'],
      gapMs: 3_000,
      quiet: false,
      restless: true,
    },
    swaps: {
      options: ({ records }) => ({
        records: {
          ...records,
          write: (name, text) => {
            try {
              records.write(name, text)
            } catch {
              // Lost.
            }
          },
        },
      }),
    },
  },
  {
    name: 'a process known by its number alone',
    caughtBy: ['strangers-untouched'],
    mishaps: {
      kinds: ['daemon:killed', 'child:out of memory', 'machine:reboot'],
      gapMs: 3_000,
      quiet: false,
    },
    swaps: {
      options: ({ processes, spawner }, machine) => ({
        processes: { identify: (pid) => (processes.identify(pid) === undefined ? undefined : 'somebody') },
        spawner: {
          ...spawner,
          adopt: ({ pid }, sink) =>
            spawner.adopt?.({ pid, identity: machine.identify(pid) ?? 'nobody' }, sink),
        },
      }),
    },
  },
  {
    name: 'a supervisor that adopts nobody',
    caughtBy: ['one-process'],
    mishaps: { kinds: ['daemon:killed', 'daemon:upgraded'] },
    swaps: { options: ({ spawner }) => ({ spawner: { ...spawner, adopt: () => undefined } }) },
  },
  {
    name: 'a supervisor that takes what its record names for all that there is',
    caughtBy: ['one-process'],
    mishaps: { kinds: ['daemon:killed within', 'daemon:killed', 'child:out of memory'], gapMs: 3_000 },
    swaps: { options: () => ({ search: () => new Map() }) },
  },
  {
    name: 'a supervisor that starts everything at once',
    caughtBy: ['starts-apart'],
    swaps: { options: () => ({ startGapMs: 0 }) },
  },
  {
    name: 'a handover that nobody understands',
    caughtBy: ['reasons-right', 'safe-mode-justified'],
    mishaps: { restless: true, quiet: false },
    swaps: {
      options: ({ understand }) => ({
        understand: (message) => {
          const word = understand(message)
          return word?.kind === 'handover' ? undefined : word
        },
      }),
    },
  },
  {
    name: 'a handover that is believed for ever',
    caughtBy: ['reasons-right'],
    mishaps: { kinds: ['child:out of memory'], gapMs: 10_000, defects: false, quiet: false },
    swaps: {
      options: ({ understand }) => ({
        understand: (message) => {
          const word = understand(message)
          return word?.kind === 'handover' ? { ...word, withinMs: Infinity } : word
        },
      }),
    },
  },
  {
    name: 'a child that is stable while nobody watches it',
    caughtBy: ['stable-earned'],
    mishaps: { kinds: ['machine:sleep', 'child:out of memory', 'children:out of memory'], gapMs: 3_000 },
    swaps: { parts: { createWatch: (...given) => new SleepyWatch(...given) } },
  },
  {
    name: 'deadlines that pass while the supervisor sleeps',
    caughtBy: ['drains'],
    mishaps: { kinds: ['machine:sleep'], gapMs: 3_000, defects: true, restless: true, quiet: false },
    swaps: {
      parts: { setAwakeTimer: (clock, delayMs, fire) => clock.setTimer(delayMs, fire) },
    },
  },
  {
    name: 'time taken from the clock on the wall',
    caughtBy: ['healthy-untouched', 'hang-noticed', 'safe-mode-ends', 'converges', 'starts-apart'],
    mishaps: { kinds: ['clock:jump'], defects: true },
    swaps: {
      options: ({ clock }) => ({ clock: { ...clock, monotonicMs: () => clock.now() } }),
    },
  },
]
