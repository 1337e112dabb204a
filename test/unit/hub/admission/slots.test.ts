import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Slots } from '../../../../src/hub/admission/slots.ts'
import type { Rate } from '../../../../src/platform/token-bucket.ts'
import { createSeededRandom, outside, SimulatedClock } from '../../../../src/testing/index.ts'

interface Crowd {
  readonly count: number
  /** When its members come first, ms: all within this time. */
  readonly withinMs: number
  /** What they do with the wait that they were told. */
  readonly waits?: (askedMs: number, random: () => number) => number
  /** How many of them never come again. */
  readonly dead?: number
}

interface Course {
  /** Ms at which each was let in, in order. */
  readonly admittedMs: number[]
  /** Attempts in each tenth of a second. */
  readonly attempts: Map<number, number>
}

/** Lets a crowd loose on a budget, in virtual time. */
async function run(rate: Rate, crowds: readonly Crowd[], seed = 1): Promise<Course[]> {
  const clock = new SimulatedClock()
  const random = createSeededRandom(seed)
  const slots = new Slots<string>(clock.for(outside), random, rate)
  const courses = crowds.map(({ count, withinMs, waits = (askedMs) => askedMs, dead = 0 }, crowd): Course => {
    const course: Course = { admittedMs: [], attempts: new Map() }
    for (let member = 0; member < count; member++) {
      const come = (): void => {
        const tenth = Math.floor(clock.monotonicMs() / 100)
        course.attempts.set(tenth, (course.attempts.get(tenth) ?? 0) + 1)
        const waitMs = slots.ask(`${crowd} ${member}`)
        if (waitMs === 0) course.admittedMs.push(clock.monotonicMs())
        else if (member >= dead) clock.schedule(waits(waitMs, () => random.fraction()) + 5, come)
      }
      clock.schedule(random.fraction() * withinMs, come)
    }
    return course
  })
  await clock.runFor(600_000)
  return courses
}

/** The most that were let in within any second. */
function mostInASecond(courses: readonly Course[]): number {
  const all = courses.flatMap(({ admittedMs }) => admittedMs).toSorted((a, b) => a - b)
  return Math.max(...all.map((atMs, index) => all.filter((at, i) => i >= index && at < atMs + 1_000).length))
}

test('what the budget allows is let in at once', async () => {
  const [course] = await run({ perSecond: 10, burst: 20 }, [{ count: 20, withinMs: 10 }])
  assert.ok(course?.admittedMs.every((atMs) => atMs < 20))
})

test('a herd comes back spread: it is in within 1.2 × backlog / rate, each after one refusal or two, without a peak', async () => {
  for (const seed of [1, 2, 3]) {
    const rate = { perSecond: 100, burst: 100 }
    const [course] = await run(rate, [{ count: 2_000, withinMs: 200 }], seed)
    assert.equal(course?.admittedMs.length, 2_000)
    const lastMs = course.admittedMs.at(-1) as number
    assert.ok(lastMs <= 1.2 * (1_900 / 100) * 1_000, `the last was in after ${lastMs} ms`)
    const later = [...course.attempts].filter(([tenth]) => tenth > 2).map(([, count]) => count)
    const total = later.reduce((sum, count) => sum + count, 0)
    assert.ok(total <= 2_000 * 1.1, `${total} attempts to let in 1,900`)
    // The rate would be 10.
    assert.ok(Math.max(...later) <= 30, `${Math.max(...later)} attempts in a tenth of a second`)
  }
})

test('two herds at once share what there is, and the later one waits behind the first', async () => {
  const [first, second] = await run({ perSecond: 50, burst: 50 }, [
    { count: 500, withinMs: 100 },
    { count: 500, withinMs: 100 },
  ])
  const ends = [first, second].map((course) => course?.admittedMs.at(-1) ?? 0)
  assert.ok(Math.max(...ends) <= 1.2 * (950 / 50) * 1_000)
})

test('whoever comes before its slot gains nothing, costs the others nothing, and is in with them', async () => {
  const rate = { perSecond: 50, burst: 50 }
  const [patient, impatient] = await run(rate, [
    { count: 300, withinMs: 100 },
    { count: 100, withinMs: 100, waits: () => 100 },
  ])
  const boundMs = 1.2 * (350 / 50) * 1_000
  assert.ok((patient?.admittedMs.at(-1) ?? Infinity) <= boundMs)
  assert.ok((impatient?.admittedMs.at(-1) ?? Infinity) <= boundMs)
})

test('never more than the rate and two bursts are let in, also where all come late, at once', async () => {
  const rate = { perSecond: 20, burst: 10 }
  const late = await run(rate, [{ count: 400, withinMs: 100, waits: (askedMs) => Math.max(askedMs, 15_000) }])
  assert.equal(late[0]?.admittedMs.length, 400)
  assert.ok(mostInASecond(late) <= 20 + 2 * 10, `${mostInASecond(late)} within a second`)
})

test('slots of those who never come are not lost: others have them once the budget is full', async () => {
  const clock = new SimulatedClock()
  const slots = new Slots<string>(clock.for(outside), createSeededRandom(1), { perSecond: 10, burst: 20 })
  // A schedule of 100 s, of callers that are gone.
  for (let count = 0; count < 1_020; count++) slots.ask(`gone ${count}`)
  assert.ok(slots.ask('late') > 90_000)
  await clock.runFor(2_100)
  assert.equal(slots.ask('late'), 0)
})

test('callers that never come, however many, tell nobody to come in more than ten minutes', async () => {
  const clock = new SimulatedClock()
  const slots = new Slots<string>(clock.for(outside), createSeededRandom(1), { perSecond: 10, burst: 20 })
  for (let count = 0; count < 100_000; count++) slots.ask(`gone ${count}`)
  const waits = Array.from({ length: 100 }, (_, n) => slots.ask(`late ${n}`))
  assert.ok(
    waits.every((waitMs) => waitMs >= 300_000 && waitMs <= 601_000),
    `${Math.max(...waits)}`,
  )
  // Told apart, so that they do not come back together.
  assert.ok(Math.max(...waits) - Math.min(...waits) > 200_000)
})

test('nobody is let in while it is shut, and its slot is a later one', async () => {
  const clock = new SimulatedClock()
  const slots = new Slots<string>(clock.for(outside), createSeededRandom(1), { perSecond: 10, burst: 20 })
  const first = slots.ask('a', true)
  assert.ok(first >= 100 && first <= 200, `${first}`)
  assert.ok(slots.ask('b', true) >= 200)
  await clock.runFor(1_000)
  assert.ok(slots.ask('a', true) > 0)
  await clock.runFor(1_000)
  assert.equal(slots.ask('a'), 0)
})

test('those who were told at the same moment were told different waits', () => {
  const clock = new SimulatedClock()
  const slots = new Slots<string>(clock.for(outside), createSeededRandom(1), { perSecond: 10, burst: 1 })
  slots.ask('first')
  const waits = Array.from({ length: 100 }, (_, index) => slots.ask(`${index}`))
  assert.equal(new Set(waits).size, 100)
  for (let index = 1; index < 100; index++) {
    const step = (waits[index] as number) - (waits[index - 1] as number)
    assert.ok(Math.abs(step - 100) < 1_000)
  }
})
