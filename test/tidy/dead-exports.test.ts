import { test } from 'node:test'

import { assertNone, type Source, readSources, walk } from './sources.ts'

/** What the outside uses: the two entry points of the package, and the command. */
const entries = ['src/index.ts', 'src/testing/index.ts', 'src/cli/main.ts']

/** Exports that only tests use, each with its reason: `'src/file.ts: name': 'why'`. */
const allowed: Record<string, string> = {}

const sources = readSources('src/**/*.ts')

/** The simulation is driven from these programs, so what they take from src/testing is used. */
const programs = readSources('{scripts,bench}/**/*.ts').map((program) => ({
  ...program,
  imports: program.imports.filter(({ target }) => target?.startsWith('src/testing/') === true),
}))

test('every export is used somewhere else in src', () => {
  const used = usedNames([...sources, ...programs])
  const dead = sources
    .filter(({ path }) => !entries.includes(path))
    .flatMap((source) =>
      source.exports
        .filter(({ isType, name }) => {
          const names = used.get(source.path)
          if (names?.has(name) || names?.has('*')) return false
          // A type that the file's other exports are made of is part of them: callers need not name it.
          return !(isType && isUsedInside(source, name))
        })
        .map(({ line, name }) => ({
          key: `${source.path}: ${name}`,
          place: `${source.path}:${line} exports ${name}`,
        })),
    )
    .filter(({ key }) => allowed[key] === undefined)
  assertNone(dead.map(({ place }) => place))
})

const incomplete = sources.some(({ path }) => entries.includes(path)) ? false : 'there is no entry point yet'

test('every file is reached from an entry point', { skip: incomplete }, () => {
  const reached = new Set<string>()
  const visit = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    for (const { target } of sources.find((source) => source.path === path)?.imports ?? []) {
      if (target !== undefined) visit(target)
    }
  }
  for (const entry of entries) visit(entry)
  for (const { target } of programs.flatMap(({ imports }) => imports)) visit(target ?? '')
  const lost = sources.map(({ path }) => path).filter((path) => !reached.has(path))
  assertNone(lost)
})

test('every allowance is still needed', () => {
  const known = new Set(sources.flatMap(({ exports, path }) => exports.map(({ name }) => `${path}: ${name}`)))
  assertNone(Object.keys(allowed).filter((key) => !known.has(key)))
})

function usedNames(files: readonly Source[]): Map<string, Set<string>> {
  const used = new Map<string, Set<string>>()
  for (const { names, target } of files.flatMap(({ imports }) => imports)) {
    if (target === undefined) continue
    const known = used.get(target) ?? new Set()
    for (const name of names) known.add(name)
    used.set(target, known)
  }
  return used
}

function isUsedInside(source: Source, name: string): boolean {
  let mentions = 0
  walk(source.program, (node) => {
    if (node.type === 'Identifier' && node['name'] === name) mentions += 1
  })
  return mentions > 1
}
