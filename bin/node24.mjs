/**
 * Finds the Node 24 that a clone brings along, and hands a command line over to it.
 * Plain JavaScript that Node 20 can run: it is what stands between an older Node and the rest.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { isatty } from 'node:tty'

export const nodeIsNewEnough = Number(process.versions.node.split('.')[0]) >= 24

/**
 * The binary that the private workspace `tools/node24` installed for this platform.
 * Undefined in the published package, which has no such workspace, and before the first install.
 *
 * @param {string} root
 * @returns {{ path: string, version: string } | undefined}
 */
export function packagedNode(root) {
  const manifest = join(root, 'tools', 'node24', 'package.json')
  if (!existsSync(manifest)) return undefined
  const require = createRequire(manifest)
  for (const name of Object.keys(require(manifest).optionalDependencies)) {
    let found
    try {
      found = require.resolve(`${name}/package.json`)
    } catch {
      continue // npm installs only the package of this platform
    }
    const { bin, cpu, os, version } = require(found)
    const path = join(dirname(found), bin.node)
    const fits = [os].flat().includes(process.platform) && [cpu].flat().includes(process.arch)
    if (fits && existsSync(path)) return { path, version }
  }
  return undefined
}

/** What to tell a person whose Node is too old when there is no other at hand. */
export function nodeTooOld() {
  return (
    `ERR_NODE_TOO_OLD: Perdura needs Node 24 or newer, and this is Node ${process.versions.node}. ` +
    'Install Node 24; in a clone, `npm ci` brings one along.'
  )
}

/**
 * Runs a command in the foreground in place of this process: same terminal, same signals, same end.
 * Never returns: this process ends as the child does.
 *
 * SIGINT and SIGQUIT are passed on only when standard input is no terminal. At a terminal Ctrl-C and Ctrl-\ go to
 * the whole foreground group, so the child has had them already.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<never>}
 */
export function handOver(command, args, options) {
  const child = spawn(command, args, { stdio: 'inherit', ...options })
  const forward = (signal) => child.kill(signal)
  const signals = ['SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGINT']
  for (const signal of signals) {
    process.on(signal, (signal === 'SIGINT' || signal === 'SIGQUIT') && isatty(0) ? () => {} : forward)
  }
  child.once('error', (error) => {
    // A binary whose C library is not there (Alpine) fails with ENOENT although the file exists.
    console.error(`${command} does not start: ${error.message}\n${nodeTooOld()}`)
    process.exit(78)
  })
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    for (const handled of signals) process.removeAllListeners(handled)
    process.kill(process.pid, signal)
  })
  return new Promise(() => {})
}
