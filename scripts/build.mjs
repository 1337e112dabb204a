/**
 * `npm run build`: src → dist, what the published package runs. Plain JavaScript that Node 20 can run.
 *
 *   --prepare   from npm's `prepare`: after an install in the clone, before `npm pack`, and in a clone that
 *               another project installs from its path or its Git address
 *   --settle    from npm's `dependencies`: node_modules changed, nothing to build
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import { root, settle } from './lib/setup.mjs'

// A package without its code must not be made; an install must not fail for want of it, since a clone runs its
// sources, and may have been installed without the compiler.
const packing = process.env.npm_command === 'pack' || process.env.npm_command === 'publish'
const required = packing || !process.argv.includes('--prepare')

const dist = join(root, 'dist')
const fresh = join(root, `dist.${process.pid}`)

if (process.env.PERDURA_SETUP === undefined) {
  if (process.argv.includes('--prepare') || process.argv.includes('--settle')) settle()
  if (!process.argv.includes('--settle')) build()
}

function build() {
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
