import type { Start } from '../../../src/agent/definition.ts'
import type { Outgoing, Verdict } from '../../../src/queue/outbox.ts'
import type { Accepted } from '../../../src/runtime/agent.ts'
import type { EffectKind, Input } from './script.ts'

/** What a checker found; `invariant` names what does not hold. */
export interface Violation {
  readonly invariant: Invariant
  readonly message: string
}

export const invariants = [
  'nothing-lost',
  'state-once',
  'no-lost-update',
  'effects-once',
  'unkeyed-at-most-once',
  'refusals-final',
  'steps-once',
  'order',
  'messages-once',
  'timers-once',
  'acknowledged-durable',
  'positions',
  'notes-kept',
  'start-flags',
  'migrated-once',
  'safe-mode-rests',
  'stops-in-time',
  'stop-told',
  'journal-equals-database',
  'innocent-not-blamed',
  'suspects-alone',
  'opens-again',
  'journal-intact',
  'converges',
  'no-stray-errors',
] as const

export type Invariant = (typeof invariants)[number]

export interface Receipt {
  readonly label: string
  readonly kind: EffectKind
  /** The idempotency keys that were asked with. */
  readonly keys: Set<string>
  /** How often it really happened. */
  applied: number
  refused: number
}

export interface Arrival {
  readonly id: string
  readonly recipient: string
  readonly conversation: string
  readonly text: string
}

/** Everything outside the agent. It remembers what happened to it, and never asks Perdura what it believes. */
export class World {
  readonly violations: Violation[] = []
  readonly acknowledged = new Map<string, Accepted>()
  /** By `<turn>/<effect>`. */
  readonly receipts = new Map<string, Receipt>()
  readonly receiptsByKey = new Map<string, Receipt>()
  readonly arrivals: Arrival[] = []
  /** How often a handler was called for a turn, and how often it ended with an error or ran out of time. */
  readonly calls = new Map<string, number>()
  readonly failures = new Map<string, number>()
  readonly starts: Start[] = []
  /** Turns that failed for good until somebody mended what was wrong, and had them tried again. */
  readonly mended = new Set<string>()
  /** Incarnations that stopped and could not write that they did. */
  readonly unmarkedStops = new Set<number>()
  readonly #arrived = new Map<string, string>()
  readonly #steps = new Map<string, number>()
  readonly #tries = new Map<string, number>()
  #stepValues = 0

  violate(invariant: Invariant, message: string): void {
    this.violations.push({ invariant, message })
  }

  acknowledge(input: Input, accepted: Accepted): void {
    const before = this.acknowledged.get(input.id)
    if (before === undefined) {
      this.acknowledged.set(input.id, accepted)
      return
    }
    if (before.position !== accepted.position) {
      this.violate(
        'positions',
        `${input.id} was acknowledged at ${before.position} and at ${accepted.position}`,
      )
    }
    if (!accepted.duplicate)
      this.violate('state-once', `${input.id} was taken in again after its acknowledgement`)
  }

  /** How often this was tried, this time included. */
  nextTry(label: string): number {
    const count = (this.#tries.get(label) ?? 0) + 1
    this.#tries.set(label, count)
    return count
  }

  /** A step runs; its result is different each time. */
  runStep(label: string): number {
    if (this.#steps.has(label)) this.violate('steps-once', `${label} ran again after its result was recorded`)
    return (this.#stepValues += 1)
  }

  stepReturned(label: string, value: number): void {
    const before = this.#steps.get(label)
    if (before !== undefined && before !== value) {
      this.violate('steps-once', `${label} gave ${before}, and later ${value}`)
    }
    this.#steps.set(label, value)
  }

  /** An effect reaches the world. One that is keyed is done once per key; the others whenever they are asked for. */
  apply(label: string, kind: EffectKind, key: string, refuse: boolean): string {
    const receipt = this.#receipt(label, kind)
    const known = receipt.keys.has(key)
    receipt.keys.add(key)
    this.receiptsByKey.set(key, receipt)
    if (refuse) {
      receipt.refused += 1
      throw new Refusal(label)
    }
    if (kind !== 'idempotent' || !known) receipt.applied += 1
    return resultOf(label)
  }

  /** Whether it happened, for `verify` and for a person who is to decide. */
  find(key: string): string | undefined {
    const receipt = this.receiptsByKey.get(key)
    return receipt === undefined || receipt.applied === 0 ? undefined : resultOf(receipt.label)
  }

  effectReturned(label: string, result: string): void {
    if (result !== resultOf(label)) this.violate('effects-once', `${label} came back with ${result}`)
    if ((this.receipts.get(label)?.applied ?? 0) === 0) {
      this.violate('effects-once', `${label} came back without having happened`)
    }
  }

  /** A message reaches its recipient, who knows repeats by their id. */
  receive(message: Outgoing, refuse: boolean): Verdict {
    const { id, to, conversation } = message
    const text = JSON.stringify(message.content)
    const before = this.#arrived.get(id)
    if (before !== undefined && before !== text) {
      this.violate('messages-once', `message ${id} said ${before}, and then ${text}`)
    }
    if (before === undefined) {
      this.#arrived.set(id, text)
      this.arrivals.push({ id, recipient: to, conversation, text })
    }
    return refuse ? { verdict: 'refused', error: 'not wanted' } : { verdict: 'delivered' }
  }

  #receipt(label: string, kind: EffectKind): Receipt {
    let receipt = this.receipts.get(label)
    if (receipt === undefined) {
      receipt = { label, kind, keys: new Set(), applied: 0, refused: 0 }
      this.receipts.set(label, receipt)
    }
    return receipt
  }
}

/** What the other side answers when it declines. */
export class Refusal extends Error {}

function resultOf(label: string): string {
  return `receipt for ${label}`
}
