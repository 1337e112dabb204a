import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent, EffectRefused } from '../../../src/index.ts'
import type { AgentDefinition, Context } from '../../../src/agent/definition.ts'
import type { Json } from '../../../src/json.ts'
import type { Outside, SimulatedProcess } from '../../../src/testing/index.ts'
import { stepsOf, type Deployment } from './deployments.ts'
import type { EffectKind, Input, Op, Workload } from './script.ts'
import type { Watch } from './watch.ts'
import { Refusal, type World } from './world.ts'

export interface State {
  readonly starts: number
  /** Turns by conversation, in the order in which they took effect. */
  readonly seen: Record<string, string[]>
  readonly sum: number
  readonly balance: number
  readonly fired: Record<string, number>
  /** The versions that it was taken on from, in order. */
  readonly migrated: readonly number[]
}

const initial: State = { starts: 0, seen: {}, sum: 0, balance: 0, fired: {}, migrated: [] }

const schema: StandardSchemaV1<unknown, Draft> = {
  '~standard': {
    version: 1,
    vendor: 'simulation',
    validate(value) {
      const state = value as Draft
      return typeof state.sum === 'number' ? { value: state } : { issues: [{ message: 'no sum' }] }
    },
  },
}

type Draft = { -readonly [Key in keyof State]: State[Key] }
type Ctx = Context<Draft>

/** What the handlers of one process work with. */
interface Hands {
  readonly world: World
  readonly watch: Watch
  readonly outside: Outside
  readonly process: SimulatedProcess
  readonly deployment: Deployment
  /** Whether a request may still arrive in the world. */
  readonly underWay: (key: string) => boolean
  readonly clockJumps: boolean
}

export interface MindLimits {
  readonly failuresMax: number
  readonly crashesMax: number
}

/** The agent under test: its handlers do what the input's script says, and the world watches them. */
export function createMind(workload: Workload, hands: Hands, limits: MindLimits): AgentDefinition {
  const { world } = hands
  const mind = defineAgent({
    name: 'Ada',
    state: { version: hands.deployment.version, initial, schema, migrate: stepsOf(hands.deployment) },
    limits: { ...limits, turnTimeoutMs: 3_000, retryDelayMs: 100, retryDelayMaxMs: 2_000, turnsMax: 3 },
    ...(workload.hasStartHandler && {
      async onStart(start, ctx: Ctx) {
        world.starts.push(start)
        await watched(hands, ctx, 'start', 'start', `start-${ctx.turn.id}`, async (turn) => {
          ctx.update((state) => void (state.starts += 1))
          await perform(hands, ctx, turn, 0, {
            do: 'effect',
            name: 'hello',
            kind: 'idempotent',
            slowMs: 0,
            loose: false,
          })
        })
      },
    }),
    async onMessage(message, ctx) {
      const { ops, conversation } = message.payload as unknown as Input
      await watched(hands, ctx, 'message', conversation, message.id, async (turn) => {
        await performAll(hands, ctx, turn, ops)
        ctx.update((state) => void (state.seen[conversation] ??= []).push(message.id))
      })
    },
    async onTimer(timer, ctx) {
      const { key, ops } = timer.payload as { key: string; ops: Op[] }
      if (ctx.now() < timer.dueAt && !hands.clockJumps)
        world.violate('timers-once', `${key} fired before its time`)
      const conversation = key.split('-')[1] as string
      await watched(hands, ctx, 'timer', conversation, key, async (turn) => {
        await performAll(hands, ctx, turn, ops)
        ctx.update((state) => void (state.fired[key] = (state.fired[key] ?? 0) + 1))
      })
    },
  })
  // Whoever runs it takes no interest in the type of its state.
  return mind as unknown as AgentDefinition
}

async function watched(
  { world, watch, process }: Hands,
  ctx: Ctx,
  kind: 'start' | 'message' | 'timer',
  conversation: string,
  turn: string,
  run: (turn: string) => Promise<void>,
): Promise<void> {
  process.check()
  world.calls.set(turn, (world.calls.get(turn) ?? 0) + 1)
  watch.begin(turn, kind, conversation)
  const aborted = (): void => {
    if (process.alive) watch.end(turn)
  }
  ctx.signal.addEventListener('abort', aborted)
  try {
    await run(turn)
  } catch (error) {
    if (process.alive) world.failures.set(turn, (world.failures.get(turn) ?? 0) + 1)
    throw error
  } finally {
    if (process.alive) watch.end(turn)
  }
}

/** What a turn has made of the balance so far. */
const transferred = new WeakMap<Ctx, number>()

async function performAll(hands: Hands, ctx: Ctx, turn: string, ops: readonly Op[]): Promise<void> {
  for (const [index, op] of ops.entries()) await perform(hands, ctx, turn, index, op)
}

async function perform(hands: Hands, ctx: Ctx, turn: string, index: number, op: Op): Promise<void> {
  const { world, outside, process } = hands
  const label = `${turn}/${index}`
  process.check()
  switch (op.do) {
    case 'sleep':
      return outside.sleep(op.ms, ctx.signal)
    case 'step': {
      const runs = Array.from({ length: op.count }, async (_, which) => {
        const step = `${label}/${op.name}/${which}`
        const value = await ctx.step(op.name, async ({ signal }) => {
          process.check()
          const result = world.runStep(step)
          await outside.sleep(op.ms + which, signal)
          return result
        })
        if (process.alive) world.stepReturned(step, value)
      })
      await Promise.all(runs)
      return
    }
    case 'effect': {
      const done = performEffect(hands, ctx, `${label}/${op.name}`, op, false)
      if (!op.loose) return done
      done.catch(() => undefined)
      return
    }
    case 'refused':
      try {
        await performEffect(
          hands,
          ctx,
          `${label}/refused`,
          { name: 'refused', kind: op.kind, slowMs: 0 },
          true,
        )
      } catch (error) {
        if (!(error instanceof EffectRefused)) throw error
      }
      return
    case 'add':
      return ctx.update((state) => void (state.sum += op.amount))
    case 'transfer': {
      // The state is a snapshot: it does not show what this turn itself has transferred.
      const balance = (transferred.get(ctx) ?? ctx.state.balance) + op.amount
      transferred.set(ctx, balance)
      await outside.sleep(op.ms, ctx.signal)
      return ctx.update((state) => void (state.balance = balance))
    }
    case 'send':
      return ctx.send(op.to, { turn, index, refuse: op.refuse }, { conversation: 'news' })
    case 'reply':
      return ctx.reply({ turn, index, refuse: false })
    case 'schedule':
      await ctx.schedule(op.inMs, { key: `${label}!`, ops: op.ops as unknown as Json })
      return
    case 'schedule-and-cancel':
      return ctx.cancel(await ctx.schedule(10, { key: `${label}!`, ops: [] }))
    case 'note':
      await ctx.memory.remember(`note of ${label}`)
      return
    case 'recall':
      await ctx.memory.recall('note', 3)
      return
    case 'throw':
      if (world.nextTry(label) <= op.times && !world.mended.has(turn)) throw new Error(`${label} fails`)
      return
    case 'hang':
      if (world.nextTry(label) <= op.times) await outside.sleep(1e9, ctx.signal)
      return
    case 'die':
      return outside.die()
  }
}

async function performEffect(
  { world, outside, process, underWay }: Hands,
  ctx: Ctx,
  label: string,
  op: { readonly name: string; readonly kind: EffectKind; readonly slowMs: number },
  refuse: boolean,
): Promise<void> {
  const result = await ctx.effect<string>(op.name, {
    async run({ key }) {
      process.check()
      try {
        return await outside.request(key, () => world.apply(label, op.kind, key, refuse), op.slowMs)
      } catch (error) {
        throw error instanceof Refusal ? new EffectRefused(error.message) : error
      }
    },
    ...(op.kind === 'idempotent' && { idempotent: true }),
    ...(op.kind === 'verify' && {
      async verify({ key }: { key: string }) {
        // The other side answers a question about a request only when it can tell.
        return outside.request(`look for ${key}`, () => {
          if (underWay(key)) throw new Error(`${label} is still under way`)
          return world.find(key)
        })
      },
    }),
  })
  if (process.alive) world.effectReturned(label, result)
}
