import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineAgent, isAgentDefinition, isAgentName } from '../../../src/agent/define-agent.ts'
import { code } from '../../helpers/store-folder.ts'

const state = { version: 1, schema: z.object({ a: z.number().default(0) }) }

const wrong: Record<string, [options: unknown, message: RegExp]> = {
  'no options': [undefined, /takes an object with a name/],
  'no name': [{}, /^name: must be 1 to 64 letters/],
  'a name with a slash': [{ name: 'a/b' }, /^name:/],
  'a name that starts with a dash': [{ name: '-a' }, /^name:/],
  'a name of 65 characters': [{ name: 'a'.repeat(65) }, /^name:/],
  'an option that does not exist': [
    { name: 'Ada', onMesage() {} },
    /^onMesage: there is no such option; there are .*onMessage/,
  ],
  'a handler that is no function': [{ name: 'Ada', onTimer: 'later' }, /^onTimer: must be a function/],
  'a state without a version': [
    { name: 'Ada', state: { schema: state.schema } },
    /^state\.version: must be a whole number/,
  ],
  'a state of version 0': [{ name: 'Ada', state: { ...state, version: 0 } }, /^state\.version:/],
  'a state of version 1.5': [{ name: 'Ada', state: { ...state, version: 1.5 } }, /^state\.version:/],
  'a state without a schema': [
    { name: 'Ada', state: { version: 1 } },
    /^state\.schema: must be a Standard Schema/,
  ],
  'a schema that is none': [
    { name: 'Ada', state: { version: 1, schema: { parse() {} } } },
    /^state\.schema:/,
  ],
  'a schema that needs more than nothing': [
    { name: 'Ada', state: { version: 1, schema: z.object({ a: z.number() }) } },
    /^state: the first state does not fit .*set state\.initial/,
  ],
  'a migration of version 1': [
    { name: 'Ada', state: { ...state, migrate: { 1: () => ({}) } } },
    /^state\.migrate\[1\]: nothing is older than version 1: raise state\.version/,
  ],
  'a migration from the newest version': [
    { name: 'Ada', state: { ...state, version: 3, migrate: { 3: () => ({}) } } },
    /^state\.migrate\[3\]: must be a version that state can come from, 1 to 2/,
  ],
  'a migration from no version': [
    { name: 'Ada', state: { ...state, version: 3, migrate: { first: () => ({}) } } },
    /^state\.migrate\[first\]: must be a version/,
  ],
  'a migration that is no function': [
    { name: 'Ada', state: { ...state, version: 2, migrate: { 1: {} } } },
    /^state\.migrate\[1\]: must be a function/,
  ],
  'migrations that are no object': [
    { name: 'Ada', state: { ...state, migrate: 'none' } },
    /^state\.migrate: must be an object of functions/,
  ],
  'a first state that does not fit': [
    { name: 'Ada', state: { ...state, initial: { a: 'no' } } },
    /^state: the first state does not fit .*correct state\.initial/,
  ],
  'an asynchronous schema': [
    { name: 'Ada', state: { version: 1, schema: z.object({}).refine(async () => true) } },
    /^state\.schema validates asynchronously/,
  ],
  'a limit that does not exist': [
    { name: 'Ada', limits: { turnsMaximum: 1 } },
    /^limits\.turnsMaximum: .*there are turnsMax/,
  ],
  'no turns at all': [
    { name: 'Ada', limits: { turnsMax: 0 } },
    /^limits\.turnsMax: must be a whole number from 1 to 64/,
  ],
  'too many turns': [{ name: 'Ada', limits: { turnsMax: 65 } }, /^limits\.turnsMax:/],
  'half a failure': [{ name: 'Ada', limits: { failuresMax: 1.5 } }, /^limits\.failuresMax:/],
  'a time-out of 99 ms': [{ name: 'Ada', limits: { turnTimeoutMs: 99 } }, /^limits\.turnTimeoutMs:/],
  'a delay that is text': [{ name: 'Ada', limits: { retryDelayMs: '5s' } }, /^limits\.retryDelayMs:/],
  'a longest delay below the first': [
    { name: 'Ada', limits: { retryDelayMs: 100, retryDelayMaxMs: 50 } },
    /^limits\.retryDelayMaxMs: must not be below limits\.retryDelayMs/,
  ],
}

for (const [what, [options, message]] of Object.entries(wrong)) {
  test(`${what} is refused, naming the option`, () => {
    assert.throws(() => defineAgent(options as never), code('ERR_DEFINITION', message))
  })
}

test('a definition has its options, the defaults of the others, and cannot be changed', () => {
  const definition = defineAgent({ name: 'Ada', limits: { turnsMax: 2 } })
  assert.equal(definition.name, 'Ada')
  assert.deepEqual(definition.limits, {
    turnsMax: 2,
    turnTimeoutMs: 600_000,
    failuresMax: 5,
    crashesMax: 5,
    retryDelayMs: 1_000,
    retryDelayMaxMs: 300_000,
    hopsMax: 8,
  })
  assert.deepEqual(definition.handlers, { onStart: undefined, onMessage: undefined, onTimer: undefined })
  for (const part of [definition, definition.limits, definition.handlers, definition.state]) {
    assert.ok(Object.isFrozen(part))
  }
})

test('a first delay above the longest default is refused, since the two would contradict each other', () => {
  assert.throws(() => defineAgent({ name: 'Ada', limits: { retryDelayMs: 600_000 } }), code('ERR_DEFINITION'))
})

test('handlers keep their this', async () => {
  const options = {
    name: 'Ada',
    greeting: undefined as string | undefined,
    onMessage() {
      this.greeting = 'hello'
    },
  }
  const { greeting: _, ...known } = options
  const definition = defineAgent(Object.assign(known))
  await definition.handlers.onMessage?.(undefined as never, undefined as never)
  assert.equal((known as { greeting?: string }).greeting, 'hello')
})

test('only what defineAgent made is a definition', () => {
  const definition = defineAgent({ name: 'Ada' })
  assert.deepEqual([definition, { ...definition }, null, 'Ada', undefined].map(isAgentDefinition), [
    true,
    false,
    false,
    false,
    false,
  ])
})

test('the first state may be given where the schema has no defaults', () => {
  const schema = z.object({ a: z.number() })
  const definition = defineAgent({ name: 'Ada', state: { version: 1, schema, initial: { a: 7 } } })
  assert.deepEqual(definition.state.validate(definition.state.initial), { a: 7 })
})

test('names', () => {
  assert.deepEqual(
    ['Ada', 'a', '0', 'a-b_c', 'a'.repeat(64), '', '_a', 'ä', 'a b', 'a.b', '..', 'a\n', 7].map(isAgentName),
    [true, true, true, true, true, false, false, false, false, false, false, false, false],
  )
})
