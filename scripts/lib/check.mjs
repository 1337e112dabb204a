/**
 * What `npm test` runs, on Node 24: types, lint and format; then every test; then coverage; and the test
 * runner's own summary as the last lines. With files or folders as arguments, these tests alone.
 */
import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'

import { reportCoverage } from './coverage.mjs'
import { killLeftovers } from './leftovers.mjs'
import { root } from './setup.mjs'
import { stripTypes } from './strip-types.mjs'
import { runTests } from './tests.mjs'

/** The aim is 14 minutes on two quiet cores; a busy machine is no failure of the code. */
const guardMs = 20 * 60_000
const coloured = process.stdout.isTTY && process.env.NO_COLOR === undefined

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'test-name-pattern': { type: 'string' } },
})
const selected = positionals.flatMap(filesOf)
const pattern = values['test-name-pattern']
const everything = positionals.length === 0 && pattern === undefined

// All that the tests write goes below one folder, which goes with them: no test can touch the agents of the
// person who runs it. Short, because a socket's path has 104 bytes at most.
const scratch = mkdtempSync(join(tmpdir(), 'perdura-'))
const abort = new AbortController()
let ended = false

process.on('exit', cleanUp)
process.stdout.on('error', () => process.exit(1)) // nobody reads on, as after `npm test | head`
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    cleanUp()
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
setTimeout(() => {
  console.log(`✖ gave up after ${guardMs / 60_000} minutes`)
  process.exit(1)
}, guardMs).unref()

process.chdir(root)
process.exitCode = (await check()) ? 0 : 1

async function check() {
  if (everything && !(await checkStatically())) return false

  const files = positionals.length === 0 ? allFiles() : selected
  if (files.length === 0) {
    console.log('✖ no tests found')
    return false
  }
  const coverage = join(scratch, 'coverage')
  const nodeOptions = process.env.NODE_OPTIONS ?? ''
  Object.assign(process.env, {
    NODE_OPTIONS: `${nodeOptions} ${stripTypes(join(scratch, 'stripped'))}`.trimStart(),
    // Tests have homes of their own: they are not to leave keys in anybody's keychain.
    PERDURA_KEYCHAIN: 'off',
    PERDURA_HOME: join(scratch, 'home'),
    TMPDIR: scratch,
    PERDURA_TEST_RUN: scratch,
    // A function that came from the compile cache has coarser coverage.
    NODE_DISABLE_COMPILE_CACHE: '1',
    ...(everything && { NODE_V8_COVERAGE: coverage }),
  })
  const { passed, summary } = await runTests(files, {
    signal: abort.signal,
    namePattern: pattern,
  })
  delete process.env.NODE_V8_COVERAGE
  process.env.NODE_OPTIONS = nodeOptions

  const left = killLeftovers(scratch)
  for (const { pid, command } of left) console.log(`✖ a test left process ${pid} behind: ${command}`)
  const covered = !everything || (await reportCoverage(coverage))
  console.log(summary.trimEnd())
  return passed && covered && left.length === 0
}

/** All three, so that one run shows everything there is to mend. */
async function checkStatically() {
  const checks = [
    { name: 'types', program: 'typescript/bin/tsc', args: ['--noEmit', '--pretty'] },
    { name: 'lint', program: 'oxlint/bin/oxlint', args: ['--type-aware', '--deny-warnings'] },
    { name: 'format', program: 'oxfmt/bin/oxfmt', args: ['--check'] },
  ]
  const results = await Promise.all(
    checks.map(async ({ name, program, args }) => {
      const startedMs = performance.now()
      const { code, output } = await capture([join(root, 'node_modules', program), ...args])
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      console.log(code === 0 ? `✔ ${name} (${seconds} s)` : `✖ ${name}\n${output}`)
      return code === 0
    }),
  )
  return results.every(Boolean)
}

function capture(args) {
  const { promise, resolve: done } = Promise.withResolvers()
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (output += text))
  child.once('close', (code) => done({ code, output: coloured ? output : stripVTControlCharacters(output) }))
  return promise
}

/**
 * What computes and what waits by turns, so that every processor has something to do all the time; then what is short,
 * so that no long test is the only one in the end.
 */
function allFiles() {
  const of = (kind) => filesOf(join('test', kind))
  const [computing, waiting] = [of('simulation'), [...of('chaos'), ...of('integration')]]
  const long = waiting.flatMap((file, index) => [file, ...computing.slice(index, index + 1)])
  return [...long, ...computing.slice(waiting.length), ...of('unit'), ...of('types'), ...of('tidy')]
}

function filesOf(argument) {
  const path = resolve(argument)
  if (!existsSync(path)) {
    if (positionals.includes(argument)) {
      console.log(`✖ ${argument} does not exist`)
      process.exit(1)
    }
    return []
  }
  if (statSync(path).isFile()) return [path]
  const found = globSync('**/*.test.ts', { cwd: path }).map((name) => join(path, name))
  return found.toSorted((a, b) => (relative(root, a) < relative(root, b) ? -1 : 1))
}

function cleanUp() {
  if (ended) return
  ended = true
  abort.abort()
  killLeftovers(scratch)
  rmSync(scratch, { recursive: true, force: true, maxRetries: 3 })
}
