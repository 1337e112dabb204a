/** What the compiler makes of the public interface. The checks are made by `tsc`; running the file runs none of it. */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent, EffectRefused, openAgent } from '../../src/index.ts'
import type { Agent, AgentDefinition, Context, Json, Message, PerduraError } from '../../src/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where the two types are the same. */
function same<A, B>(..._: Equal<A, B> extends true ? [] : [never]): void {}

interface Paid {
  paid: number
  names: string[]
}

/** A Standard Schema without a library. */
const handMade: StandardSchemaV1<Partial<Paid>, Paid> = {
  '~standard': {
    version: 1,
    vendor: 'hand',
    validate: (value) => ({ value: { paid: 0, names: [], ...(value as Partial<Paid>) } }),
  },
}

test('the state that a handler sees is what the schema gives', () => {
  const definition = () =>
    defineAgent({
      name: 'Ada',
      state: { version: 1, schema: z.object({ paid: z.number().default(0), at: z.string().optional() }) },
      onMessage(_, ctx) {
        same<typeof ctx.state.paid, number>()
        same<typeof ctx.state.at, string | undefined>()
        // @ts-expect-error -- there is no such key
        void ctx.state.missing
        // @ts-expect-error -- the state is a snapshot
        ctx.state.paid = 1
        ctx.update((state) => {
          state.paid += 1
          // @ts-expect-error -- of another type
          state.paid = 'one'
        })
        ctx.update((state) => ({ ...state, paid: 2 }))
        // @ts-expect-error -- an expression that is a number is no new state
        ctx.update((state) => (state.paid += 1))
        // @ts-expect-error -- an update cannot wait
        ctx.update(async (state) => void (state.paid += 1))
      },
      onStart: (_, ctx) => same<typeof ctx.state.paid, number>(),
      onTimer: (_, ctx) => same<typeof ctx.state.paid, number>(),
    })
  same<ReturnType<typeof definition>, AgentDefinition<{ paid: number; at?: string | undefined }>>()
})

test('any Standard Schema gives the state its type', () => {
  void (() =>
    defineAgent({
      name: 'Ada',
      state: { version: 1, schema: handMade, initial: { paid: 3 } },
      onMessage(_, ctx) {
        same<typeof ctx.state, Readonly<Paid>>()
        ctx.update((state) => void state.names.push('Eve'))
      },
    }))
  void (() =>
    defineAgent({
      name: 'Ada',
      state: {
        version: 3,
        schema: handMade,
        migrate: { 1: ({ payments }) => ({ paid: payments.length }), 2: (state) => void (state.names = []) },
      },
    }))
  void (() => [
    // @ts-expect-error -- a step gives a state
    defineAgent({ name: 'Ada', state: { version: 2, schema: handMade, migrate: { 1: () => 'two' } } }),
    // @ts-expect-error -- the first state is what the schema takes
    defineAgent({ name: 'Ada', state: { version: 1, schema: handMade, initial: { paid: 'three' } } }),
    // @ts-expect-error -- a state is an object
    defineAgent({ name: 'Ada', state: { version: 1, schema: z.string() } }),
    // @ts-expect-error -- no schema
    defineAgent({ name: 'Ada', state: { version: 1 } }),
  ])
})

test('the result of a step and of an effect has the type of what they run', () => {
  void (async (ctx: Context<object>) => {
    same<Awaited<ReturnType<typeof plain>>, number>()
    const plain = () => ctx.step('a', () => 1)
    const later = () => ctx.step('a', async () => ({ b: 'c' }))
    same<Awaited<ReturnType<typeof later>>, { b: string }>()
    const nothing = () => ctx.step('a', () => undefined)
    same<Awaited<ReturnType<typeof nothing>>, undefined>()
    await ctx.step('a', ({ signal }) => same<typeof signal, AbortSignal>())

    const effect = () =>
      ctx.effect('a', {
        run: async ({ key, signal }) => {
          same<typeof key, string>()
          same<typeof signal, AbortSignal>()
          return { id: 7 }
        },
        verify: async ({ key }) => (key === '' ? undefined : { id: 8 }),
        idempotent: true,
        exclusive: true,
      })
    same<Awaited<ReturnType<typeof effect>>, { id: number }>()
    // @ts-expect-error -- what is found must be what is done
    await ctx.effect('a', { run: () => 1, verify: () => 'one' })
    // @ts-expect-error -- nothing to run
    await ctx.effect('a', { verify: () => 1 })
    // @ts-expect-error -- a step has a name
    await ctx.step(() => 1)
  })
})

test('what is sent and scheduled is JSON', () => {
  void (async (ctx: Context<object>) => {
    await ctx.reply('text')
    await ctx.reply({ a: [1, null, { b: true }] })
    await ctx.send('Bob', 7, { conversation: 'plans' })
    // @ts-expect-error -- a function is not
    await ctx.reply(() => 1)
    // @ts-expect-error -- nor is nothing
    await ctx.reply(undefined)
    // @ts-expect-error -- no recipient
    await ctx.send('hello')
    same<Awaited<ReturnType<typeof timer>>, string>()
    const timer = () => ctx.schedule(new Date(0), { to: 'Bob' })
    await ctx.schedule('24h')
    // @ts-expect-error -- a map is no JSON
    await ctx.schedule(5, new Map())
  })
})

test('a message is what came in', () => {
  void ((message: Message) => {
    same<typeof message.payload, Json>()
    same<typeof message.inReplyTo, string | undefined>()
    // @ts-expect-error -- nobody has looked at it yet
    void message.payload.amount
    // @ts-expect-error -- it cannot be changed
    message.text = 'other'
  })
})

test('wrong options do not compile', () => {
  void (() => [
    // @ts-expect-error -- no name
    defineAgent({}),
    // @ts-expect-error -- a misspelt handler
    defineAgent({ name: 'Ada', onMesage() {} }),
    // @ts-expect-error -- a misspelt limit
    defineAgent({ name: 'Ada', limits: { turnMax: 1 } }),
    // @ts-expect-error -- options are no definition
    openAgent({ name: 'Ada' }),
    // @ts-expect-error -- no such option
    openAgent(defineAgent({ name: 'Ada' }), { folder: '/tmp' }),
  ])
})

test('an opened agent takes JSON in, tells its events by their names, and errors have codes', () => {
  void (async () => {
    const agent: Agent = await openAgent(
      defineAgent({ name: 'Ada', state: { version: 1, schema: handMade } }),
    )
    const { position, duplicate } = await agent.ingest({ id: '1', payload: { a: 1 }, from: 'shop' })
    same<[typeof position, typeof duplicate], [number, boolean]>()
    // @ts-expect-error -- an id is text
    await agent.ingest({ id: 1, payload: 1 })
    // @ts-expect-error -- no payload
    await agent.ingest({ id: '1' })
    agent.on('turn:done', ({ turn, durationMs }) =>
      same<[typeof turn, typeof durationMs], [number, number]>(),
    )
    // @ts-expect-error -- no such event
    agent.on('turn:finished', () => undefined)
    await agent.resolveEffect(1, 'pay', { outcome: 'done', result: null })
    // @ts-expect-error -- done with what result?
    await agent.resolveEffect(1, 'pay', { outcome: 'done' })
    const error: PerduraError = new EffectRefused('declined')
    // @ts-expect-error -- no such code
    void (error.code === 'ERR_NONSENSE')
  })
})
