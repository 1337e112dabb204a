import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent, type AgentDefinition } from '../../../src/index.ts'
import { priorities, type Priority } from '../../../src/queue/priority.ts'
import type { SeededRandom } from '../../../src/testing/index.ts'

/** What whoever gets a message is to do: send these on. */
export interface Task {
  /** Says which one it is: thread, number within the thread, and the way that it has come. */
  readonly label: string
  readonly sends: readonly Errand[]
  /** Makes it large. */
  readonly ballast?: string
}

export interface Errand {
  readonly to: string
  readonly priority?: Priority
  /** How long it is good for. */
  readonly ttlMs?: number
  readonly task: Task
}

/** What is handed to an agent from outside, in order within a thread. */
export interface Input {
  readonly id: string
  readonly agent: string
  readonly thread: string
  readonly task: Task
}

export const agentNames = ['ada', 'bo', 'cy'] as const
/** Nobody has this name: what is sent there is refused. */
export const nobody = 'nobody'

export interface SentMessage {
  readonly from: string
  readonly to: string
  readonly ttlMs?: number
}

export interface Work {
  readonly inputs: readonly Input[]
  /** Every message that must be sent, by its label. */
  readonly messages: ReadonlyMap<string, SentMessage>
}

/** `urgency`: draws what is urgent, and what is good for a while only; without it, nothing is. */
export function drawWork(random: SeededRandom, urgency?: SeededRandom): Work {
  const inputs: Input[] = []
  const messages = new Map<string, SentMessage>()
  const threads = random.int(2, 4)
  for (let thread = 0; thread < threads; thread++) {
    const agent = random.pick(agentNames)
    // Inputs of a thread go the same ways, so that their order can be compared wherever they come by.
    const shape = drawShape(random, agent, random.int(1, 3))
    const count = random.int(2, 8)
    for (let number = 0; number < count; number++) {
      const ballast = random.chance(0.15) ? 'x'.repeat(Math.floor(2 ** (random.fraction() * 16))) : undefined
      const task = label(shape, `t${thread}/${number}`, agent, { messages, ballast, urgency })
      inputs.push({ id: `t${thread}-${number}`, agent, thread: `t${thread}`, task })
    }
  }
  return { inputs, messages }
}

interface Shape {
  readonly to: string
  readonly next: readonly Shape[]
}

function drawShape(random: SeededRandom, at: string, depth: number): readonly Shape[] {
  if (depth === 0) return []
  return Array.from({ length: random.int(1, 2) }, () => {
    const to = random.chance(0.06) ? nobody : random.pick(agentNames.filter((name) => name !== at))
    return { to, next: to === nobody ? [] : drawShape(random, to, depth - 1) }
  })
}

interface Labelling {
  readonly messages: Map<string, SentMessage>
  readonly urgency: SeededRandom | undefined
  /** Goes with every message of the input. */
  readonly ballast: string | undefined
}

function label(shapes: readonly Shape[], prefix: string, from: string, labelling: Labelling): Task {
  const { messages, ballast, urgency } = labelling
  return {
    label: prefix,
    sends: shapes.map(({ to, next }, index) => {
      const own = `${prefix}/${index}${to}`
      const priority = urgency?.pick(priorities)
      const ttlMs = urgency?.chance(0.15) === true ? urgency.pick([300, 3_000, 20_000]) : undefined
      const given = { ...(priority !== undefined && { priority }), ...(ttlMs !== undefined && { ttlMs }) }
      messages.set(own, { from, to, ...given })
      return { to, ...given, task: label(next, own, to, labelling) }
    }),
    ...(ballast !== undefined && { ballast }),
  }
}

export interface State {
  /** Labels in the order in which they took effect. */
  handled: string[]
}

const schema: StandardSchemaV1<unknown, State> = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as State }) },
}

/** Does what it is told, and remembers what it was. */
export function createWorker(name: string): AgentDefinition {
  const worker = defineAgent({
    name,
    state: { version: 1, initial: { handled: [] }, schema },
    limits: { turnsMax: 3, hopsMax: 20 },
    async onMessage(message, ctx) {
      const task = message.payload as unknown as Task
      for (const { to, task: next, priority, ttlMs } of task.sends) {
        await ctx.send(to, next as never, {
          conversation: message.conversation,
          ...(priority !== undefined && { priority }),
          ...(ttlMs !== undefined && { ttl: ttlMs }),
        })
      }
      ctx.update((state) => void state.handled.push(task.label))
    },
  })
  return worker as unknown as AgentDefinition
}
