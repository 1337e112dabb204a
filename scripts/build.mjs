/**
 * `npm run build`: src → dist, what the published package runs. Plain JavaScript that Node 20 can run.
 *
 *   --out FOLDER  writes there instead of dist
 *   --prepare     from npm's `prepare`: after an install in the clone, before `npm pack`, and in a clone that
 *                 another project installs from its path or its Git address
 *   --settle      from npm's `dependencies`: node_modules changed, nothing to build
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

import { installDependencies, root, settle } from './lib/setup.mjs'

// A package without its code must not be made; an install must not fail for want of it, since a clone runs its
// sources, and may have been installed without the compiler.
const packing = process.env.npm_command === 'pack' || process.env.npm_command === 'publish'
const required = packing || !process.argv.includes('--prepare')

const out = process.argv.indexOf('--out')
const dist = out === -1 ? join(root, 'dist') : resolve(process.argv[out + 1] ?? 'dist')
const fresh = `${dist}.${process.pid}`

if (process.env.PERDURA_SETUP === undefined) {
  if (process.argv.includes('--prepare') || process.argv.includes('--settle')) settle()
  if (!process.argv.includes('--settle')) await build()
}

async function build() {
  // Another project links to this clone, which nobody has set up yet; npm installs nothing for a link.
  if (!packing && !existsSync(join(root, 'node_modules')) && !fromHere()) await installDependencies()
  const compiler = findCompiler()
  if (compiler === undefined) return withoutCompiler()
  const args = [compiler, '--project', join(root, 'tsconfig.build.json'), '--outDir', fresh]
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    process.exit(required ? 1 : 0) // the compiler has said why
  }
  cpSync(join(root, 'src'), fresh, { recursive: true, filter: (path) => !path.endsWith('.ts') })
  // Swapped in at the end, so that no one finds half a build.
  rmSync(dist, { recursive: true, force: true })
  renameSync(fresh, dist)
}

/** Whether it was in this folder that a person called npm. */
function fromHere() {
  const caller = process.env.INIT_CWD
  return caller === undefined || realpathSync(caller) === realpathSync(root)
}

function findCompiler() {
  try {
    return join(
      createRequire(join(root, 'package.json')).resolve('typescript/package.json'),
      '..',
      'bin',
      'tsc',
    )
  } catch {
    return undefined
  }
}

function withoutCompiler() {
  if (!packing && existsSync(join(dist, 'cli', 'main.js'))) return
  process.stderr.write(
    'Perdura is not built: TypeScript is not installed. Run `npm ci && npm run build` in its folder.\n',
  )
  process.exit(required ? 1 : 0)
}
