/**
 * What each process of `npm test` imports before anything else.
 *
 * What it imports of this clone comes from a folder where its types are stripped already (strip-types.mjs), under its
 * own name. Every position is that of the source, so stack traces and coverage are too. Node's compile cache would spare
 * as much; but what comes from there has no block coverage.
 */
import { readFileSync } from 'node:fs'
import module from 'node:module'
import { pathToFileURL } from 'node:url'
import v8 from 'node:v8'

const root = new URL('../../', import.meta.url).href
const from = new URL(import.meta.url).searchParams.get('from')

module.registerHooks({
  load(url, context, nextLoad) {
    const source = url.startsWith(root) && url.endsWith('.ts') ? stripped(url.slice(root.length)) : undefined
    if (source === undefined) return nextLoad(url, context)
    return { format: 'module', source, shortCircuit: true }
  },
})

// Thousands of seeds, and mutants that some of them catch, run the same lines again and again. Counting their blocks
// costs a fifth of the time; the seeds that are kept as regressions are counted.
const program = pathToFileURL(process.argv[1] ?? '').href
if (program.startsWith(`${root}test/simulation/`) && !program.includes('regressions')) v8.stopCoverage()

function stripped(name) {
  try {
    return readFileSync(new URL(name, from))
  } catch {
    return undefined
  }
}
