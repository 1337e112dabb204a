import { test } from 'node:test'

import { assertNone, type Source, readSources } from './sources.ts'

const roots = ['src/errors.ts', 'src/json.ts', 'src/duration.ts', 'src/exit-codes.ts']

/** Which folder of src may import from which, besides itself and the root modules. Types count too. */
const layers: Record<string, readonly string[]> = {
  protocol: [],
  platform: [],
  'platform/node': ['platform'],
  store: ['store/sqlite', 'platform'],
  'store/sqlite': ['store', 'platform', 'platform/node'],
  queue: ['store', 'platform'],
  agent: ['queue', 'store', 'platform'],
  mind: ['agent', 'queue', 'store', 'platform'],
  session: ['protocol', 'platform'],
  credentials: ['protocol', 'platform', 'store'],
  backup: ['store', 'platform'],
  settings: ['platform'],
  health: ['settings', 'platform', 'store'],
  runtime: [
    'mind',
    'agent',
    'queue',
    'store',
    'platform',
    'platform/node',
    'session',
    'protocol',
    'backup',
    'credentials',
    'health',
    'settings',
    'store/sqlite',
  ],
  supervisor: ['platform'],
  daemon: ['supervisor', 'settings', 'platform', 'platform/node'],
  hub: ['protocol', 'platform'],
  'hub/server': ['hub', 'hub/storage', 'protocol', 'platform', 'platform/node'],
  'hub/storage': ['hub', 'platform'],
  cli: [
    'runtime',
    'session',
    'mind',
    'agent',
    'queue',
    'store',
    'backup',
    'platform',
    'platform/node',
    'supervisor',
    'daemon',
    'hub',
    'hub/server',
    'store/sqlite',
    'protocol',
    'credentials',
    'settings',
    'health',
  ],
  'index.ts': ['agent', 'mind', 'runtime', 'platform', 'store', 'queue'],
}

const sources = readSources('src/**/*.ts')

test('every folder imports only what lies below it', () => {
  const wrong = sources.flatMap((source) =>
    source.imports.flatMap(({ line, target }) => {
      if (target?.startsWith('src/') !== true || mayImport(source.path, target)) return []
      return [`${source.path}:${line} imports ${target}`]
    }),
  )
  assertNone(wrong)
})

test('every relative import names a file, with its extension', () => {
  const wrong = sources.flatMap((source) =>
    source.imports
      .filter(({ specifier, target }) => specifier.startsWith('.') && target === undefined)
      .map(({ line, specifier }) => `${source.path}:${line} imports ${specifier}`),
  )
  assertNone(wrong)
})

// A cycle of types alone is gone at run time, and types that name each other are no harm.
test('no files import each other in a circle at run time', () => {
  assertNone(cycles(sources))
})

function mayImport(from: string, to: string): boolean {
  if (from.startsWith('src/testing/')) return true
  if (roots.includes(from)) return roots.includes(to)
  if (roots.includes(to)) return true
  const own = layerOf(from)
  const other = layerOf(to)
  return own === other || (layers[own] ?? []).includes(other)
}

/** The longest folder that the table knows; a folder that it does not know may import nothing. */
function layerOf(path: string): string {
  const inside = path.slice('src/'.length)
  const known = Object.keys(layers).filter((layer) => inside === layer || inside.startsWith(`${layer}/`))
  return known.toSorted((a, b) => b.length - a.length)[0] ?? inside
}

function cycles(files: readonly Source[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) {
      found.push([...trail.slice(start), path].join(' → '))
      return
    }
    if (done.has(path)) return
    for (const { kind, target } of byPath.get(path)?.imports ?? []) {
      if (kind === 'static' && target !== undefined) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const { path } of files) visit(path, [])
  return found
}
