import type { Json } from '../../src/index.ts'
import type { Task } from './plan.ts'
import type { Performance, ReceiverReport } from './receiver.ts'
import type { Acknowledgement } from './sender.ts'
import { modelState } from './state.ts'

/** Everything that was seen from outside, and what the agent has to show at the end. */
export interface Evidence {
  readonly tasks: readonly Task[]
  readonly acknowledged: readonly Acknowledgement[]
  readonly outside: ReceiverReport
  /** What the person at the terminal was given, in order. */
  readonly mailbox: readonly { readonly n: number; readonly conversation: string; readonly ordinal: number }[]
  readonly notes: readonly string[]
  readonly state: Record<string, Json>
}

export interface Verdict {
  /** Acknowledged inputs, and parts of what they must lead to, that never took effect. */
  readonly lost: number
  /** What took effect more often than once. */
  readonly duplicated: number
  /** What took effect before something that came earlier in its conversation. */
  readonly reordered: number
  /** Tasks whose step ran again after its result was recorded. */
  readonly stepsRepeated: number
  /** Keys of the final state that differ from the model's. */
  readonly stateDifferences: number
  /** What was wrong, in words. */
  readonly findings: readonly string[]
}

/** Compares what happened outside with what the acknowledged inputs had to lead to; asks no ledger. */
export function judge({ tasks, acknowledged, outside, mailbox, notes, state }: Evidence): Verdict {
  const findings: string[] = []
  const known = new Set(acknowledged.map(({ n }) => n))
  const accepted = tasks.filter(({ n }) => known.has(n))
  let lost = 0
  let duplicated = 0
  const expectOnce = (what: string, times: number): void => {
    if (times === 0) lost += 1
    else if (times > 1) duplicated += times - 1
    if (times !== 1) findings.push(`${what}: ${times} times`)
  }

  const performed = Map.groupBy(outside.performances, ({ n, name }) => `${n}/${name}`)
  const effectsOf = ({ effects, toPeer, timerMs }: Task): string[] => [
    ...effects.map(({ name }) => name),
    ...(toPeer ? ['peer'] : []),
    ...(timerMs === null ? [] : ['timer']),
  ]
  for (const task of accepted) {
    for (const name of effectsOf(task)) {
      expectOnce(`effect ${name} of input ${task.n}`, performed.get(`${task.n}/${name}`)?.length ?? 0)
    }
    if (task.toYou) expectOnce(`the reply to input ${task.n}`, mailbox.filter(({ n }) => n === task.n).length)
    if (task.note)
      expectOnce(
        `the note of input ${task.n}`,
        notes.filter((text) => text === `task ${task.n} was done`).length,
      )
  }
  const positions = Map.groupBy(acknowledged, ({ position }) => position)
  for (const [position, inputs] of positions) {
    if (inputs.length > 1) {
      lost += inputs.length - 1
      findings.push(
        `inputs ${inputs.map(({ n }) => n).join(', ')} were all acknowledged as entry ${position}`,
      )
    }
  }

  const turns = outside.performances.filter(({ name }) => name !== 'peer' && name !== 'timer')
  const messages = outside.performances.filter(({ name }) => name === 'peer')
  const reordered = [
    ...disorder('effects', turns),
    ...disorder('messages to the peer', messages),
    ...disorder('replies', mailbox),
  ]
  const repeated = drawsThatDiffer(outside.performances)
  const differences = differencesOf(modelState(accepted), state)
  return {
    lost,
    duplicated,
    reordered: reordered.length,
    stepsRepeated: repeated.length,
    stateDifferences: differences.length,
    findings: [...findings, ...reordered, ...repeated, ...differences],
  }
}

interface Placed {
  readonly n: number
  readonly conversation: string
  readonly ordinal: number
}

/** What came after something later of its own conversation. */
function disorder(what: string, sequence: readonly Placed[]): string[] {
  const latest = new Map<string, Placed>()
  return sequence.flatMap((place) => {
    const before = latest.get(place.conversation)
    if (before !== undefined && before.ordinal > place.ordinal) {
      return [`${what}: input ${place.n} came after input ${before.n} of the same conversation`]
    }
    latest.set(place.conversation, place)
    return []
  })
}

/** A recorded step gives every effect of its turn the same draw, whichever process performs it. */
function drawsThatDiffer(performances: readonly Performance[]): string[] {
  return [...Map.groupBy(performances, ({ n }) => n)].flatMap(([n, all]) => {
    const count = new Set(all.map(({ draw }) => draw)).size
    return count === 1 ? [] : [`the effects of input ${n} saw ${count} results of one step`]
  })
}

function differencesOf(
  model: Readonly<Record<string, unknown>>,
  state: Readonly<Record<string, Json>>,
): string[] {
  return Object.entries(model).flatMap(([key, expected]) => {
    const [wanted, found] = [canonical(expected), canonical(state[key])]
    return wanted === found ? [] : [`state.${key} is ${found}, the model has ${wanted}`]
  })
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
