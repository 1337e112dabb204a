import { createSeededRandom, type SeededRandom } from '../../../src/testing/random.ts'

export const agentNames = ['ada', 'bo', 'cy'] as const
export type AgentName = (typeof agentNames)[number]
/** Nobody has this name: what is sent there is refused. */
export const nobody = 'nobody'

/** What whoever gets a message is to do: send these on. It is the payload of the message. */
export interface Task {
  /** Says which one it is: thread, number within the thread, and the way that it has come. */
  readonly label: string
  /** Time that its handler spends before it sends. */
  readonly pauseMs: number
  readonly sends: readonly Errand[]
}

export interface Errand {
  readonly to: string
  readonly task: Task
}

/** What a person hands to an agent, in order within a thread. */
export interface Input {
  readonly id: string
  readonly agent: AgentName
  readonly thread: string
  readonly task: Task
}

/** Inputs, and every message between agents that they must lead to, by its label. */
export interface Work {
  readonly inputs: readonly Input[]
  readonly messages: ReadonlyMap<string, { readonly from: string; readonly to: string }>
}

export type Target = 'hub' | AgentName

export interface PlannedKill {
  /** Killed at the same moment. */
  readonly targets: readonly Target[]
  /** `starting`: whether it has come up since the last time or not. `working`: not before it has. */
  readonly when: 'starting' | 'working'
  readonly delayMs: number
  /** How long whoever starts it again takes. */
  readonly restartMs: number
  /** What is done to its folder before it is started again: a copy is taken, or put back. */
  readonly meanwhile?: 'copy' | 'put-back'
}

export interface Plan extends Work {
  readonly kills: readonly PlannedKill[]
}

export interface PlanOptions {
  /** Between agents, through the hub; a few more to finish what was begun. */
  readonly messages: number
  /** SIGKILLs, of which each restore takes two. */
  readonly kills: number
  readonly seed: number
  /** Who is put back once to an earlier copy: the hub, and an agent. Default: both. */
  readonly restores?: readonly ('hub' | 'agent')[]
}

const threadsPerAgent = 4

/** Everything that is drawn, drawn beforehand: which instruction a kill hits is up to the machine. */
export function createPlan({ messages, kills, seed, restores = ['hub', 'agent'] }: PlanOptions): Plan {
  const random = createSeededRandom(seed)
  return {
    ...planWork(random.fork('work'), messages),
    kills: planKills(random.fork('kills'), kills, restores),
  }
}

interface Shape {
  readonly to: string
  readonly next: readonly Shape[]
}

function planWork(random: SeededRandom, wanted: number): Work {
  const threads = agentNames.flatMap((agent) =>
    Array.from({ length: threadsPerAgent }, (_, index) => ({
      agent,
      thread: `${agent}${index}`,
      // Inputs of a thread go the same ways, so that their order can be compared wherever they come by.
      shape: [
        ...drawShape(random, agent, random.int(1, 3)),
        ...(index === 0 ? [{ to: nobody, next: [] }] : []),
      ],
    })),
  )
  const inputs: Input[] = []
  const messages = new Map<string, { from: string; to: string }>()
  for (let number = 0; messages.size < wanted; number += 1) {
    for (const { agent, thread, shape } of threads) {
      if (messages.size >= wanted) break
      const task = toTask(random, shape, `${thread}/${number}`, agent, messages)
      inputs.push({ id: `${thread}-${number}`, agent, thread, task })
    }
  }
  return { inputs, messages }
}

/** Both of the others get something, and pass it on, or answer. */
function drawShape(random: SeededRandom, at: string, depth: number): readonly Shape[] {
  if (depth === 0) return []
  const others = agentNames.filter((name) => name !== at)
  const chosen = random.chance(0.6) ? others : [random.pick(others)]
  const shapes = chosen.map((to) => ({ to, next: drawShape(random, to, depth - 1) }))
  return depth < 3 && random.chance(0.1) ? [...shapes, { to: nobody, next: [] }] : shapes
}

function toTask(
  random: SeededRandom,
  shapes: readonly Shape[],
  label: string,
  from: string,
  messages: Map<string, { from: string; to: string }>,
): Task {
  return {
    label,
    pauseMs: random.chance(0.15) ? random.int(1, 20) : 0,
    sends: shapes.map(({ to, next }, index) => {
      const own = `${label}/${index}${to}`
      messages.set(own, { from, to })
      return { to, task: toTask(random, next, own, to, messages) }
    }),
  }
}

function planKills(
  random: SeededRandom,
  count: number,
  restores: readonly ('hub' | 'agent')[],
): PlannedKill[] {
  const kills: PlannedKill[] = []
  const plain = count - 2 * restores.length
  for (let left = plain; left > 0;) {
    const kill = planKill(random, left > 1 && random.chance(0.15))
    kills.push(kill)
    left -= kill.targets.length
  }
  for (const what of restores) {
    const target = what === 'hub' ? 'hub' : random.pick(agentNames)
    // In the middle of the run, and so far apart that something has happened in between.
    const copyAt = random.int(Math.floor(kills.length * 0.3), Math.floor(kills.length * 0.5))
    const apart = Math.min(random.int(5, 12), Math.floor(kills.length * 0.3))
    const working = { targets: [target], when: 'working', delayMs: 0 } as const
    kills.splice(copyAt + apart, 0, { ...working, restartMs: 5, meanwhile: 'put-back' })
    kills.splice(copyAt, 0, { ...working, restartMs: 5, meanwhile: 'copy' })
  }
  return kills
}

function planKill(random: SeededRandom, pair: boolean): PlannedKill {
  const everybody: readonly Target[] = ['hub', ...agentNames]
  const first = random.pick(everybody)
  const second = random.pick(everybody.filter((name) => name !== first))
  const restartMs = random.pick([0, 5, 50, 200])
  const targets = pair ? [first, second] : [first]
  // Coming up takes a few hundred ms: these hit the loading of modules, the recovery, the login and the resuming.
  if (random.chance(0.25)) return { targets, when: 'starting', delayMs: random.int(0, 500), restartMs }
  const longestMs = random.pick([20, 60, 200, 400, 1_500])
  return { targets, when: 'working', delayMs: random.fraction() * longestMs, restartMs }
}
