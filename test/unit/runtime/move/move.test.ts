import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineAgent } from '../../../../src/index.ts'
import { refuseMoved, removeMoved } from '../../../../src/runtime/move/moved-marker.ts'
import { outside } from '../../../../src/testing/index.ts'
import { hasCode } from '../../credentials/fake-hub.ts'
import { inboxOf, type Place, type TestAgent } from '../hub/hub-world.ts'
import { archive, arrived, marker, MoveWorld } from './move-world.ts'

const url = 'http://127.0.0.1:9001'

/** Ada has been at the hub, has something in flight at every place, and is stopped. */
async function stopped() {
  const world = new MoveWorld()
  await world.hub(world.place(), 9001)
  const place = world.place()
  const effects: string[] = []
  let hold = true
  const definition = defineAgent({
    name: 'Ada',
    async onMessage({ payload }, ctx) {
      await ctx.effect('note', { idempotent: true, run: async ({ key }) => void effects.push(key) })
      while (hold && payload === 'slow') {
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
        ctx.signal.throwIfAborted()
      }
      await ctx.send('Bo', `did ${payload as string}`)
    },
  })
  const ada = await world.online('Ada', place, { hub: url, definition })
  const bo = await world.online('Bo', world.place(), { hub: url })
  await world.deliver(bo, 'Ada', 'quick', 'slow')
  await world.run(() => inboxOf(ada.agent).length === 2 && effects.length === 2)
  const before = sessionOf(ada)
  await world.clock.settle(ada.agent.close({ deadlineMs: 100, handover: true }), { withinMs: 10_000 })
  ada.process.kill('has ended')
  await world.deliver(bo, 'Ada', 'meanwhile')
  const go = (): void => void (hold = false)
  return { world, place, bo, effects, definition, go, before }
}

test('what was in flight goes on elsewhere, once, in the same session, and the copy left behind is fenced', async () => {
  const { world, place, bo, effects, definition, go, before } = await stopped()
  const about = await world.export(place)
  assert.deepEqual(
    [about?.agent, about?.hub, about?.session_identifier, about?.open_turns],
    ['Ada', url, before.session_identifier, 1],
  )
  assert.throws(() => refuseMoved(place.disk.for(outside), marker, 'Ada'), hasCode('ERR_AGENT_MOVED', false))
  const elsewhere = world.place()
  await world.import(place, elsewhere, undefined, url)
  go()
  const there = await world.online('Ada', elsewhere, { hub: url, definition })
  await world.run(() => inboxOf(bo.agent).length === 3)
  assert.deepEqual(inboxOf(bo.agent), ['did quick', 'did slow', 'did meanwhile'])
  assert.equal(new Set(effects).size, 3)
  const after = sessionOf(there)
  assert.equal(after.session_identifier, before.session_identifier)
  assert.ok(after.generation > before.generation)

  // Whoever starts what is left all the same: the mark removed, the claim and the generation of before.
  removeMoved(place.disk.for(outside), marker)
  for (const left of [place, world.copyOf(place)]) {
    const old = await world.open('Ada', left, { hub: url, definition })
    await world.run(() => old.ended !== undefined)
    assert.equal(old.ended, 'ERR_FENCED')
    await world.close(old)
  }
  // Also once the new one has been restarted, and while it is away.
  await world.close(there)
  const once = await world.open('Ada', place, { hub: url, definition })
  await world.run(() => once.ended !== undefined)
  assert.equal(once.ended, 'ERR_FENCED')
  await world.close(once)
  await world.close(await world.online('Ada', elsewhere, { hub: url, definition }), bo)
})

test('a copy that has been started again in between loses its session to the imported one', async () => {
  const { world, place, bo, definition, go } = await stopped()
  await world.export(place)
  removeMoved(place.disk.for(outside), marker)
  const old = await world.online('Ada', place, { hub: url, definition })
  const elsewhere = world.place()
  await world.import(place, elsewhere, undefined, url)
  go()
  const there = await world.online('Ada', elsewhere, { hub: url, definition })
  await world.run(() => old.ended !== undefined)
  assert.equal(old.ended, 'ERR_FENCED')
  await world.run(() => inboxOf(bo.agent).length === 3)
  await world.close(old, there, bo)
})

test('imported twice, the one that is started last is the agent, and the first does not fight back', async () => {
  const { world, place, bo, definition, go } = await stopped()
  await world.export(place)
  const places = [world.place(), world.place()] as const
  for (const one of places) await world.import(place, one, undefined, url)
  go()
  const first = await world.online('Ada', places[0], { hub: url, definition })
  await world.run(() => inboxOf(bo.agent).length === 3)
  const second = await world.online('Ada', places[1], { hub: url, definition })
  await world.run(() => first.ended !== undefined)
  await world.close(first)
  const again = await world.open('Ada', places[0], { hub: url, definition })
  await world.run(() => again.ended !== undefined)
  assert.deepEqual([first.ended, again.ended, second.session], ['ERR_FENCED', 'ERR_FENCED', 'online'])
  await world.close(again, second, bo)
})

test('an agent moves on, and back', async () => {
  const { world, place, bo, definition, go, before } = await stopped()
  go()
  let from: Place = place
  for (let move = 0; move < 3; move += 1) {
    assert.ok((await world.export(from)) !== undefined)
    const to = world.place()
    await world.import(from, to, undefined, url)
    to.disk.for(outside).remove(archive)
    const there = await world.online('Ada', to, { hub: url, definition })
    assert.equal(sessionOf(there).session_identifier, before.session_identifier)
    await world.run(() => inboxOf(bo.agent).length === 3)
    await world.close(there)
    there.process.kill('has ended')
    from = to
  }
  await world.close(bo)
})

test('what was imported and moved on before its first start has handed its right to take over on', async () => {
  const { world, place, bo, definition, go } = await stopped()
  go()
  await world.export(place)
  const between = world.place()
  await world.import(place, between, undefined, url)
  between.disk.for(outside).remove(archive)
  await world.export(between)
  const to = world.place()
  await world.import(between, to, undefined, url)
  const there = await world.online('Ada', to, { hub: url, definition })
  for (const left of [place, between]) {
    removeMoved(left.disk.for(outside), marker)
    const old = await world.open('Ada', left, { hub: url, definition })
    await world.run(() => old.ended !== undefined)
    assert.deepEqual([old.ended, there.session], ['ERR_FENCED', 'online'])
    await world.close(old)
  }
  await world.close(there, bo)
})

test('while a process has the agent open it is not exported', async () => {
  const world = new MoveWorld()
  await world.hub(world.place(), 9001)
  const place = world.place()
  const ada = await world.online('Ada', place, { hub: url })
  await assert.rejects(world.export(place), hasCode('ERR_HOME_IN_USE', true))
  assert.equal(place.disk.files().includes(archive), false)
  await world.close(ada)
})

test('a hub at the old machine’s own address must be said anew, before anything is written', async () => {
  const { world, place, bo } = await stopped()
  await world.export(place)
  const elsewhere = world.place()
  await assert.rejects(world.import(place, elsewhere), hasCode('ERR_USAGE', false))
  assert.equal(arrived(elsewhere), false)
  // It is the same hub under this address too, or nothing is signed for it.
  await world.import(place, elsewhere, undefined, 'http://hub.example:9001')
  await world.close(bo)
})

test('an export that is killed anywhere leaves an agent that goes on, or one that is marked and can be exported', async () => {
  const { world, place, bo, definition, go, before } = await stopped()
  go()
  assert.notEqual(await world.export(world.copyOf(place)), undefined)
  let deaths = 0
  let marked = 0
  for (const dieAt of moments(world.boundaries)) {
    const copy = world.copyOf(place)
    assert.equal(await world.export(copy, dieAt), undefined)
    const files = copy.disk.files()
    const isMarked = files.includes(marker)
    if (files.includes(archive)) assert.ok(isMarked, `an export without a mark, killed at ${dieAt}`)
    deaths += 1
    if (isMarked) marked += 1
    if (!files.includes(archive)) assert.notEqual(await world.export(copy), undefined)
  }
  assert.ok(deaths > 50 && marked > 0, `${deaths} deaths, ${marked} of them after the mark`)
  const again = await world.online('Ada', place, { hub: url, definition })
  assert.equal(sessionOf(again).session_identifier, before.session_identifier)
  await world.close(again, bo)
})

test('an import that is killed anywhere leaves nothing of the agent, or all of it', async () => {
  const { world, place, bo, definition, go, before } = await stopped()
  go()
  await world.export(place)
  assert.notEqual(await world.import(place, world.place(), undefined, url), undefined)
  let deaths = 0
  let late = 0
  for (const dieAt of moments(world.boundaries)) {
    const to = world.place()
    assert.equal(await world.import(place, to, dieAt, url), undefined)
    deaths += 1
    if (arrived(to)) {
      late += 1
      assert.ok(to.disk.files().includes('/agent/credentials'))
      assert.ok((to.database.image()?.length ?? 0) > 0)
    } else {
      assert.equal(to.database.image(), undefined)
      assert.notEqual(await world.import(place, to, undefined, url), undefined)
      assert.ok(arrived(to))
    }
  }
  assert.ok(deaths > 50 && late > 0, `${deaths} deaths, ${late} of them after it had come`)
  const to = world.place()
  await world.import(place, to, undefined, url)
  const there = await world.online('Ada', to, { hub: url, definition })
  assert.equal(sessionOf(there).session_identifier, before.session_identifier)
  await world.close(there, bo)
})

test('killed between the hub’s decision and its note of it, the imported agent still gets in, and the old one does not', async () => {
  const { world, place, bo, definition, go } = await stopped()
  go()
  await world.export(place)
  const to = world.place()
  await world.import(place, to, undefined, url)
  const there = await world.open('Ada', to, { hub: url, definition })
  // Its next write to the credentials is the note of the generation.
  await world.run(() => there.session === 'resuming')
  there.process.kill('at a bad moment')
  const next = await world.online('Ada', to, { hub: url, definition })
  removeMoved(place.disk.for(outside), marker)
  const old = await world.open('Ada', place, { hub: url, definition })
  await world.run(() => old.ended !== undefined)
  assert.deepEqual([old.ended, next.session], ['ERR_FENCED', 'online'])
  await world.close(old, next, bo)
})

/** The last hundred boundaries, where things are put in their places, and some of those before. */
function moments(count: number): number[] {
  const early = Math.max(0, count - 100)
  const step = Math.max(1, Math.floor(early / 30))
  const all = Array.from({ length: count }, (_, index) => index + 1)
  return all.filter((moment) => moment > early || moment % step === 0)
}

function sessionOf({ agent }: TestAgent): {
  readonly session_identifier: string
  readonly generation: number
} {
  const row = agent.reader.get<{ session_identifier: string; generation: number }>(
    'SELECT session_identifier, generation FROM session',
  )
  assert.ok(row !== undefined)
  return row
}
