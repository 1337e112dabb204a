import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertNone, lineOf, readSources, root, walk, type Source } from './sources.ts'

const page = 'docs/reference/events.md'

/** `noun:verb:phase`, of two to four words. */
const pattern = /^[a-z][a-z-]*(?::[a-z][a-z-]*){1,3}$/

/** Whatever looks like one, wherever it stands: a name may go through a variable before it is logged. */
const events = new Map(
  readSources('src/**/*.ts')
    .filter(({ path }) => !path.startsWith('src/testing/'))
    .flatMap(namesIn),
)
const documented = new Set(
  [...readFileSync(join(root, page), 'utf8').matchAll(/`([a-z:-]+)`/g)]
    .map(([, name = '']) => name)
    .filter((name) => pattern.test(name)),
)

test('every event that the agent, the hub or the daemon tells of or logs is documented', () => {
  assertNone(
    [...events].filter(([name]) => !documented.has(name)).map(([name, where]) => `${where}: ${name}`),
  )
})

test('every event that is documented can happen', () => {
  assertNone([...documented].filter((name) => !events.has(name)))
})

function namesIn({ path, text, program }: Source): [string, string][] {
  const found: [string, string][] = []
  walk(program, (node) => {
    const { type, value, start } = node
    if (type !== 'Literal' || typeof value !== 'string' || !pattern.test(value)) return
    if (value.startsWith('node:')) return
    found.push([value, `${path}:${lineOf(text, start)}`])
  })
  return found
}
