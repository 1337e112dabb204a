/**
 * Imported by the processes of `npm test` before anything else: what they import of this clone comes from a folder
 * where its types are stripped already (strip-types.mjs), under its own name. Every position is that of the source, so
 * stack traces and coverage are too. Node's compile cache would spare as much; but what comes from there has no block
 * coverage.
 */
import { readFileSync } from 'node:fs'
import module from 'node:module'

const root = new URL('../../', import.meta.url).href
const from = new URL(import.meta.url).searchParams.get('from')

module.registerHooks({
  load(url, context, nextLoad) {
    const source = url.startsWith(root) && url.endsWith('.ts') ? stripped(url.slice(root.length)) : undefined
    if (source === undefined) return nextLoad(url, context)
    return { format: 'module', source, shortCircuit: true }
  },
})

function stripped(name) {
  try {
    return readFileSync(new URL(name, from))
  } catch {
    return undefined
  }
}
