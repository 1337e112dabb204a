import { defaultPolicy, type ChildPolicy } from '../../../src/supervisor/policy.ts'
import type { ChildSpec } from '../../../src/supervisor/supervisor.ts'
import type { SeededRandom } from '../../../src/testing/index.ts'
import { Daemon, type SupervisionSwaps } from './daemon.ts'
import type { Judge } from './judge.ts'
import type { Ledger } from './ledger.ts'
import type { Machine } from './machine.ts'
import type { MishapKind, Mishaps } from './mishaps.ts'
import { Operator } from './operator.ts'

/** Everything takes a fraction of what it takes in earnest, so that a seed sees a lot of it. */
const policy: ChildPolicy = {
  ...defaultPolicy,
  failuresMax: 5,
  windowMs: 30_000,
  hangMs: 5_000,
  startMs: 6_000,
  stopMs: 3_000,
  memoryMaxBytes: 100,
  safeModeFirstMs: 5_000,
  safeModeMaxMs: 20_000,
  stableMs: 6_000,
  backoff: { baseMs: 100, capMs: 5_000, readyCapMs: 1_000 },
}

export function drawSpecs(random: SeededRandom): ChildSpec[] {
  const spec = (name: string, kind: ChildSpec['kind'], restart: ChildPolicy['restart']): ChildSpec => ({
    name,
    kind,
    policy: { ...policy, restart },
    launch: { name },
    beats: true,
  })
  return [
    spec('Ada', 'agent', 'always'),
    spec('Bo', 'agent', 'always'),
    spec('Cy', 'agent', random.pick(['always', 'on-failure', 'never'])),
    spec('hub', 'hub', 'always'),
  ]
}

/** A machine with its daemon, which somebody or something starts again whenever it is gone. */
export class World {
  readonly #machine: Machine
  readonly #random: SeededRandom
  readonly #judge: Judge
  readonly #swaps: SupervisionSwaps
  readonly #specs: readonly ChildSpec[]
  readonly #operators: readonly Operator[]
  #daemon: Daemon | undefined
  #asleepUntilMs = 0
  #awakeMs = 0
  #fullUntilMs = 0
  /** Nothing of the machine runs until then. */
  #stillUntilMs = 0
  /** What the last daemon knew, where it did not die within something. */
  #known: ReturnType<Judge['remember']> | undefined

  constructor(
    machine: Machine,
    random: SeededRandom,
    judge: Judge,
    ledgers: readonly Ledger[],
    swaps: SupervisionSwaps,
  ) {
    this.#machine = machine
    this.#random = random
    this.#judge = judge
    this.#swaps = swaps
    this.#specs = ledgers.map(({ spec }) => spec)
    this.#operators = ledgers.map(
      (ledger) =>
        new Operator(machine, random.fork(`operator/${ledger.spec.name}`), ledger, () =>
          this.#isAwake ? this.#daemon : undefined,
        ),
    )
  }

  start(mishaps: Mishaps, endMs: number): void {
    this.#startDaemon()
    for (const operator of this.#operators) {
      if (mishaps.quiet) operator.ask('start')
      else operator.begin(endMs, mishaps.restless)
    }
    const next = (): void => {
      if (mishaps.kinds.length === 0 || this.#now >= endMs) return
      const kind = this.#random.pick(mishaps.kinds)
      this.#machine.reach(kind)
      this.#machine.say(kind)
      this.#befall(kind)
      this.#later(this.#random.int(10, 2 * mishaps.gapMs), next)
    }
    this.#later(this.#random.int(10, 10_000), next)
    this.#look()
  }

  /** The faults end. */
  calm(): void {
    this.#daemon?.dieSoon(undefined)
  }

  /** What is not as it should be, with all faults over; undefined when nothing is. */
  get unrest(): string | undefined {
    const daemon = this.#daemon
    if (daemon?.alive !== true) return 'there is no daemon'
    if (!this.#operators.every(({ isDone }) => isDone)) return 'somebody waits for an answer'
    for (const [name, { spec, wanted }] of this.#judge.ledgers) {
      const processes = this.#machine.children.filter((process) => process.name === name)
      const state = daemon.supervisor.view(name)?.state
      const [process] = processes
      if (wanted === 'stopped' && processes.length > 0) return `${name} was stopped and runs`
      if (wanted === 'stopped' || state?.name === 'failed') continue
      if (state?.name === 'finished' && spec.policy.restart !== 'always') continue
      const well = process?.isReady === true && process.mode === 'normal' && !process.hangs
      if (processes.length !== 1 || !well || state?.name !== 'running')
        return `${name} is wanted and ${state?.name ?? 'unknown'}`
    }
    return undefined
  }

  get daemon(): Daemon | undefined {
    return this.#daemon
  }

  get #isAwake(): boolean {
    return this.#daemon?.alive === true && this.#asleepUntilMs <= this.#now
  }

  #befall(kind: MishapKind): void {
    const random = this.#random
    const machine = this.#machine
    const daemon = this.#daemon?.alive === true ? this.#daemon : undefined
    switch (kind) {
      case 'daemon:killed':
        if (daemon !== undefined) this.#lose(daemon, () => daemon.process.kill())
        break
      case 'daemon:killed within':
        daemon?.dieSoon(random.int(1, 12))
        break
      case 'daemon:upgraded':
        if (daemon !== undefined && this.#isAwake) this.#lose(daemon, () => daemon.leave())
        break
      case 'daemon:stopped':
        if (daemon !== undefined && this.#isAwake) this.#end(daemon)
        break
      case 'daemon:suspended':
        if (daemon !== undefined && this.#isAwake) this.#suspend(daemon, random.int(100, 20_000), true)
        break
      case 'daemon:twice':
        this.#startDaemon()
        break
      case 'child:suspended':
        if (machine.children.length > 0)
          machine.suspend(random.pick(machine.children), random.int(100, 20_000))
        break
      case 'child:out of memory':
        if (machine.children.length > 0) random.pick(machine.children).end('out of memory', null)
        break
      case 'children:out of memory':
        for (const process of machine.children) process.end('out of memory', null)
        break
      case 'clock:jump':
        machine.clock.jump(random.pick([-86_400_000, -60_000, -3_000, 3_000, 60_000, 86_400_000]))
        break
      case 'disk:fills':
        this.#judge.exact = false
        this.#fullUntilMs = this.#now + random.int(100, 15_000)
        machine.isFull = true
        this.#later(this.#fullUntilMs - this.#now, () => this.#drainDisk())
        break
      case 'machine:reboot':
        if (daemon !== undefined) this.#lose(daemon, () => daemon.process.kill())
        machine.reboot()
        break
      case 'machine:sleep':
        this.#sleep(random.int(1_000, 60_000), random.chance(0.5))
    }
  }

  #drainDisk(): void {
    if (this.#now >= this.#fullUntilMs) this.#machine.isFull = false
  }

  #lose(daemon: Daemon, end: () => void): void {
    this.#known = this.#judge.remember(daemon)
    end()
  }

  #end(daemon: Daemon): void {
    daemon.isEnding = true
    const ended = daemon.supervisor.end()
    ended.then(
      () => daemon.process.kill('ended'),
      () => undefined,
    )
  }

  #suspend(daemon: Daemon, ms: number, monotonicGoesOn: boolean): void {
    this.#asleepUntilMs = this.#now + ms
    this.#judge.slept(ms)
    this.#machine.clock.sleep(daemon.process, ms, { monotonicGoesOn })
  }

  #sleep(ms: number, monotonicGoesOn: boolean): void {
    this.#stillUntilMs = this.#now + ms
    if (this.#daemon?.alive === true && this.#isAwake) this.#suspend(this.#daemon, ms, monotonicGoesOn)
    for (const process of this.#machine.children) this.#machine.suspend(process, ms)
  }

  #startDaemon(): void {
    if (this.#daemon?.alive === true) {
      this.#machine.reach('daemon:refused')
      return
    }
    if (this.#stillUntilMs > this.#now) {
      this.#later(this.#stillUntilMs - this.#now, () => this.#startDaemon())
      return
    }
    const daemon = new Daemon(this.#machine, this.#random.fork('daemon'), this.#judge, this.#swaps)
    this.#machine.say('a daemon begins')
    this.#daemon = daemon
    this.#judge.succeeded(daemon)
    this.#awakeMs = 0
    daemon.process.onDeath(() => {
      this.#machine.say(`the daemon is gone: ${daemon.process.reason?.message}`)
      // Its service manager.
      this.#later(this.#random.int(50, 4_000), () => this.#startDaemon())
    })
    daemon.begin(this.#specs)
    if (this.#known !== undefined) this.#judge.compare(this.#known, daemon)
    this.#known = undefined
  }

  /** Once a second the judge looks. */
  #look(): void {
    if (this.#isAwake && this.#now - this.#asleepUntilMs > 1_000) this.#awakeMs += 1_000
    else this.#awakeMs = 0
    this.#judge.look(this.#isAwake ? this.#daemon : undefined, this.#awakeMs)
    this.#later(1_000, () => this.#look())
  }

  #later(ms: number, run: () => void): void {
    this.#machine.clock.schedule(ms, run)
  }

  get #now(): number {
    return this.#machine.clock.monotonicMs()
  }
}
