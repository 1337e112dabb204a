import { createRequire, Module, registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import type * as Ws from 'ws'

const require = createRequire(import.meta.url)

/**
 * What `ws` names at its start and needs only for `wss:` and for compression: 3 MB of memory and 10 ms of the start of every
 * agent that is at a hub of its own machine.
 */
const deferred: ReadonlySet<string> = new Set(['https', 'tls', 'zlib'])

let loaded: typeof Ws | undefined

/** The package `ws` with the first connection: an agent without a hub needs none of it. */
export function loadWebSockets(): typeof Ws {
  loaded ??= loadDeferring()
  return loaded
}

function loadDeferring(): typeof Ws {
  const places = [...deferred].map(placeOf)
  for (const name of deferred) require.cache[placeOf(name)] = standIn(name)
  // No such files: `require` finds what stands in for them in its cache.
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      deferred.has(specifier)
        ? { url: pathToFileURL(placeOf(specifier)).href, format: 'commonjs', shortCircuit: true }
        : next(specifier, context),
  })
  try {
    return require('ws') as typeof Ws
  } finally {
    hooks.deregister()
    for (const place of places) delete require.cache[place]
  }
}

function placeOf(name: string): string {
  return `${import.meta.filename}.${name}`
}

/** A module that is loaded when the first of its names is asked for. */
function standIn(name: string): Module {
  const module = new Module(placeOf(name))
  module.exports = new Proxy(
    {},
    { get: (_, key) => Reflect.get(process.getBuiltinModule(name) ?? {}, key) as unknown },
  )
  module.loaded = true
  return module
}
