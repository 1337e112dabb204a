import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Finding } from '../../../src/health/finding.ts'
import type { HealthState } from '../../../src/health/report.ts'
import { Steady } from '../../../src/health/steady.ts'
import { createSeededRandom } from '../../../src/testing/index.ts'

const states = { h: 'healthy', d: 'degraded', u: 'unhealthy' } as const

const found = (state: HealthState, value = 0): Finding => ({
  check: 'memory',
  state,
  value,
  threshold: 1,
  text: `${state} ${value}`,
})

/** What holds after each sample, by first letters. */
function held(samples: string, steady = new Steady()): string {
  return samples
    .split('')
    .map((letter) => steady.add([found(states[letter as keyof typeof states])])[0]?.state[0])
    .join('')
}

test('one bad sample is an accident, the second in a row counts, as the milder of the two', () => {
  assert.equal(held('hdhdhuh'), 'hhhhhhh')
  assert.equal(held('hdd'), 'hhd')
  assert.equal(held('huu'), 'hhu')
  assert.equal(held('hud'), 'hhd')
  assert.equal(held('hduu'), 'hhdd')
  assert.equal(held('hduuu'), 'hhddu')
})

test('it turns better with the sixth better sample in a row, as good as the worst of them', () => {
  assert.equal(held('ddhhhhhh'), 'hdddddd' + 'h')
  assert.equal(held('ddhhhhhdhhhhhh'), 'hdddddddddddd' + 'h')
  assert.equal(held('uuhhdhhh'), 'huuuuuu' + 'd')
})

test('what swings about its threshold stays at the worse side', () => {
  assert.equal(held(`dd${'hd'.repeat(50)}`), `h${'d'.repeat(101)}`)
})

test('whatever comes, it changes only by a run of two worse or six better samples', () => {
  const random = createSeededRandom(3)
  for (let round = 0; round < 200; round++) {
    const samples = Array.from({ length: 60 }, () => 'hdu'[Math.floor(random.fraction() * 3)]).join('')
    const result = held(samples)
    const severity = (letter: string | undefined): number => 'hdu'.indexOf(letter ?? 'h')
    for (let index = 1; index < result.length; index++) {
      const [before, now] = [severity(result[index - 1]), severity(result[index])]
      if (now > before) {
        const run = samples.slice(index - 1, index + 1)
        assert.ok(
          run.length === 2 && run.split('').every((letter) => severity(letter) >= now),
          `${samples} ${index}`,
        )
      } else if (now < before) {
        const run = samples.slice(index - 5, index + 1)
        assert.ok(
          run.length === 6 && run.split('').every((letter) => severity(letter) <= now),
          `${samples} ${index}`,
        )
      }
    }
  }
})

test('while it holds on to the worse state, it says what that was for', () => {
  const steady = new Steady()
  steady.add([found('unhealthy', 1)])
  assert.equal(steady.add([found('unhealthy', 2)])[0]?.text, 'unhealthy 2')
  const [later] = steady.add([found('healthy', 3)])
  assert.deepEqual([later?.state, later?.text], ['unhealthy', 'unhealthy 2'])
})

test('a check that no longer applies is forgotten', () => {
  const steady = new Steady()
  assert.equal(held('uu', steady), 'hu')
  assert.deepEqual(steady.add([]), [])
  assert.equal(held('h', steady), 'h')
})
