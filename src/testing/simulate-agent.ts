import type { AgentDefinition } from '../agent/definition.ts'
import { PerduraError, toError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { Outgoing, Verdict } from '../queue/outbox.ts'
import type { Agent, EffectDecision, IngestInput } from '../runtime/agent.ts'
import { drawFaults, type AgentFaults } from './agent-faults.ts'
import { AgentSimulation } from './agent-simulation.ts'
import type { Outside } from './outside.ts'
import { createSeededRandom, type SeededRandom } from './random.ts'

export interface SimulateAgentOptions<State extends object> {
  /** Everything that happens follows from it: the same seed gives the same run. */
  readonly seed: number
  /** Called at every start of the process; what it keeps in variables is lost with each. */
  readonly agent: (outside: Outside) => AgentDefinition<State>
  /** What comes in. In order for each `from` and conversation, each tried again until it is acknowledged. */
  readonly inputs: readonly SimulatedInput[]
  /** What befalls the agent. Default: drawn from the seed, a mixture of its own for each. What is given is taken instead. */
  readonly faults?: Partial<AgentFaults>
  /** Faults end after so much virtual time, ms. Default 10,000. */
  readonly faultsMs?: number
  /** Everything must have come to rest so long after the faults, ms. Default 600,000. */
  readonly restsWithinMs?: number
  /** Timers that keep being set are followed for so long, ms of virtual time. Default 24 h. */
  readonly runMs?: number
  /** What becomes of a message to another agent. Default: it is delivered. */
  readonly deliver?: (message: Outgoing) => Verdict
  /** Decides about an effect whose outcome nobody knows, as a person would; undefined leaves it parked. Default: leaves it. */
  readonly decide?: (effect: ParkedEffect) => EffectDecision | undefined
}

export interface SimulatedInput extends IngestInput {
  /** Virtual time to wait before it is sent, ms, after the one before it was acknowledged. Default 0. */
  readonly afterMs?: number
}

export interface ParkedEffect {
  readonly turn: number
  /** As `resolveEffect` takes it: its name, with `#2` for the second of that name. */
  readonly effect: string
  readonly key: string
}

/** How it ended, once everything had come to rest. */
export interface SimulatedOutcome<State extends object> {
  readonly state: State
  /** Everything that was sent, in order. */
  readonly messages: readonly { readonly id: string; readonly to: string; readonly content: Json }[]
  /** Inputs and timers that were set aside, with the reason. */
  readonly deadLetters: readonly { readonly id: string; readonly reason: string }[]
  readonly parked: readonly ParkedEffect[]
  /** How often the process died or was stopped. */
  readonly deaths: number
  /** The same for two runs of one seed. */
  readonly digest: string
}

/**
 * Runs an agent on a simulated machine, with everything that may befall one: it is killed at any moment, the power
 * fails, the disk loses what was not synced, is full or fails, answers get lost, senders repeat themselves. Then the
 * faults end, and everything must come to rest. Rejects with the seed in the message where it does not.
 */
export async function simulateAgent<State extends object>(
  options: SimulateAgentOptions<State>,
): Promise<SimulatedOutcome<State>> {
  const {
    seed,
    agent: define,
    inputs,
    faultsMs = 10_000,
    restsWithinMs = 600_000,
    runMs = 86_400_000,
  } = options
  const random = createSeededRandom(`agent/${seed}`)
  const faults = { ...drawFaults(random.fork('faults')), ...options.faults }
  const simulation = new AgentSimulation({
    seed: `agent/${seed}/machine`,
    // Inside, the type of the state is of no interest.
    agent: (outside) => define(outside) as unknown as AgentDefinition,
    faults,
    deliver: options.deliver,
  })
  const stackTraceLimit = Error.stackTraceLimit
  // Stacks are kept with what fails, and name the place of the sources: the run would depend on it.
  Error.stackTraceLimit = 0
  try {
    const work = new Work(simulation, options.decide)
    work.send(threadsOf(inputs), random.fork('senders'))
    simulation.start(faultsMs)
    await simulation.clock.runFor(faultsMs)
    await simulation.clock.run(() => work.atRest(false), { withinMs: restsWithinMs })
    const endMs = simulation.clock.monotonicMs() + runMs
    const over = (): boolean => work.atRest(simulation.clock.monotonicMs() < endMs)
    await simulation.clock.run(over, { withinMs: runMs + restsWithinMs })
    const outcome = work.outcome<State>()
    await simulation.clock.settle(simulation.end(true))
    return { ...outcome, digest: simulation.trace.digest }
  } catch (cause) {
    const lines = simulation.trace.last.slice(-20).join('\n  ')
    throw new Error(`seed ${seed}: ${toError(cause).message}\nthe last that happened:\n  ${lines}`, { cause })
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

const lookEveryMs = 250

/** The people around the agent: those who send, the one who decides, and the one who looks whether all is done. */
class Work {
  readonly #simulation: AgentSimulation
  readonly #decide: SimulateAgentOptions<object>['decide']
  #sending = 0
  #refused: Error | undefined
  #rest = { work: false, timers: false }

  constructor(simulation: AgentSimulation, decide: SimulateAgentOptions<object>['decide']) {
    this.#simulation = simulation
    this.#decide = decide
    this.#look()
  }

  send(threads: readonly (readonly SimulatedInput[])[], random: SeededRandom): void {
    for (const thread of threads) {
      this.#sending += 1
      void this.#sendThread(thread, random).then(
        () => (this.#sending -= 1),
        (error: unknown) => (this.#refused = toError(error)),
      )
    }
  }

  /** Whether nothing waits any more (and no timer is set). */
  atRest(timersToo: boolean): boolean {
    if (this.#refused !== undefined) throw this.#refused
    return this.#rest.work && (!timersToo || this.#rest.timers)
  }

  outcome<State extends object>(): Omit<SimulatedOutcome<State>, 'digest'> {
    const { agent, incarnations } = this.#simulation
    if (agent === undefined) throw new Error('the agent is not running')
    const { reader } = agent
    const state = reader.all<{ key: string; value: string }>('SELECT key, value FROM state')
    const messages = reader.all<{ id: string; recipient: string; content: string }>(
      'SELECT id, recipient, content FROM outbox ORDER BY sequence',
    )
    return {
      state: Object.fromEntries(state.map(({ key, value }) => [key, JSON.parse(value) as Json])) as State,
      messages: messages.map(({ id, recipient, content }) => ({
        id,
        to: recipient,
        content: JSON.parse(content) as Json,
      })),
      deadLetters: reader.all(
        'SELECT id, reason FROM dead_letters JOIN inbox USING (position) ORDER BY position',
      ),
      parked: parkedEffects(agent),
      deaths: incarnations.length - 1,
    }
  }

  async #sendThread(thread: readonly SimulatedInput[], random: SeededRandom): Promise<void> {
    for (const { afterMs = 0, ...input } of thread) {
      await this.#simulation.sleep(afterMs)
      while (!(await this.#sendOnce(input))) await this.#simulation.sleep(random.int(20, 500))
    }
  }

  async #sendOnce(input: IngestInput): Promise<boolean> {
    try {
      await this.#simulation.ingest(input)
      return true
    } catch (error) {
      if (error instanceof PerduraError && !error.retryable) throw error
      return false
    }
  }

  #look(): void {
    const { agent, clock } = this.#simulation
    clock.schedule(lookEveryMs, () => this.#look())
    this.#rest = { work: false, timers: false }
    if (agent === undefined || this.#sending > 0) return
    const some = (from: string): boolean => agent.reader.get(`SELECT 1 FROM ${from} LIMIT 1`) !== undefined
    const work =
      some("inbox WHERE status IN ('pending', 'running')") ||
      some("outbox WHERE status = 'pending' AND recipient <> 'you'")
    this.#rest = { work: !work && !this.#decideParked(agent), timers: !some('timers') }
  }

  /** Whether something was decided, so that there is work again. */
  #decideParked(agent: Agent): boolean {
    let decided = false
    for (const parked of parkedEffects(agent)) {
      const decision = this.#decide?.(parked)
      if (decision === undefined) continue
      decided = true
      // Where it dies over it, or was told already, the next look finds out.
      this.#simulation
        .ask((running) => running.resolveEffect(parked.turn, parked.effect, decision))
        .catch(() => undefined)
    }
    return decided
  }
}

function parkedEffects(agent: Agent): ParkedEffect[] {
  const rows = agent.reader.all<{ turn: number; name: string; occurrence: number; key: string }>(
    `SELECT turn, name, occurrence, key FROM effects JOIN inbox ON position = turn
     WHERE inbox.status = 'parked' AND effects.status = 'unknown' ORDER BY turn, name, occurrence`,
  )
  return rows.map(({ turn, name, occurrence, key }) => ({
    turn,
    effect: occurrence === 1 ? name : `${name}#${occurrence}`,
    key,
  }))
}

function threadsOf(inputs: readonly SimulatedInput[]): SimulatedInput[][] {
  const threads = new Map<string, SimulatedInput[]>()
  for (const input of inputs) {
    const key = JSON.stringify([input.from, input.conversation])
    const thread = threads.get(key) ?? []
    thread.push(input)
    threads.set(key, thread)
  }
  return [...threads.values()]
}
