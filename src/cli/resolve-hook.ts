import { readFileSync } from 'node:fs'
import {
  type LoadHookSync,
  type ResolveHookSync,
  createRequire,
  registerHooks,
  stripTypeScriptTypes,
} from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compileFunction } from 'node:vm'

/** Where Perdura itself runs from: a clone with its sources, or the published package with its compiled code. */
export interface RunningCopy {
  /** The folder of its package.json, with a slash at the end. */
  readonly root: URL
  readonly compiled: boolean
}

/**
 * Lets an agent file be loaded from anywhere: from a folder without node_modules, where `perdura` and `zod` cannot
 * be found, and from one that npm has marked as CommonJS, as `npm init` does, although the file is an ES module.
 *
 * - `perdura` and its subpaths are always the running copy. A second one beside it, which an agent's folder may
 *   well have, would have classes and registries of its own.
 * - `zod` is the folder's own, else Perdura's.
 * - A `.ts` or `.js` file that is not marked as an ES module is one all the same when it uses the syntax.
 */
export function installResolveHook(copy: RunningCopy = thisCopy()): void {
  registerHooks({ resolve: createResolver(copy), load: loadAsWritten })
}

function thisCopy(): RunningCopy {
  return { root: new URL('../../', import.meta.url), compiled: import.meta.url.endsWith('.js') }
}

function createResolver(copy: RunningCopy): ResolveHookSync {
  const manifest = new URL('package.json', copy.root)
  let entries: ReadonlyMap<string, string> | undefined

  return (specifier, context, nextResolve) => {
    if (isOf('perdura', specifier)) {
      entries ??= readEntries(manifest, copy)
      const url = entries.get(specifier)
      if (url !== undefined) return { url, shortCircuit: true }
      // Node's own words for what the package does not export.
      return nextResolve(specifier, { ...context, parentURL: manifest.href })
    }
    if (!isOf('zod', specifier)) return nextResolve(specifier, context)
    try {
      return nextResolve(specifier, context)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ERR_MODULE_NOT_FOUND')
        return nextResolve(specifier, { ...context, parentURL: manifest.href })
      if (code !== 'MODULE_NOT_FOUND') throw error
      // `require` does not look at parentURL.
      return { url: pathToFileURL(createRequire(manifest).resolve(specifier)).href, shortCircuit: true }
    }
  }
}

function isOf(name: string, specifier: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`)
}

/** The entry points of package.json, which name the compiled code; in a clone their sources stand for them. */
function readEntries(manifest: URL, { compiled, root }: RunningCopy): Map<string, string> {
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    exports: Record<string, string | { default: string }>
  }
  return new Map(
    Object.entries(exports).map(([subpath, target]) => {
      const path = typeof target === 'string' ? target : target.default
      const source = path.replace(/^\.\/dist\/(.*)\.js$/, './src/$1.ts')
      return [`perdura${subpath.slice(1)}`, new URL(compiled ? path : source, root).href]
    }),
  )
}

const loadAsWritten: LoadHookSync = (url, context, nextLoad) => {
  const { format } = context
  const unmarked = format === undefined || format === null || format.startsWith('commonjs')
  const kind = /^file:.*\.(ts|js)$/.exec(url)?.[1]
  if (!unmarked || kind === undefined || url.includes('/node_modules/') || !isModule(url, kind)) {
    return nextLoad(url, context)
  }
  return nextLoad(url, { ...context, format: kind === 'ts' ? 'module-typescript' : 'module' })
}

const importOrExport =
  /^(import\s[^;()=]*?from\s*['"]|export\s+(default|const|let|class|function|async|type|interface|[{*]))/m
const commonJs = /\bmodule\.exports\b|\brequire\s*\(/

/**
 * Nearly every file shows at a glance what it is. Of the others the parser is asked, which costs 60 ms of every
 * start: what does not compile as the body of a CommonJS module is meant as an ES module, and if it is neither,
 * the loader says what is wrong with it.
 */
function isModule(url: string, kind: string): boolean {
  const source = readFileSync(fileURLToPath(url), 'utf8')
  if (!/\b(import|export|await)\b/.test(source)) return false
  if (importOrExport.test(source) && !commonJs.test(source)) return true
  try {
    const code = kind === 'ts' ? stripTypes(source) : source
    compileFunction(code, ['exports', 'require', 'module', '__filename', '__dirname'])
    return false
  } catch {
    return true
  }
}

/** Without Node's note that the function is experimental, which says nothing to the author of an agent. */
function stripTypes(source: string): string {
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}
