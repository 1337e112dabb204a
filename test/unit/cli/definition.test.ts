import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadDefinition } from '../../../src/cli/definition.ts'
import { PerduraError } from '../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'perdura-definition-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0

function file(content: string): string {
  const path = join(folder, `agent-${++count}.ts`)
  writeFileSync(path, content)
  return path
}

async function refusal(path: string): Promise<PerduraError> {
  try {
    await loadDefinition({ launch: { kind: 'file', path }, name: undefined })
  } catch (error) {
    assert.ok(error instanceof PerduraError, String(error))
    return error
  }
  return assert.fail('it was loaded')
}

test('a file outside of any project is loaded, with perdura and zod', async () => {
  const path = file(`
    import { defineAgent } from 'perdura'
    import { z } from 'zod'
    export default defineAgent({ name: 'Bea', state: { version: 1, schema: z.object({ n: z.number().default(0) }) } })
  `)
  const definition = await loadDefinition({ launch: { kind: 'file', path }, name: undefined })
  assert.equal(definition.name, 'Bea')
})

test('a definition may run under another name, with its state and handlers', async () => {
  const path = file(`
    import { defineAgent } from 'perdura'
    export default defineAgent({ name: 'Bea', onMessage() {}, limits: { turnsMax: 3 } })
  `)
  const definition = await loadDefinition({ launch: { kind: 'file', path }, name: 'Cleo' })
  assert.equal(definition.name, 'Cleo')
  assert.equal(typeof definition.handlers.onMessage, 'function')
  assert.equal(definition.handlers.onTimer, undefined)
  assert.equal(definition.limits.turnsMax, 3)
})

test('a definition under another name brings the migrations of its state along', async () => {
  const path = file(`
    import { defineAgent } from 'perdura'
    import { z } from 'zod'
    export default defineAgent({ name: 'Bea', state: {
      version: 2, schema: z.object({ n: z.number().default(0) }), migrate: { 1: ({ old }) => ({ n: old }) } } })
  `)
  const { name, state } = await loadDefinition({ launch: { kind: 'file', path }, name: 'Eve' })
  assert.equal(name, 'Eve')
  assert.deepEqual(state.migrate.get(1)?.({ old: 7 }), { n: 7 })
})

test('a missing file is named', async () => {
  const error = await refusal(join(folder, 'nowhere.ts'))
  assert.equal(error.code, 'ERR_DEFINITION_LOAD')
  assert.match(error.message, /there is no file .*nowhere\.ts/)
})

test('a syntax error is told with its line, in one line', async () => {
  for (const content of [
    'const a = 1\nexport default {',
    'const a = 1\nlet let = 2\n',
    'const a = 1\nenum E { A }\n',
  ]) {
    const path = file(content)
    const error = await refusal(path)
    assert.equal(error.code, 'ERR_DEFINITION_LOAD', content)
    assert.ok(error.message.startsWith(`${path}:2`), error.message)
    assert.doesNotMatch(error.message, /\n/)
    assert.equal(error.details['line'], 2)
  }
})

test('what the file throws is told with its place', async () => {
  const path = file(`const a = 1\nthrow new RangeError('out of range')`)
  const error = await refusal(path)
  assert.equal(error.code, 'ERR_DEFINITION_LOAD')
  assert.match(error.message, /agent-\d+\.ts:2:7: RangeError: out of range$/)
})

test('an import that cannot be found is named', async () => {
  const error = await refusal(file(`import 'not-installed-anywhere'`))
  assert.equal(error.code, 'ERR_DEFINITION_LOAD')
  assert.match(error.message, /not-installed-anywhere/)
})

test('options that defineAgent refuses are told with their place', async () => {
  const path = file(`import { defineAgent } from 'perdura'\n\nexport default defineAgent({ name: 'a b' })`)
  const error = await refusal(path)
  assert.equal(error.code, 'ERR_DEFINITION')
  assert.match(error.message, /agent-\d+\.ts:3:\d+: name: must be/)
})

test('a default export that defineAgent did not make is described', async () => {
  for (const [content, found] of [
    ['', /an object with nothing in it/],
    ['export {}', /no exports at all/],
    ['export const agent = 1', /no default export, only agent/],
    ['export default 7', /a number/],
    ['export default null', /null/],
    ['export default function make() {}', /the function make: call defineAgent/],
    [`export default { name: 'Ada', onMessage() {} }`, /a plain object: wrap it in defineAgent/],
    ['export default { a: 1 }', /an object with a$/],
    ['export default { name: 1, handlers: {}, limits: {} }', /another copy of perdura/],
  ] as const) {
    const error = await refusal(file(content))
    assert.equal(error.code, 'ERR_DEFINITION')
    assert.match(error.message, found)
  }
})
