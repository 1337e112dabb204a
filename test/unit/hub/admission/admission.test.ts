import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmission, type Admission } from '../../../../src/hub/admission/admission.ts'
import { admissionLimits, type AdmissionLimits } from '../../../../src/hub/admission/limits.ts'
import { createSeededRandom, outside, SimulatedClock } from '../../../../src/testing/index.ts'

function start(limits: Partial<AdmissionLimits> = {}): {
  readonly clock: SimulatedClock
  readonly admission: Admission
} {
  const clock = new SimulatedClock()
  const options = {
    clock: clock.for(outside),
    random: createSeededRandom(1),
    limits: admissionLimits(limits),
  }
  return { clock, admission: createAdmission(options) }
}

const agent = (aiId: number, resumes = true, address = '192.0.2.1') => ({
  address,
  agent: { aiId, resumes },
})

/** Admits one, and leaves its handshake open. */
const isIn = (admission: Admission, ...caller: Parameters<typeof agent>): boolean =>
  admission.admit(agent(...caller)).kind === 'admitted'

test('new sessions, however many, take nothing of what resumes have', () => {
  const { admission } = start({
    resumes: { perSecond: 10, burst: 10 },
    newSessions: { perSecond: 5, burst: 5 },
  })
  for (let count = 0; count < 100; count++) admission.admit(agent(count, false))
  for (let count = 200; count < 210; count++) assert.ok(isIn(admission, count))
  const refused = admission.admit(agent(300))
  assert.deepEqual([refused.kind, refused.kind === 'refused' && refused.why], ['refused', 'crowded'])
})

test('handshakes under way have a bound, of which new sessions have a quarter', async () => {
  const { admission, clock } = start({ underWayMax: 8 })
  const news = [1, 2, 3].map((id) => admission.admit(agent(id, false)))
  assert.deepEqual(
    news.map(({ kind }) => kind),
    ['admitted', 'admitted', 'refused'],
  )
  for (let count = 10; count < 16; count++) assert.ok(isIn(admission, count))
  assert.ok(!isIn(admission, 20))
  const [first] = news
  if (first?.kind === 'admitted') {
    first.settled()
    // Said twice, it counts once.
    first.settled()
  }
  // The slot of the one that was refused comes first.
  await clock.runFor(10)
  assert.ok(isIn(admission, 21))
  assert.ok(!isIn(admission, 22))
})

test('one agent cannot hold all the handshakes that may be under way, and gets more when it ends some', () => {
  const { admission } = start()
  const own = Array.from({ length: 100 }, () => admission.admit(agent(1, false)))
  const admitted = own.filter(({ kind }) => kind === 'admitted')
  assert.equal(admitted.length, 32)
  assert.ok(own.slice(32).every((answer) => answer.kind === 'refused' && answer.why === 'often'))
  for (let count = 2; count < 100; count++) assert.ok(isIn(admission, count, false))
})

test('an agent that comes all the time is slowed down, and gets a thousand connections in a minute all the same', async () => {
  const { clock, admission } = start()
  let connected = 0
  let refused = 0
  const come = (): void => {
    const answer = admission.admit(agent(1))
    if (answer.kind === 'refused') {
      assert.equal(answer.why, 'often')
      refused += 1
      clock.schedule(answer.waitMs, come)
      return
    }
    answer.settled()
    connected += 1
    if (connected < 1_000) clock.schedule(1, come)
  }
  come()
  await clock.run(() => connected === 1_000, { withinMs: 60_000 })
  assert.ok(refused > 0)
  assert.ok(isIn(admission, 2))
})

test('bad tokens have a bound for each address, and take nothing from the others there', () => {
  const { admission } = start({ badTokens: { perSecond: 1, burst: 3 } })
  const bad = (address: string): string => {
    const answer = admission.admit({ address, agent: undefined })
    return answer.kind === 'refused' ? answer.why : answer.kind
  }
  const own = [1, 2, 3, 4].map(() => bad('192.0.2.1'))
  assert.deepEqual(own, ['admitted', 'admitted', 'admitted', 'often'])
  assert.equal(bad('192.0.2.2'), 'admitted')
  assert.ok(isIn(admission, 1))
})

test('an address has a bound, and those who are over it are told different waits', () => {
  const { admission } = start({ address: { perSecond: 10, burst: 5 } })
  for (let count = 0; count < 5; count++) assert.ok(isIn(admission, count))
  const waits = [10, 11, 12].map((id) => {
    const answer = admission.admit(agent(id))
    return answer.kind === 'refused' && answer.why === 'often' ? answer.waitMs : 0
  })
  assert.equal(new Set(waits).size, 3)
  assert.ok(waits.every((waitMs) => waitMs > 0))
  assert.ok(isIn(admission, 20, true, '192.0.2.9'))
})

test('logins have a budget of their own, and the second half of one costs nothing', () => {
  const { admission } = start({ logins: { perSecond: 10, burst: 2 } })
  const login = (subject: string, free = false) => admission.admitLogin({ address: '::1', subject, free })
  assert.deepEqual([login('a').kind, login('b').kind, login('c').kind], ['admitted', 'admitted', 'refused'])
  assert.equal(login('a', true).kind, 'admitted')
  assert.ok(isIn(admission, 1))
})

test('those who are sent away are told to come back spread over what is let in', () => {
  const { admission } = start({ resumes: { perSecond: 100, burst: 10 } })
  const waits = admission.spread(500)
  assert.ok(waits.every((waitMs, index) => index === 0 || waitMs > (waits[index - 2] ?? -1)))
  assert.ok((waits.at(-1) as number) > 4_900 && (waits.at(-1) as number) <= 5_000)
})

test('limits that make no sense are refused by name, and those in force cannot be changed', () => {
  const rejects = (limits: Partial<AdmissionLimits>, message: RegExp): void => {
    assert.throws(() => admissionLimits(limits), { code: 'ERR_USAGE', message })
  }
  rejects({ resumes: { perSecond: 0, burst: 1 } }, /admission\.resumes\.perSecond/)
  rejects({ agent: { perSecond: 1, burst: 0.5 } }, /admission\.agent\.burst/)
  rejects({ underWayMax: 1 }, /admission\.underWayMax/)
  rejects({ newSessions: { perSecond: 501, burst: 1 } }, /admission\.newSessions\.perSecond/)
  rejects({ badTokens: { perSecond: Number.NaN, burst: 1 } }, /admission\.badTokens/)
  const limits = admissionLimits()
  assert.ok(Object.isFrozen(limits) && Object.isFrozen(limits.resumes))
})
