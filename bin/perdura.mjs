#!/usr/bin/env node
/**
 * The `perdura` command. Plain JavaScript that Node 20 can run: it finds a Node 24 and the program.
 *
 * In a clone the program is src/cli/main.ts, run as it is; in the published package dist/cli/main.js.
 * From there on `process.execPath` is a Node 24 and `process.argv[1]` is this file, so the program starts
 * itself again, as the supervisor does, with `spawn(process.execPath, [process.argv[1], …])`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { handOver, nodeIsNewEnough, nodeTooOld, packagedNode } from './node24.mjs'

const self = fileURLToPath(import.meta.url)
const root = dirname(dirname(self))

if (nodeIsNewEnough) {
  process.argv[1] = self
  hushExperimentalWarnings()
  collapseSignalEchoes()
  const source = join(root, 'src', 'cli', 'main.ts')
  const inClone = existsSync(source)
  // Spares every start the stripping of types and much of the parsing (64 ms instead of 129). Written early,
  // not at the end only: a process that is killed would never write it, and its restart is what has to be fast.
  module.enableCompileCache(inClone ? cacheOfClone() : undefined)
  setTimeout(() => module.flushCompileCache(), 1000).unref()
  const program = inClone ? source : join(root, 'dist', 'cli', 'main.js')
  await import(pathToFileURL(program).href)
} else {
  const node = packagedNode(root)
  if (node === undefined) {
    console.error(nodeTooOld())
    process.exit(78) // do not restart me
  }
  await handOver(node.path, [self, ...process.argv.slice(2)])
}

/**
 * The folder of a clone for its compiled code, which `npm ci` removes. When it is missing, a process that ends fills it
 * (0.3 s): what strips types takes 30 MB, and a process that stays would keep them.
 */
function cacheOfClone() {
  const folder = join(root, 'node_modules', '.cache', 'perdura')
  const { NODE_COMPILE_CACHE: chosen, NODE_DISABLE_COMPILE_CACHE: disabled } = process.env
  if (existsSync(folder) || chosen !== undefined || disabled !== undefined) return folder
  try {
    mkdirSync(folder, { recursive: true })
  } catch {
    return undefined // another user's clone: Node's own choice, among the temporary files
  }
  spawnSync(process.execPath, [join(root, 'scripts', 'lib', 'compile.mjs'), folder], { stdio: 'ignore' })
  return folder
}

/** Node 24.0 to 24.2 warn on every start about type stripping and SQLite, which later releases call stable. */
function hushExperimentalWarnings() {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning, ...rest) => {
    if (rest[0] === 'ExperimentalWarning' && /SQLite|Type Stripping/i.test(String(warning))) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
}

/**
 * One Ctrl-C, or one `systemctl stop`, often arrives twice: once from the terminal or the control group, and
 * once more from npm or npx, which pass on what they get. A second signal means "now, without draining", so
 * what comes within half a second of the first is taken for its echo. SIGHUP and SIGQUIT go through each time: the second
 * one asks for what the first one did, and of two reloads it is the later one that has seen the newest settings.
 */
function collapseSignalEchoes() {
  const echoMs = 500
  const seenMs = new Map()
  const emit = process.emit
  process.emit = (event, ...rest) => {
    if (event === 'SIGINT' || event === 'SIGTERM') {
      const nowMs = performance.now()
      const lastMs = seenMs.get(event)
      if (lastMs !== undefined && nowMs - lastMs < echoMs) return true
      seenMs.set(event, nowMs)
    }
    return Reflect.apply(emit, process, [event, ...rest])
  }
}
