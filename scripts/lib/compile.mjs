/** Loads all of src once, so that Node's compile cache in the folder given has it. Run by bin/perdura.mjs. */
import { globSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { root } from './setup.mjs'

module.enableCompileCache(process.argv[2])
// One of the files is the command line's entry point, and runs what it is given.
process.argv.splice(2, Infinity, 'version')

const source = join(root, 'src')
for (const name of globSync('**/*.ts', { cwd: source, exclude: ['testing/**'] })) {
  await import(pathToFileURL(join(source, name)).href)
}
