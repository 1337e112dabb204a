import type { SeededRandom } from '../../../src/testing/index.ts'
import type { Daemon } from './daemon.ts'
import type { Ledger } from './ledger.ts'
import type { Machine } from './machine.ts'

const wishes = ['start', 'stop', 'restart', 'restart', 'kill', 'handover', 'definitionChanged'] as const
type Wish = (typeof wishes)[number]

/**
 * Somebody at a terminal who wants things of one child, one after the other. What has no answer (the daemon died, or could
 * not write it down) is asked again of the next one, until it has.
 */
export class Operator {
  readonly #machine: Machine
  readonly #random: SeededRandom
  readonly #ledger: Ledger
  readonly #daemon: () => Daemon | undefined
  #pending: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(machine: Machine, random: SeededRandom, ledger: Ledger, daemon: () => Daemon | undefined) {
    this.#machine = machine
    this.#random = random
    this.#ledger = ledger
    this.#daemon = daemon
  }

  get isDone(): boolean {
    return this.#waiting === 0
  }

  /** Wants things until then. */
  begin(untilMs: number, restless: boolean): void {
    this.ask('start')
    const next = (): void => {
      const wish = this.#random.pick(wishes)
      this.ask(wish)
      // Restarted twice: the second time during the drain.
      if (wish === 'restart' && this.#random.chance(0.3)) this.ask('restart')
      // Sooner or later what was stopped is wanted again.
      if (wish === 'stop' && this.#random.chance(0.7))
        this.#later(this.#random.int(10, 8_000), () => this.ask('start'))
      again()
    }
    const again = (): void => {
      const delayMs = this.#random.int(500, restless ? 8_000 : 50_000)
      if (this.#machine.clock.monotonicMs() + delayMs < untilMs) this.#later(delayMs, next)
    }
    again()
  }

  ask(wish: Wish): void {
    this.#waiting += 1
    this.#pending = this.#pending
      .then(() => this.#see(wish))
      .then(() => {
        this.#waiting -= 1
      })
  }

  async #see(wish: Wish): Promise<void> {
    const { name } = this.#ledger.spec
    this.#machine.say(`somebody asks ${name} to ${wish}`)
    if (wish === 'handover') {
      for (const process of this.#machine.children) if (process.name === name) process.handOver()
      return
    }
    const wanted = wish === 'stop' ? 'stopped' : 'running'
    if (wish !== 'kill' && wish !== 'definitionChanged') this.#ledger.wanted = 'either'
    for (;;) {
      this.#ledger.asked(this.#now)
      const daemon = this.#daemon()
      const done = daemon?.alive === true && (await this.#call(daemon, wish))
      if (wish === 'kill' || wish === 'definitionChanged') return
      if (done) break
      await this.#sleep(500)
    }
    this.#machine.reach(`asked:${wish}`)
    this.#ledger.asked(this.#now)
    this.#ledger.wanted = wanted
    this.#machine.say(`${name}: ${wish} is done`)
  }

  /** False where there was no answer, or a bad one. */
  #call(daemon: Daemon, wish: Exclude<Wish, 'handover'>): Promise<boolean> {
    const { spec } = this.#ledger
    const { supervisor } = daemon
    return new Promise((resolve) => {
      daemon.process.onDeath(() => resolve(false))
      const answer = (answered: Promise<void> | undefined): void => {
        answered?.then(
          () => resolve(true),
          () => resolve(false),
        )
        if (answered === undefined) resolve(true)
      }
      const call = (): void => {
        this.#ledger.asked(this.#now)
        switch (wish) {
          case 'start': {
            const view = supervisor.view(spec.name)
            const ended = view?.state.name === 'failed' || view?.state.name === 'finished'
            if (view?.wanted !== 'running' || ended) this.#ledger.forgiven()
            answer(supervisor.start(spec))
            break
          }
          case 'stop':
            answer(supervisor.stop(spec.name))
            break
          case 'restart':
            this.#ledger.forgiven()
            answer(supervisor.restart(spec.name))
            break
          case 'kill':
            supervisor.kill(spec.name)
            answer(undefined)
            break
          case 'definitionChanged': {
            const state = supervisor.view(spec.name)?.state.name
            if (this.#ledger.mode === 'safe' || state === 'backing-off' || state === 'failed')
              this.#ledger.forgiven()
            supervisor.definitionChanged(spec.name)
            answer(undefined)
          }
        }
      }
      this.#machine.clock.schedule(2, call, daemon.process)
    })
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#later(ms, resolve)
    })
  }

  #later(ms: number, run: () => void): void {
    this.#machine.clock.schedule(ms, run)
  }

  get #now(): number {
    return this.#machine.clock.monotonicMs()
  }
}
