import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

import { parseSync } from 'oxc-parser'

export const root = dirname(dirname(import.meta.dirname))

/** One file of the code, parsed. Paths are from the root of the repository, with forward slashes. */
export interface Source {
  readonly path: string
  readonly text: string
  readonly program: Node
  readonly imports: readonly Import[]
  readonly exports: readonly Export[]
}

export interface Import {
  readonly specifier: string
  /** The file it names, when that is one of this repository. */
  readonly target: string | undefined
  /** What is taken from it: names, `default`, or `*` for everything. */
  readonly names: readonly string[]
  /** `type`: gone at run time. `static`: loaded with the file. `dynamic`: loaded when asked for. */
  readonly kind: 'type' | 'static' | 'dynamic'
  readonly line: number
}

export interface Export {
  readonly name: string
  readonly isType: boolean
  readonly line: number
}

/** A node of the syntax tree, as far as these checks look into it. */
export interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

/** Parses the files that match; none when their folder does not exist. */
export function readSources(pattern: string): Source[] {
  return globSync(pattern, { cwd: root })
    .toSorted()
    .map((path) => readSource(path.replaceAll('\\', '/')))
}

/** Fails with the findings themselves, one a line, instead of a comparison of lists. */
export function assertNone(findings: readonly string[]): void {
  assert.ok(findings.length === 0, `${findings.length} found:\n${findings.join('\n')}`)
}

export function parse(code: string): Node {
  return parseSync('code.ts', code).program as unknown as Node
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** Calls `visit` for every node, with its parent. */
export function walk(node: Node, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  visit(node, parent)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node)
    }
  }
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

/** The text of a string literal. */
export function literal(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Literal' && typeof node['value'] === 'string'
    ? node['value']
    : undefined
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const { errors, module, program } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`)
  const tree = program as unknown as Node
  const target = (specifier: string) => resolveTarget(path, specifier)
  const imports: Import[] = []
  const exports: Export[] = []

  for (const { entries, moduleRequest, start } of module.staticImports) {
    const names = entries.map(({ importName }) =>
      importName.kind === 'Name' ? String(importName.name) : importName.kind === 'Default' ? 'default' : '*',
    )
    const statement = text.slice(start, moduleRequest.start)
    const isType = /^import\s+type\b/.test(statement)
    const specifier = moduleRequest.value
    imports.push({
      specifier,
      target: target(specifier),
      names,
      kind: isType ? 'type' : 'static',
      line: lineOf(text, start),
    })
  }
  for (const { entries, start } of module.staticExports) {
    for (const { exportName, importName, isType, moduleRequest } of entries) {
      const line = lineOf(text, start)
      const name = exportName.kind === 'Default' ? 'default' : exportName.name
      if (name !== null) exports.push({ name, isType, line })
      if (moduleRequest === null) continue
      const specifier = moduleRequest.value
      const names = [importName.kind === 'Name' ? String(importName.name) : '*']
      imports.push({ specifier, target: target(specifier), names, kind: isType ? 'type' : 'static', line })
    }
  }
  walk(tree, (node) => {
    const specifier = dynamicTarget(node)
    if (specifier === undefined) return
    const kind = node.type === 'TSImportType' ? 'type' : 'dynamic'
    imports.push({ specifier, target: target(specifier), names: ['*'], kind, line: lineOf(text, node.start) })
  })
  return { path, text, program: tree, imports, exports }
}

/** `import('…')`, as a value or a type, and `new URL('…', import.meta.url)`, which is how workers are named. */
function dynamicTarget(node: Node): string | undefined {
  if (node.type === 'ImportExpression' || node.type === 'TSImportType') return literal(node['source'])
  if (node.type !== 'NewExpression' || !isNode(node['callee']) || node['callee']['name'] !== 'URL')
    return undefined
  const [path, base] = node['arguments'] as unknown[]
  const isRelative =
    isNode(base) &&
    base.type === 'MemberExpression' &&
    isNode(base['object']) &&
    base['object'].type === 'MetaProperty'
  return isRelative ? literal(path) : undefined
}

function resolveTarget(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  const path = posix.join(posix.dirname(from), specifier)
  return existsSync(join(root, path)) ? path : undefined
}
