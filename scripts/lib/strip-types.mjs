import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { root } from './setup.mjs'

const sources = '{src,test,bench,scripts}/**/*.ts'

/**
 * Strips the types of everything in the clone, into a folder. The tests start some thousand processes, and each of
 * them would strip the same files again: a quarter of a second of computing, two thirds of its start.
 *
 * @param {string} folder
 * @returns {string} the option of Node with which a process takes from there what it imports
 */
export function stripTypes(folder) {
  hushExperimentalWarning()
  for (const name of globSync(sources, { cwd: root })) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    const code = strip(readFileSync(join(root, name), 'utf8'))
    if (code !== undefined) writeFileSync(path, code)
  }
  const hook = new URL('test-process.mjs', import.meta.url)
  hook.searchParams.set('from', pathToFileURL(join(folder, '/')).href)
  return `--import=${hook.href}`
}

/** What cannot be stripped is left to the process that imports it, which says why. */
function strip(code) {
  try {
    return module.stripTypeScriptTypes(code)
  } catch {
    return undefined
  }
}

function hushExperimentalWarning() {
  const { emitWarning } = process
  process.emitWarning = (warning, ...rest) => {
    if (rest[0] === 'ExperimentalWarning' && /stripTypeScriptTypes/.test(String(warning))) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
}
