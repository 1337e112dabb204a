import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent, openAgent, type AgentDefinition, type Start } from '../../../src/index.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import { pictureOf, withFolder } from '../../helpers/folder.ts'
import { fastPlatform, gate, openTestAgent, until, useAgent, withAgent } from '../../helpers/real-agent.ts'
import { code, useStore } from '../../helpers/store-folder.ts'

test('onStart runs once per start, before what waits in the inbox, and says how the process before ended', () =>
  withFolder(async (home) => {
    const starts: Start[] = []
    const order: string[] = []
    const definition = defineAgent({
      name: 'Ada',
      async onStart(start, ctx) {
        starts.push(start)
        await ctx.step('breathe', () => undefined)
        order.push('start')
      },
      onMessage: ({ text }) => void order.push(text),
    })
    await useAgent(home, definition, async (agent) => {
      await agent.ingest({ id: '1', payload: 'waiting' })
      await agent.event('turn:done', ({ turn }) => turn === 2)
      await agent.close()
    })
    await useAgent(home, definition, (agent) => agent.event('turn:done'))
    assert.deepEqual(starts, [
      { first: true, previous: 'none' },
      { first: false, previous: 'clean' },
    ])
    assert.deepEqual(order, ['start', 'waiting', 'start'])
  }))

test('a start that fails is tried again, and holds nobody up', () => {
  let failures = 1
  const order: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    limits: { retryDelayMs: 30 },
    onStart() {
      if (failures-- > 0) throw new Error('not yet')
      order.push('start')
    },
    onMessage: () => void order.push('message'),
  })
  return withAgent(definition, async (agent) => {
    await agent.handle('go')
    await agent.event('turn:done', ({ turn }) => turn === 1)
    assert.deepEqual(order, ['message', 'start'])
  })
})

test('the identity of an agent stays the same across restarts', () =>
  withFolder(async (home) => {
    const definition = defineAgent({ name: 'Ada' })
    const id = await useAgent(home, definition, (agent) => agent.id)
    assert.equal(await useAgent(home, definition, (agent) => agent.id), id)
  }))

test('closing lets a turn finish within the deadline', () =>
  withFolder(async (home) => {
    const held = gate()
    let done = false
    const definition = defineAgent({
      name: 'Ada',
      async onMessage() {
        await held.passed
        done = true
      },
    })
    const agent = await openTestAgent(home, definition)
    await agent.ingest({ id: '1', payload: 'go' })
    await agent.event('turn:attempt:started')
    const closing = agent.close()
    held.open()
    await closing
    assert.equal(done, true)
  }))

test('closing interrupts a turn at the deadline without blame, and the next start does it again', () =>
  withFolder(async (home) => {
    let hang = true
    const reasons: unknown[] = []
    const definition = defineAgent({
      name: 'Ada',
      limits: { failuresMax: 1, crashesMax: 1 },
      async onMessage(_, ctx) {
        if (!hang) return
        ctx.signal.addEventListener('abort', () => reasons.push(ctx.signal.reason))
        await new Promise(() => undefined)
      },
    })
    const agent = await openTestAgent(home, definition)
    await agent.ingest({ id: '1', payload: 'go' })
    await agent.ingest({ id: '2', payload: 'behind' })
    await agent.event('turn:attempt:started')
    await agent.close({ deadlineMs: 10 })
    assert.ok(code('ERR_TURN_ENDED', /agent is stopping/)(reasons[0]))
    hang = false
    await useAgent(home, definition, async (again) => {
      assert.equal(again.recovered.previous, 'clean')
      assert.equal(again.recovered.interruptedTurns, 0)
      await again.event('turn:done', ({ turn }) => turn === 2)
      const row = again.reader.get<{ failures: number; crashes: number }>(
        'SELECT failures, crashes FROM inbox',
      )
      assert.deepEqual({ ...row }, { failures: 0, crashes: 0 })
    })
  }))

test('closing at once ends also with a turn that was just beginning and would never return', () =>
  withFolder(async (home) => {
    const platform = createNodePlatform()
    let slow = false
    // The commit that counts the attempt comes after the deadline.
    const defer = (run: () => void): void => void (slow ? setTimeout(run, 30) : setImmediate(run))
    let runs = 0
    const definition = defineAgent({
      name: 'Ada',
      onMessage() {
        runs += 1
        return new Promise(() => undefined)
      },
    })
    const options = { platform: { ...platform, clock: { ...platform.clock, defer } } }
    const agent = await openTestAgent(home, definition, options)
    await agent.ingest({ id: '1', payload: 'go' })
    slow = true
    await agent.close({ deadlineMs: 0 })
    assert.equal(runs, 0)
  }))

test('closing twice is closing once', () =>
  withFolder(async (home) => {
    const agent = await openTestAgent(home, defineAgent({ name: 'Ada' }))
    const stops: number[] = []
    agent.on('agent:stop:done', () => stops.push(1))
    await Promise.all([agent.close(), agent.close()])
    await agent.close()
    assert.deepEqual(stops, [1])
  }))

test('closing does not wait for ever for a delivery that does not end; the message is sent again', () =>
  withFolder(async (home) => {
    const definition = defineAgent({ name: 'Ada', onMessage: (_, ctx) => ctx.send('Bob', 'hello') })
    const tried: string[] = []
    const agent = await openTestAgent(home, definition, {
      deliver({ id }) {
        tried.push(id)
        return new Promise(() => undefined)
      },
    })
    await agent.handle('go')
    await until(() => tried.length === 1)
    await agent.close({ deadlineMs: 10 })
    await useAgent(home, definition, (again) => again.event('outbox:message:delivered'), {
      async deliver({ id }) {
        tried.push(id)
        return { verdict: 'delivered' }
      },
    })
    assert.deepEqual(tried, [tried[0], tried[0]])
  }))

test('a closed agent refuses everything with ERR_STORE_CLOSED', () =>
  withFolder(async (home) => {
    const agent = await openTestAgent(home, defineAgent({ name: 'Ada' }))
    const closing = agent.close()
    const closed = code('ERR_STORE_CLOSED')
    await assert.rejects(agent.ingest({ id: '1', payload: 1 }), closed)
    await closing
    await assert.rejects(agent.ingest({ id: '1', payload: 1 }), closed)
    await assert.rejects(agent.retryTurn(1), closed)
    await assert.rejects(agent.resolveEffect(1, 'a', { outcome: 'not-done' }), closed)
    await assert.rejects(agent.acknowledgeTerminal({ through: 1 }), closed)
  }))

test('what was acknowledged right before closing is handled after the next start', () =>
  withFolder(async (home) => {
    let handled = 0
    const definition = defineAgent({ name: 'Ada', onMessage: () => void (handled += 1) })
    const agent = await openTestAgent(home, definition)
    const accepted = Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        agent.ingest({ id: String(n), payload: n, conversation: String(n) }),
      ),
    )
    await Promise.all([accepted, agent.close()])
    await useAgent(home, definition, async () => until(() => handled === 20))
  }))

test('a second opening of the same agent is refused with ERR_HOME_IN_USE, two agents of a home run side by side', () =>
  withFolder(async (home) => {
    const [ada, bob] = ['Ada', 'Bob'].map((name) =>
      defineAgent({ name, onMessage: ({ text }, ctx) => ctx.reply(`${name}: ${text}`) }),
    ) as [ReturnType<typeof defineAgent>, ReturnType<typeof defineAgent>]
    await useAgent(home, ada, (first) =>
      useAgent(home, bob, async (second) => {
        await assert.rejects(openTestAgent(home, ada), code('ERR_HOME_IN_USE'))
        await Promise.all([first.handle('hi'), second.handle('hi')])
        assert.deepEqual([first.mailbox(), second.mailbox()], [['Ada: hi'], ['Bob: hi']])
        assert.notEqual(first.id, second.id)
      }),
    )
  }))

const v1 = { version: 1, schema: z.object({ name: z.string().default('x'), old: z.number().default(1) }) }

test('a state of a newer version is refused with ERR_STATE_NEWER, and the agent stays as it was', () =>
  withFolder(async (home) => {
    await useAgent(home, defineAgent({ name: 'Ada', state: { ...v1, version: 3 } }), () => undefined)
    const before = pictureOf(path.join(home, 'agents', 'Ada', 'journal'))
    await assert.rejects(
      openTestAgent(home, defineAgent({ name: 'Ada', state: v1 })),
      code('ERR_STATE_NEWER'),
    )
    assert.deepEqual(pictureOf(path.join(home, 'agents', 'Ada', 'journal')), before)
    await useAgent(home, defineAgent({ name: 'Ada', state: { ...v1, version: 3 } }), () => undefined)
  }))

test('a stored state that the schema does not take is refused with ERR_STATE_INVALID, naming the key', () =>
  withFolder(async (home) => {
    await useAgent(home, defineAgent({ name: 'Ada', state: v1 }), () => undefined)
    const narrower = { version: 2, schema: z.object({ name: z.number().default(1) }) }
    await assert.rejects(
      openTestAgent(home, defineAgent({ name: 'Ada', state: narrower })),
      code('ERR_STATE_INVALID', /name: .*Make the schema accept it/),
    )
    await useAgent(home, defineAgent({ name: 'Ada', state: v1 }), (agent) => {
      assert.deepEqual(agent.state(), { name: 'x', old: 1 })
    })
  }))

test('state is migrated once; where that fails the agent is not opened, and stays as it was', () =>
  withFolder(async (home) => {
    await useAgent(home, defineAgent({ name: 'Ada', state: v1 }), () => undefined)
    const before = pictureOf(path.join(home, 'agents', 'Ada', 'journal'))
    const schema = z.object({ title: z.string(), times: z.number() })
    const second = (migrate: (state: { name: string }) => object): AgentDefinition =>
      defineAgent({
        name: 'Ada',
        state: { version: 2, schema, initial: { title: '', times: 0 }, migrate: { 1: migrate } },
      }) as unknown as AgentDefinition
    const failing = second(() => {
      throw new Error('no title')
    })
    await assert.rejects(
      openTestAgent(home, failing),
      code('ERR_STATE_MIGRATION', /version 1 to 2: .*no title/),
    )
    assert.deepEqual(pictureOf(path.join(home, 'agents', 'Ada', 'journal')), before)
    await useAgent(home, defineAgent({ name: 'Ada', state: v1 }), (agent) => {
      assert.deepEqual(agent.state(), { name: 'x', old: 1 })
    })
    let times = 0
    const working = second(({ name }) => ({ title: name, times: (times += 1) }))
    for (const _ of [1, 2]) {
      await useAgent(home, working, (agent) => {
        assert.deepEqual(agent.state(), { title: 'x', times: 1 })
      })
    }
  }))

test('a higher version of the state is what the schema makes of the lower one; a key that it drops does not come back', () =>
  withFolder(async (home) => {
    const change = defineAgent({
      name: 'Ada',
      state: v1,
      onMessage: (_, ctx) => ctx.update((state) => void (state.old = 7)),
    })
    await useAgent(home, change, (agent) => agent.handle('go'))
    const v2 = {
      version: 2,
      schema: z.object({ name: z.string(), added: z.number().default(2) }),
      initial: { name: '' },
    }
    await useAgent(home, defineAgent({ name: 'Ada', state: v2 }), (agent) => {
      assert.deepEqual(agent.state(), { name: 'x', added: 2 })
    })
    await useAgent(home, defineAgent({ name: 'Ada', state: { ...v1, version: 3 } }), (agent) => {
      assert.deepEqual(agent.state(), { name: 'x', old: 1 })
    })
  }))

test('what the schema derives from the state is as new as the state, in memory and after a restart', () =>
  withFolder(async (home) => {
    const seen: number[] = []
    const derived = z
      .object({ items: z.array(z.string()).default([]), count: z.number().optional() })
      .transform((state) => ({ ...state, count: state.items.length }))
    const definition = defineAgent({
      name: 'Ada',
      state: { version: 1, schema: derived },
      onMessage({ text }, ctx) {
        seen.push(ctx.state.count)
        ctx.update((state) => void state.items.push(text))
      },
    })
    await useAgent(home, definition, async (agent) => {
      await agent.handle('a')
      await agent.handle('b')
      assert.deepEqual(agent.state(), { count: 2, items: ['a', 'b'] })
    })
    await useAgent(home, definition, (agent) => agent.handle('c'))
    assert.deepEqual(seen, [0, 1, 2])
  }))

test('openAgent takes nothing but a definition', () =>
  withFolder((home) =>
    assert.rejects(
      openAgent({ name: 'Ada' } as never, { home }),
      code('ERR_DEFINITION', /what defineAgent returns/),
    ),
  ))

test('after its identifier was forgotten a message sets its timers anew, and they fire', () => {
  const fired: string[] = []
  const definition = defineAgent({
    name: 'Ada',
    onMessage: async (_, ctx) => void (await ctx.schedule(1, 'again')),
    onTimer: ({ id }) => void fired.push(id),
  })
  const day = 86_400_000
  const platform = fastPlatform(1)
  let shiftMs = 0
  const clock = { ...platform.clock, now: () => platform.clock.now() + shiftMs }
  return withFolder(async (home) => {
    const options = { platform: { ...platform, clock } }
    const repeat = async (): Promise<void> => {
      const count = fired.length
      await useAgent(
        home,
        definition,
        async (agent) => {
          await agent.ingest({ id: 'daily', payload: 'go' })
          await until(() => fired.length > count)
        },
        options,
      )
    }
    await repeat()
    // The message is forgotten after 30 days, its timer, which fired a little later, is not yet.
    shiftMs = 31 * day
    await useAgent(home, definition, forgetMessages, options)
    await repeat()
    assert.equal(fired.length, 2)
    assert.equal(fired[0], fired[1])
  })
})

/** What housekeeping does with identifiers of messages that are old enough. */
async function forgetMessages(agent: { readonly folder: string; close(): Promise<void> }): Promise<void> {
  await agent.close()
  await useStore(agent.folder, ({ store }) =>
    store.write((tx) => void tx.run("DELETE FROM inbox_seen WHERE source LIKE 'from:%'")),
  )
}
