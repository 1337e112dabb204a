/**
 * Brings a clone to the point where its code can run: installs what the lockfile says, when it has changed,
 * and runs the rest on Node 24. Plain JavaScript that Node 20 can run.
 *
 * Everything said here goes to standard error: standard output belongs to the program that follows.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { handOver, nodeIsNewEnough, nodeTooOld, packagedNode } from '../../bin/node24.mjs'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const modules = join(root, 'node_modules')
const stamp = join(modules, '.perdura-installed')
const lock = join(root, '.perdura-setup.lock')

const say = (line) => process.stderr.write(`${line}\n`)

/** Installs the dependencies unless they are already those of the lockfile. Ends the process when it cannot. */
export async function installDependencies() {
  if (isInstalled()) return
  await takeLock()
  try {
    if (isInstalled()) return
    refuseWhileInUse()
    await runNpmCi()
    settle()
  } finally {
    rmSync(lock, { force: true })
  }
}

/**
 * Runs a module of this clone on Node 24: in this process when it is one, else in the packaged one.
 *
 * @param {string} entry path from the root
 * @param {readonly string[]} args
 */
export async function runOnNode24(entry, args) {
  const path = join(root, entry)
  if (!existsSync(path)) {
    say(`${entry} does not exist`)
    process.exit(1)
  }
  if (nodeIsNewEnough) {
    process.argv = [process.execPath, path, ...args]
    await import(pathToFileURL(path).href)
    return
  }
  const node = packagedNode(root)
  if (node === undefined) {
    say(nodeTooOld())
    process.exit(78)
  }
  say(`Using Node ${node.version}`)
  await handOver(node.path, [path, ...args])
}

/**
 * Writes the stamp that spares the next start a reinstall. Called after `npm ci` and `npm install` too, by
 * hand or not; without effect after an install that left out the tools, such as `--omit=dev`.
 */
export function settle() {
  if (existsSync(join(modules, 'typescript', 'package.json'))) writeFileSync(stamp, fingerprint())
}

/** The platform is part of it: a folder may be shared with a container or another machine. */
function fingerprint() {
  const lockfile = readFileSync(join(root, 'package-lock.json'))
  return createHash('sha256').update(lockfile).update(`${process.platform} ${process.arch}`).digest('hex')
}

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint()
}

/** Two first starts at once must not both empty node_modules: the second waits for the first. */
async function takeLock() {
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const holder = readHolder()
    if (holder === undefined) rmSync(lock, { force: true })
    else if (!waited) say(`Waiting for process ${holder}, which installs the dependencies…`)
    await sleep(200)
  }
}

/** The live process that holds the lock; undefined when it has died. */
function readHolder() {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return error.code === 'EPERM' ? 'of another user' : undefined
  }
}

/**
 * `npm ci` empties node_modules, and with it the Node that agents of this clone may be running on. They would
 * run on, but nothing could be started again until the install is done, and then under another version.
 * Only Linux can tell (/proc); elsewhere the supervisor's retries bridge the gap.
 */
function refuseWhileInUse() {
  if (process.platform !== 'linux') return
  const users = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    try {
      const program = readlinkSync(join('/proc', pid, 'exe'))
      if (program.startsWith(modules + sep) && basename(dirname(program)) === 'bin') users.push(pid)
    } catch {
      // it ended meanwhile, or belongs to another user
    }
  }
  if (users.length === 0) return
  rmSync(lock, { force: true })
  say(
    'The dependencies have changed, but something still runs on the Node in node_modules ' +
      `(process ${users.join(', ')}). Stop it first, then try again.`,
  )
  process.exit(1)
}

async function runNpmCi() {
  say(
    existsSync(modules)
      ? 'Installing dependencies (they have changed)…'
      : 'Installing dependencies (first run, about half a minute)…',
  )
  const startedMs = performance.now()
  const { npm_execpath: npm, npm_node_execpath: node } = process.env
  const viaNpm = npm !== undefined && node !== undefined && basename(npm) === 'npm-cli.js'
  const args = ['ci', '--include=dev', '--include=optional', '--loglevel=error']
  const child = spawn(viaNpm ? node : 'npm', viaNpm ? [npm, ...args] : args, {
    cwd: root,
    env: { ...process.env, PERDURA_SETUP: '1' }, // `prepare` needs not build: a clone runs its sources
    stdio: ['ignore', 'ignore', 2],
    shell: !viaNpm && process.platform === 'win32',
  })
  const stop = (signal) => {
    rmSync(lock, { force: true })
    child.kill(signal)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.once(signal, stop)
  const failure = await new Promise((resolve) => {
    child.once('error', (error) => resolve(`npm does not start: ${error.message}`))
    child.once('exit', (code, signal) =>
      resolve(code === 0 ? undefined : `npm ci ended with ${signal ?? code}`),
    )
  })
  for (const signal of signals) process.removeListener(signal, stop)
  if (failure !== undefined) {
    rmSync(lock, { force: true })
    say(
      `The dependencies could not be installed: ${failure}. npm's own words stand above; the same command tries again.`,
    )
    process.exit(1)
  }
  say(`Installed in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
}
