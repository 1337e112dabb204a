/**
 * The agent that works in a soak, as `perdura start` runs it: enters every numbered message, passes on what it was handed,
 * answers what others pass on, and misbehaves once when it is told to.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineAgent } from '../../../src/index.ts'
import { emptyLedger, enter, type Ledger } from './ledger.ts'

export const misbehaviours = ['busy-loop', 'deadlock', 'throw-in-timer', 'leak', 'poison'] as const
export type Misbehaviour = (typeof misbehaviours)[number]

/** Payloads of the messages. */
export type Errand =
  /** From a person: `to` gets the same number in the stream of the two. */
  | { readonly kind: 'input'; readonly thread: string; readonly number: number; readonly to: string }
  | { readonly kind: 'passed'; readonly thread: string; readonly number: number }
  | { readonly kind: 'answer'; readonly thread: string; readonly number: number }
  | { readonly kind: 'misbehave'; readonly how: Misbehaviour }

const schema: StandardSchemaV1<unknown, Ledger> = {
  '~standard': { version: 1, vendor: 'soak', validate: (value) => ({ value: value as Ledger }) },
}

const leaked: Buffer[] = []

export default defineAgent({
  name: 'Soaked',
  state: { version: 1, initial: emptyLedger(), schema },
  // What is killed in a turn is killed by the soak; and what hangs is to be noticed within the soak's minute.
  limits: { turnTimeoutMs: 5_000, failuresMax: 20, crashesMax: 3, retryDelayMs: 100, retryDelayMaxMs: 1_000 },

  async onMessage(message, ctx) {
    const errand = message.payload as unknown as Errand
    if (errand.kind === 'misbehave') {
      await misbehave(errand.how, ctx.turn.attempt)
      return
    }
    const { kind, thread, number } = errand
    if (kind === 'input') {
      const passed: Errand = { kind: 'passed', thread, number }
      await ctx.send(errand.to, { ...passed }, { conversation: thread })
    } else if (kind === 'passed') {
      const answer: Errand = { kind: 'answer', thread, number }
      await ctx.reply({ ...answer })
    }
    ctx.update((ledger) => enter(ledger, `${kind} ${thread}`, number))
  },
})

/** In the first attempt; the poisonous one each time, until it is set aside. */
async function misbehave(how: Misbehaviour, attempt: number): Promise<void> {
  if (how === 'poison') process.exit(1)
  if (attempt > 1) return
  switch (how) {
    case 'busy-loop':
      for (;;);
    case 'deadlock':
      await new Promise(() => undefined)
      return
    case 'throw-in-timer':
      setTimeout(() => {
        throw new Error('thrown in a timer, as the soak asked')
      }, 1)
      await sleep(60_000)
      return
    case 'leak':
      // In steps, so that other turns go on meanwhile, and up to a bound, since the machine has other uses for its memory.
      // Written to, or it is no memory.
      for (let step = 0; step < 100; step += 1) {
        leaked.push(Buffer.alloc(4_000_000, 1))
        await sleep(20)
      }
  }
}
