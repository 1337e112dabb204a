import { createSeededRandom, type SeededRandom } from '../../src/testing/random.ts'

/** How an effect may be asked for again: see `EffectOptions`. */
export type Policy = 'idempotent' | 'verify' | 'unkeyed'

/**
 * What the receiver does when an effect arrives for the first time. `slow`: does it, and answers late. `drop`: does it,
 * and hangs up. `error`: does it, and answers 500. `refuse`: does not do it, and answers 503.
 */
export type Fault = 'none' | 'slow' | 'drop' | 'error' | 'refuse'

export interface PlannedEffect {
  readonly name: string
  readonly policy: Policy
  readonly fault: Fault
  readonly slowMs: number
}

/** One numbered input, and everything that handling it once must lead to. It is the payload of the message. */
export interface Task {
  readonly n: number
  readonly conversation: string
  /** Its place in its conversation, from 1. */
  readonly ordinal: number
  readonly effects: readonly PlannedEffect[]
  /** Time that the handler spends between its effects. */
  readonly pauseMs: number
  /** Adds to a number that it has read: correct only if no other turn changed it in between. */
  readonly chained: boolean
  /** Reads what all conversations have written. */
  readonly looksAround: boolean
  readonly toPeer: boolean
  readonly toYou: boolean
  readonly note: boolean
  readonly timerMs: number | null
}

/** How an input is posted, besides being tried again until it is acknowledged. */
export interface Posting {
  /** The same key once more: after the acknowledgement, or at the same time. */
  readonly again: 'no' | 'after' | 'beside'
  /** Hangs up on the first attempt after this time, ms, whether it was answered or not. */
  readonly impatientMs: number | null
}

export interface PlannedKill {
  readonly victim: 'agent' | 'peer'
  /**
   * `starting`: counted from its start, whether it has recovered or not. `working`: from when it was ready. `stopping`:
   * from when it was asked to stop.
   */
  readonly when: 'starting' | 'working' | 'stopping'
  readonly delayMs: number
}

export interface Plan {
  readonly tasks: readonly Task[]
  /** By `n - 1`, like the tasks. */
  readonly postings: readonly Posting[]
  readonly kills: readonly PlannedKill[]
}

const conversations = 8

/** Everything that is drawn, drawn beforehand: which kill hits what is up to the machine, what is tried is not. */
export function createPlan(options: {
  readonly messages: number
  readonly kills: number
  readonly seed: number
}): Plan {
  const random = createSeededRandom(options.seed)
  const tasks = planTasks(random.fork('tasks'), options.messages)
  const postings = random.fork('postings')
  const kills = random.fork('kills')
  return {
    tasks,
    postings: tasks.map(() => planPosting(postings)),
    kills: Array.from({ length: options.kills }, () => planKill(kills)),
  }
}

function planTasks(random: SeededRandom, messages: number): Task[] {
  const ordinals = new Map<string, number>()
  return Array.from({ length: messages }, (_, index) => {
    const conversation = `c${random.int(1, conversations)}`
    const ordinal = (ordinals.get(conversation) ?? 0) + 1
    ordinals.set(conversation, ordinal)
    return {
      n: index + 1,
      conversation,
      ordinal,
      effects: Array.from({ length: random.pick([1, 1, 2, 3]) }, (_none, at) =>
        planEffect(random, `e${at + 1}`),
      ),
      pauseMs: random.chance(0.3) ? random.int(1, 30) : 0,
      chained: random.chance(0.25),
      looksAround: random.chance(0.05),
      toPeer: random.chance(0.25),
      toYou: random.chance(0.2),
      note: random.chance(0.1),
      timerMs: random.chance(0.15) ? random.int(0, 500) : null,
    }
  })
}

function planEffect(random: SeededRandom, name: string): PlannedEffect {
  const policy = random.pick<Policy>(['idempotent', 'idempotent', 'verify', 'unkeyed'])
  // An unkeyed effect that fails waits for a person each time: kept rare, since the kills give enough of them.
  const faulty = random.chance(policy === 'unkeyed' ? 0.03 : 0.12)
  const fault = faulty
    ? random.pick<Fault>(['drop', 'error', 'refuse'])
    : random.chance(0.3)
      ? 'slow'
      : 'none'
  return { name, policy, fault, slowMs: fault === 'slow' ? random.int(1, 60) : 0 }
}

function planPosting(random: SeededRandom): Posting {
  return {
    again: random.chance(0.1) ? random.pick(['after', 'beside']) : 'no',
    impatientMs: random.chance(0.1) ? random.int(0, 4) : null,
  }
}

function planKill(random: SeededRandom): PlannedKill {
  const victim = random.chance(0.12) ? 'peer' : 'agent'
  // Starting takes a few hundred ms; these hit the loading of modules, the recovery, and the first turns after it.
  if (random.chance(0.25)) return { victim, when: 'starting', delayMs: random.int(0, 400) }
  if (random.chance(0.08)) return { victim, when: 'stopping', delayMs: random.fraction() * 20 }
  const longestMs = random.pick([20, 60, 60, 200, 200, 400, 1_000])
  return { victim, when: 'working', delayMs: random.fraction() * longestMs }
}
