import assert from 'node:assert/strict'
import { test } from 'node:test'

import { assertNone, type Node, type Source, isNode, lineOf, parse, readSources, walk } from './sources.ts'

/**
 * What the lint rules of .oxlintrc.json cannot see of the rule that only these folders touch real time,
 * randomness, sockets and files: everything else must run in simulation, exactly repeatable.
 */
const real = [
  'src/platform/node/',
  'src/store/sqlite/',
  'src/hub/server/',
  'src/hub/storage/',
  'src/daemon/',
  'src/cli/',
]

/**
 * The built-in modules that compute and nothing else. Of node:crypto the lint rules bar the random half, of node:zlib a test
 * below what runs in the thread pool.
 */
const pureModules = [
  'assert',
  'async_hooks',
  'buffer',
  'crypto',
  'events',
  'path',
  'string_decoder',
  'url',
  'util',
  'zlib',
]
const simulationModules = [...pureModules, 'assert/strict', 'sqlite']

const sources = readSources('src/**/*.ts').filter(
  ({ path }) => !real.some((folder) => path.startsWith(folder)),
)

test('only the real edges import modules that reach outside', () => {
  const wrong = sources.flatMap((source) => {
    const pure = source.path.startsWith('src/testing/') ? simulationModules : pureModules
    return source.imports
      .filter(({ kind, specifier }) => {
        return (
          kind !== 'type' && specifier.startsWith('node:') && !pure.includes(specifier.slice('node:'.length))
        )
      })
      .map(({ line, specifier }) => `${source.path}:${line} imports ${specifier}`)
  })
  assertNone(wrong)
})

test('only the real edges compress in the thread pool', () => {
  const wrong = sources.flatMap(({ path, text }) =>
    [...text.matchAll(/import (.*) from 'node:zlib'/g)].flatMap(([, names = '']) => {
      const pure = /^\{ [\w, ]+ \}$/.test(names)
      const others = names.split(/[{},\s]+/).filter((name) => name !== '' && !/^constants$|Sync$/.test(name))
      return pure && others.length === 0 ? [] : [`${path} imports ${names}`]
    }),
  )
  assertNone(wrong)
})

test('only the real edges read the clock or the dice', () => {
  assertNone(sources.flatMap(impurities))
})

test('the check sees what it is for', () => {
  const seen = (code: string) => impuritiesOf(code).length
  assert.equal(seen('new Date()'), 1)
  assert.equal(seen('Date()'), 1)
  assert.equal(seen('const clock = Date'), 1)
  assert.equal(seen("Date['now']()"), 1)
  assert.equal(seen('const { random } = Math'), 1)
  assert.equal(seen('globalThis.setTimeout(f)'), 1)
  assert.equal(seen('new Date(0); Date.parse(text); Math.max(1, 2); x instanceof Date; let d: Date'), 0)
})

function impurities({ path, program, text }: Source): string[] {
  return impure(program).map(
    (node) => `${path}:${lineOf(text, node.start)} ${text.slice(node.start, node.start + 30)}…`,
  )
}

function impuritiesOf(code: string): Node[] {
  return impure(parse(code))
}

function impure(program: Node): Node[] {
  const found: Node[] = []
  walk(program, (node, parent) => {
    if (node.type === 'Identifier' && parent !== undefined && !isHarmless(node, parent)) found.push(parent)
  })
  return found
}

function isHarmless(node: Node, parent: Node): boolean {
  const name = node['name']
  const isProperty =
    parent.type === 'MemberExpression' && parent['property'] === node && parent['computed'] !== true
  const isKey = parent['key'] === node
  if (isProperty || isKey) return true
  if (name === 'globalThis' || name === 'global') return false
  if (name !== 'Date' && name !== 'Math') return true
  if (parent.type.startsWith('TS') || parent.type === 'BinaryExpression') return true
  if (parent.type === 'NewExpression') return (parent['arguments'] as unknown[]).length > 0
  if (parent.type !== 'MemberExpression' || parent['computed'] === true) return false
  const member = isNode(parent['property']) ? parent['property']['name'] : undefined
  return name === 'Date' ? member === 'parse' || member === 'UTC' : member !== 'random'
}
