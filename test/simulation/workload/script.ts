import type { SeededRandom } from '../../../src/testing/index.ts'

export type EffectKind = 'idempotent' | 'verify' | 'unkeyed'

/** One thing that a handler does; the script of an input is data, so that handler and model read the same. */
export type Op =
  | { readonly do: 'sleep'; readonly ms: number }
  /** `count` steps of one name, side by side where it is more than one. */
  | { readonly do: 'step'; readonly name: string; readonly count: number; readonly ms: number }
  /** `loose`: not awaited by the handler. */
  | {
      readonly do: 'effect'
      readonly name: string
      readonly kind: EffectKind
      readonly slowMs: number
      readonly loose: boolean
    }
  | { readonly do: 'refused'; readonly kind: EffectKind }
  | { readonly do: 'add'; readonly amount: number }
  /** Reads the balance, waits, writes it: others must not be overwritten. */
  | { readonly do: 'transfer'; readonly amount: number; readonly ms: number }
  | { readonly do: 'send'; readonly to: string; readonly refuse: boolean }
  | { readonly do: 'reply' }
  | { readonly do: 'schedule'; readonly inMs: number; readonly ops: readonly Op[] }
  | { readonly do: 'schedule-and-cancel' }
  | { readonly do: 'note' }
  | { readonly do: 'recall' }
  /** Fails (or hangs until its time is over) the first `times` times. */
  | { readonly do: 'throw'; readonly times: number }
  | { readonly do: 'hang'; readonly times: number }
  | { readonly do: 'die' }

export interface Input {
  readonly id: string
  readonly sender: string
  readonly conversation: string
  readonly ops: readonly Op[]
}

export interface Workload {
  /** What each sender says in each conversation, in order. */
  readonly threads: readonly (readonly Input[])[]
  readonly hasPoison: boolean
  readonly hasStartHandler: boolean
}

/** More often than `failuresMax`: fails for good. */
export const always = 1_000

export function drawWorkload(random: SeededRandom, poison?: boolean): Workload {
  const large = random.chance(0.2)
  const conversations = large ? random.int(2, 4) : random.int(1, 3)
  const senders = large ? random.int(2, 3) : random.pick([1, 1, 2])
  const hasPoison = poison ?? random.chance(0.15)
  const favourite = random.pick(kinds)
  const threads: Input[][] = []
  for (let sender = 1; sender <= senders; sender++) {
    for (let conversation = 1; conversation <= conversations; conversation++) {
      const name = `s${sender}`
      const inputs = Array.from({ length: random.int(1, 4) }, (_, index): Input => {
        const ops = Array.from({ length: random.int(1, 5) }, () => drawOp(random, favourite, 0))
        return {
          id: `${name}-c${conversation}-${index + 1}`,
          sender: name,
          conversation: `c${conversation}`,
          ops,
        }
      })
      threads.push(inputs)
    }
  }
  if (hasPoison) {
    const thread = random.pick(threads)
    const at = random.int(0, thread.length - 1)
    const victim = thread[at] as Input
    thread[at] = { ...victim, ops: [...victim.ops.filter((op) => op.do !== 'throw'), { do: 'die' }] }
  }
  return { threads, hasPoison, hasStartHandler: random.chance(0.7) }
}

const kinds = [
  'sleep',
  'step',
  'effect',
  'refused',
  'add',
  'transfer',
  'send',
  'reply',
  'schedule',
  'schedule-and-cancel',
  'note',
  'recall',
  'throw',
  'hang',
] as const

function drawOp(random: SeededRandom, favourite: Exclude<Op['do'], 'die'>, depth: number): Op {
  const ms = random.pick([0, 1, 30, 300])
  const kind = random.chance(0.3) ? favourite : random.pick(kinds)
  switch (kind) {
    case 'sleep':
      return { do: 'sleep', ms }
    case 'step':
      return { do: 'step', name: random.pick(['look', 'ask']), count: random.pick([1, 1, 3]), ms }
    case 'effect': {
      const slowMs = random.chance(0.1) ? random.pick([2_000, 9_000]) : 0
      const name = random.pick(['charge', 'mail'])
      const kind = random.pick(['idempotent', 'verify', 'unkeyed'] as const)
      return { do: 'effect', name, kind, slowMs, loose: random.chance(0.1) }
    }
    case 'refused':
      return { do: 'refused', kind: random.pick(['idempotent', 'verify', 'unkeyed']) }
    case 'add':
      return { do: 'add', amount: random.int(1, 100) }
    case 'transfer':
      return { do: 'transfer', amount: random.int(1, 100), ms }
    case 'send':
      return { do: 'send', to: random.pick(['bob', 'carol']), refuse: random.chance(0.1) }
    case 'schedule': {
      if (depth > 0) return { do: 'note' }
      const ops = Array.from({ length: random.int(0, 2) }, () => drawOp(random, favourite, depth + 1))
      return { do: 'schedule', inMs: random.pick([0, 40, 1_500, 20_000]), ops }
    }
    case 'throw':
    case 'hang':
      // Rare, and mostly once: each costs a wait.
      if (random.chance(0.7)) return { do: 'add', amount: 1 }
      return { do: kind, times: kind === 'throw' && random.chance(0.2) ? always : random.int(1, 2) }
    case 'reply':
    case 'schedule-and-cancel':
    case 'note':
    case 'recall':
      return { do: kind }
  }
}
