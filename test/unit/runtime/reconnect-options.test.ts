import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import { checkReconnect } from '../../../src/runtime/reconnect-options.ts'

test('leaves to the session what is not given', () => {
  assert.deepEqual(checkReconnect({}, undefined), { retry: {}, limits: {} })
  assert.deepEqual(checkReconnect({ attemptsMax: 3, baseDelayMs: 50 }, 5_000), {
    retry: { attemptsMax: 3, baseMs: 50 },
    limits: { heartbeatMs: 5_000 },
  })
})

for (const [name, wrong] of [
  ['reconnect.attemptsMax', [0, 1.5, NaN, Infinity, 1_000_001]],
  ['reconnect.baseDelayMs', [9, 600_001, -1, 10.5]],
  ['heartbeatMs', [999, 300_001, Infinity]],
] as const) {
  test(`names ${name} where it is wrong`, () => {
    for (const value of wrong) {
      const heartbeatMs = name === 'heartbeatMs' ? value : undefined
      const reconnect = name === 'heartbeatMs' ? {} : { [name.replace('reconnect.', '')]: value }
      assert.throws(
        () => checkReconnect(reconnect, heartbeatMs),
        (error: unknown) =>
          error instanceof PerduraError &&
          error.code === 'ERR_USAGE' &&
          error.message.startsWith(`${name}: `),
      )
    }
  })
}
