import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lanes } from '../../../src/agent/lanes.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'

function lanesOf(...entries: [position: number, conversation: string][]): Lanes {
  const lanes = new Lanes()
  for (const [position, conversation] of entries) add(lanes, position, conversation)
  return lanes
}

function add(lanes: Lanes, position: number, conversation: string): void {
  lanes.add({ position, conversation, availableAt: 0, parked: false })
}

function takeAll(lanes: Lanes): number[] {
  const taken: number[] = []
  for (let position = lanes.take(); position !== undefined; position = lanes.take()) taken.push(position)
  return taken
}

test('gives the heads of all lanes, and no second one of a lane that runs', () => {
  const lanes = lanesOf([1, 'a'], [2, 'a'], [3, 'b'])
  assert.deepEqual(takeAll(lanes), [1, 3])
  lanes.finish(1)
  assert.deepEqual(takeAll(lanes), [2])
  assert.equal(lanes.openCount, 2)
})

test('an entry that is added twice is there once', () => {
  const lanes = lanesOf([1, 'a'], [1, 'a'])
  assert.deepEqual(takeAll(lanes), [1])
  lanes.finish(1)
  assert.deepEqual([takeAll(lanes), lanes.openCount], [[], 0])
})

test('a postponed head holds back its lane until its time has come', () => {
  const lanes = lanesOf([1, 'a'], [2, 'a'])
  lanes.take()
  lanes.postpone(1, 500)
  assert.deepEqual([lanes.wake(499, 1_000), takeAll(lanes)], [500, []])
  assert.deepEqual([lanes.wake(500, 1_000), takeAll(lanes)], [undefined, [1]])
})

test('wake tells the earliest time of all that wait', () => {
  const lanes = lanesOf([1, 'a'], [2, 'b'], [3, 'c'])
  takeAll(lanes)
  lanes.postpone(1, 700)
  lanes.postpone(2, 600)
  lanes.finish(3)
  assert.equal(lanes.wake(0, 1_000), 600)
})

test('what would wait longer than any delay is made ready: the clock was wrong when it failed', () => {
  const lanes = lanesOf([1, 'a'])
  lanes.take()
  lanes.postpone(1, 50_000)
  assert.deepEqual([lanes.wake(1_000, 10_000), takeAll(lanes)], [undefined, [1]])
})

test('a parked head holds back its lane until it is unparked', () => {
  const lanes = lanesOf([1, 'a'], [2, 'a'], [3, 'b'])
  takeAll(lanes)
  lanes.park(1)
  lanes.finish(3)
  lanes.wake(1e9, 1)
  assert.deepEqual(takeAll(lanes), [])
  lanes.unpark(1)
  assert.deepEqual(takeAll(lanes), [1])
})

test('an entry that comes back before the one that runs does not disturb it, and runs next', () => {
  const lanes = lanesOf([5, 'a'], [6, 'a'])
  lanes.take()
  add(lanes, 3, 'a')
  assert.deepEqual(takeAll(lanes), [])
  lanes.finish(5)
  assert.deepEqual(takeAll(lanes), [3])
})

test('an entry that comes back before one that parks runs, and the parked one waits on', () => {
  const lanes = lanesOf([5, 'a'], [6, 'a'])
  lanes.take()
  add(lanes, 3, 'a')
  lanes.park(5)
  assert.deepEqual(takeAll(lanes), [3])
  lanes.finish(3)
  assert.deepEqual(takeAll(lanes), [])
  lanes.unpark(5)
  assert.deepEqual(takeAll(lanes), [5])
})

test('what is unparked while another one runs before it goes on in its turn', () => {
  const lanes = lanesOf([5, 'a'])
  lanes.take()
  lanes.park(5)
  add(lanes, 3, 'a')
  assert.deepEqual(takeAll(lanes), [3])
  lanes.unpark(5)
  assert.deepEqual(takeAll(lanes), [])
  lanes.finish(3)
  assert.deepEqual(takeAll(lanes), [5])
})

test('an entry that comes back before one that waits runs at once, and the other keeps its time', () => {
  const lanes = lanesOf([5, 'a'])
  lanes.take()
  lanes.postpone(5, 900)
  add(lanes, 3, 'a')
  assert.deepEqual(takeAll(lanes), [3])
  lanes.finish(3)
  assert.deepEqual([takeAll(lanes), lanes.wake(0, 1_000)], [[], 900])
})

test('a head can be claimed out of turn, anything else cannot', () => {
  const lanes = lanesOf([1, 'a'], [2, 'a'], [3, 'b'])
  assert.deepEqual(
    [lanes.claim(2), lanes.claim(9), lanes.claim(3), lanes.claim(3)],
    [false, false, true, false],
  )
  assert.deepEqual(takeAll(lanes), [1])
})

interface ModelEntry {
  readonly position: number
  readonly conversation: string
  availableAt: number
  parked: boolean
  running: boolean
}

/** The rules, said as simply as can be: look through all entries every time. */
class Model {
  entries: ModelEntry[] = []

  heads(): ModelEntry[] {
    const sorted = this.entries.toSorted((a, b) => a.position - b.position)
    const conversations = new Set(sorted.map(({ conversation }) => conversation))
    return [...conversations].flatMap((conversation) => {
      const lane = sorted.filter((entry) => entry.conversation === conversation)
      return lane.some(({ running }) => running) ? [] : lane.slice(0, 1)
    })
  }

  mayRun(): number[] {
    return this.heads()
      .filter(({ parked, availableAt }) => !parked && availableAt === 0)
      .map(({ position }) => position)
      .toSorted((a, b) => a - b)
  }
}

test('whatever is done to them in any order, lanes let run what a naive model lets run', () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = createSeededRandom(seed)
    const lanes = new Lanes()
    const model = new Model()
    let now = 1
    let next = 100
    const pick = (entries: ModelEntry[]): ModelEntry | undefined =>
      entries.length === 0 ? undefined : random.pick(entries)
    const running = (): ModelEntry[] => model.entries.filter((entry) => entry.running)

    for (let step = 0; step < 80; step++) {
      switch (random.int(0, 8)) {
        case 0:
        case 1:
        case 2: {
          // New ones at the end; now and then one that comes back to an old place.
          const position = random.chance(0.8) ? next++ : random.int(1, 99)
          if (model.entries.some((entry) => entry.position === position)) break
          const conversation = random.pick(['a', 'b', 'c'])
          const parked = random.chance(0.1)
          const availableAt = random.chance(0.2) ? now + random.int(1, 50) : 0
          model.entries.push({ position, conversation, availableAt, parked, running: false })
          lanes.add({ position, conversation, availableAt, parked })
          break
        }
        case 3: {
          const expected = model.mayRun()
          const position = lanes.take()
          if (expected.length === 0) assert.equal(position, undefined, `seed ${seed}`)
          else assert.ok(position !== undefined && expected.includes(position), `seed ${seed}: ${position}`)
          for (const entry of model.entries) if (entry.position === position) entry.running = true
          break
        }
        case 4: {
          const entry = pick(running())
          if (entry === undefined) break
          model.entries = model.entries.filter((other) => other !== entry)
          lanes.finish(entry.position)
          break
        }
        case 5: {
          const entry = pick(running())
          if (entry === undefined) break
          entry.running = false
          entry.availableAt = now + random.int(1, 50)
          lanes.postpone(entry.position, entry.availableAt)
          break
        }
        case 6: {
          const entry = pick(running())
          if (entry === undefined) break
          entry.running = false
          entry.parked = true
          lanes.park(entry.position)
          break
        }
        case 7: {
          const entry = pick(model.entries.filter(({ parked }) => parked))
          if (entry === undefined) break
          entry.parked = false
          entry.availableAt = 0
          lanes.unpark(entry.position)
          break
        }
        default: {
          now += random.int(1, 40)
          const heads = model.heads().filter(({ parked }) => !parked)
          for (const head of heads) if (head.availableAt <= now) head.availableAt = 0
          const waiting = heads
            .filter(({ availableAt }) => availableAt > 0)
            .map(({ availableAt }) => availableAt)
          const expected = waiting.length === 0 ? undefined : Math.min(...waiting)
          assert.equal(lanes.wake(now, 1_000), expected, `seed ${seed}`)
        }
      }
      assert.equal(lanes.openCount, model.entries.length, `seed ${seed}`)
    }
    // Everything comes through in the end.
    for (let round = 0; model.entries.length > 0; round++) {
      assert.ok(round < 1_000, `seed ${seed}: ${model.entries.length} entries are stuck`)
      for (const entry of model.entries) {
        if (entry.parked) lanes.unpark(entry.position)
        entry.parked = false
        entry.availableAt = 0
      }
      lanes.wake(now + 1_000, 10_000)
      const open = [...running().map(({ position }) => position), ...takeAll(lanes)]
      for (const position of open) lanes.finish(position)
      model.entries = model.entries.filter(({ position }) => !open.includes(position))
    }
    assert.equal(lanes.openCount, 0)
  }
})
