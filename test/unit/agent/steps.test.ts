import assert from 'node:assert/strict'
import { test } from 'node:test'
import { derivedId } from '../../../src/agent/effect-ledger.ts'
import { decodeResult, encodeResult, Occurrences, ordinalKey } from '../../../src/agent/steps.ts'
import { code } from '../../helpers/store-folder.ts'

for (const value of [
  null,
  true,
  0,
  -1.5,
  '',
  'text',
  'ä\u0000\ud800',
  [],
  [1, [2]],
  {},
  { a: { b: null } },
]) {
  test(`${JSON.stringify(value)} comes back as it was`, () => {
    assert.deepEqual(decodeResult(encodeResult('x', value)), value)
  })
}

test('undefined comes back as undefined, inside of an object it is left out', () => {
  assert.equal(encodeResult('x', undefined), '')
  assert.equal(decodeResult(''), undefined)
  assert.deepEqual(decodeResult(encodeResult('x', { a: undefined, b: 1 })), { b: 1 })
})

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

for (const [what, value] of Object.entries({
  'a function': () => 1,
  'a symbol': Symbol('x'),
  'a BigInt': 1n,
  'a cycle': cyclic,
})) {
  test(`${what} is refused as a result, by the name of what gave it`, () => {
    assert.throws(
      () => encodeResult('the result of step "quote"', value),
      code('ERR_TURN_CONTENT', /the result of step "quote".*plain data/),
    )
  })
}

test('a result of 1 MiB is taken, one byte more is refused', () => {
  assert.equal(encodeResult('x', 'a'.repeat(1_048_574)).length, 1_048_576)
  assert.throws(() => encodeResult('x', 'a'.repeat(1_048_575)), code('ERR_TURN_CONTENT', /over 1 MiB/))
  assert.throws(() => encodeResult('x', 'ä'.repeat(524_288)), code('ERR_TURN_CONTENT', /over 1 MiB/))
})

test('occurrences count each name by itself, from one', () => {
  const occurrences = new Occurrences()
  assert.deepEqual(
    ['a', 'b', 'a', 'a', 'b'].map((name) => occurrences.next(name)),
    [1, 1, 2, 3, 2],
  )
  assert.deepEqual([ordinalKey('a', 1), ordinalKey('a', 2)], ['a', 'a#2'])
})

for (const name of ['', 'a#2', 'x'.repeat(201), 7 as unknown as string]) {
  test(`${JSON.stringify(name).slice(0, 20)} is no name of a step`, () => {
    assert.throws(() => new Occurrences().next(name), code('ERR_TURN_CONTENT'))
  })
}

test('a derived id is a UUID of version 8, the same for the same parts and another one for others', () => {
  const id = derivedId('agent', 'from:you', 'm1', 'effect', 'pay', 1)
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.equal(derivedId('agent', 'from:you', 'm1', 'effect', 'pay', 1), id)
  const others = [
    derivedId('agent', 'from:you', 'm1', 'effect', 'pay', 2),
    derivedId('agent', 'from:you', 'm', '1effect', 'pay', 1),
    derivedId('agent', 'from:you', 'm1', 'effect', 'pay', '1'),
  ]
  assert.equal(new Set([id, ...others]).size, 4)
})
