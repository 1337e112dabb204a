import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until, withCommandLine, type CommandLine, type Running } from '../../helpers/command-line.ts'
import { withFolder } from '../../helpers/folder.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }
const canary = 'planted-canary-of-the-ingress'
const environment = { PERDURA_INGRESS_TOKEN: canary }

/** Does what a message says: a bug each. */
const buggy = `import { defineAgent } from 'perdura'
  const later = (run: () => void) => setTimeout(run, 20)
  export default defineAgent({
    name: 'Ada',
    limits: { failuresMax: 2, retryDelayMs: 10 },
    async onMessage({ text }, ctx) {
      if (text === 'timer') later(function inATimer() {
        throw new Error('thrown in a timer, with ${canary} and password=hunter22')
      })
      if (text === 'fetch') { void fetch('http://127.0.0.1:1/'); await new Promise((go) => setTimeout(go, 30_000, undefined)) }
      if (text === 'late') later(async () => { throw new Error('rejected after its turn') })
      if (text === 'outside') outside()
      await ctx.reply('handled ' + text)
    },
  })
  let asked = false
  const outside = () => { asked = true }
  setInterval(() => { if (asked) { asked = false; void Promise.reject(new Error('of nobody\\'s turn')) } }, 20)`

async function ada(cli: CommandLine): Promise<Running> {
  writeFileSync(join(cli.folder, 'ada.ts'), buggy)
  const running = cli.start(['run', './ada.ts', '--port', '0', '--no-hub'], { environment })
  await running.says(/Ada is ready/)
  return running
}

const crashes = (cli: CommandLine): string => join(cli.home, 'agents', 'Ada', 'crashes')

interface Report {
  readonly kind: string
  readonly error: { readonly message: string; readonly stack: string }
  readonly versions: Readonly<Record<string, string>>
  readonly state: { readonly agent: string }
  readonly log: readonly { readonly event: string }[]
}

function reports(
  cli: CommandLine,
): { readonly text: string; readonly report: Report; readonly mode: number }[] {
  return readdirSync(crashes(cli))
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const path = join(crashes(cli), name)
      const text = readFileSync(path, 'utf8')
      return { text, report: JSON.parse(text) as Report, mode: statSync(path).mode & 0o777 }
    })
}

async function events(cli: CommandLine, event: string): Promise<{ readonly [field: string]: unknown }[]> {
  const { lines } = await cli.json(['logs', 'Ada', '-n', '400'])
  return (lines as { readonly event: string }[]).filter((line) => line.event === event)
}

test(
  'what is thrown in a timer ends the process with a report without secrets, of which the next start tells',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const running = await ada(cli)
      await cli.json(['send', 'Ada', 'timer'])
      const { code, stderr } = await running.ended
      assert.equal(code, 70)
      assert.match(stderr, /ERR_INTERNAL: Error: thrown in a timer.*\n.*inATimer.*ada\.ts/)
      assert.match(stderr, /the report is .*crashes/)
      const [found] = reports(cli)
      assert.ok(found !== undefined)
      assert.equal(found.mode, 0o600)
      assert.equal(found.report.kind, 'exception')
      assert.match(found.report.error.stack, /inATimer .*ada\.ts/)
      assert.equal(found.report.state.agent, 'Ada')
      assert.equal(found.report.versions['node'], process.versions.node)
      assert.ok(found.report.log.some(({ event }) => event === 'agent:start:ready'))
      for (const text of [
        found.text,
        stderr,
        readFileSync(join(cli.home, 'agents', 'Ada', 'agent.log'), 'utf8'),
      ]) {
        assert.equal(text.includes(canary), false)
        assert.equal(text.includes('hunter22'), false)
      }

      const again = await ada(cli)
      const told = await events(cli, 'process:crash:found')
      assert.equal(told.length, 1)
      assert.equal(told[0]?.['kind'], 'exception')
      const [ready] = (await events(cli, 'agent:start:ready')).slice(-1)
      assert.equal(ready?.['previous'], 'killed')
      again.kill('SIGTERM')
      assert.equal((await again.ended).code, 0)
      const third = await ada(cli)
      assert.equal((await events(cli, 'process:crash:found')).length, 1)
      third.kill('SIGTERM')
      await third.ended
    }),
)

test(
  'a promise that a handler left alone and that is rejected fails its turn, and not the process',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const running = await ada(cli)
      const failed = await cli.run(['send', 'Ada', 'fetch', '--wait', '--json'])
      assert.equal(JSON.parse(failed.stdout).code, 'ERR_TURN_DEAD')
      assert.match(failed.stderr, /fetch failed/)
      assert.equal((await events(cli, 'turn:rejection:unhandled')).length, 2)
      await cli.json(['send', 'Ada', 'late', '--wait'])
      await until('it is said', async () => (await events(cli, 'turn:rejection:unhandled')).length === 3)
      assert.equal((await cli.json(['send', 'Ada', 'hello', '--wait'])).replies.length, 1)
      running.kill('SIGTERM')
      assert.equal((await running.ended).code, 0)
    }),
)

test(
  'a rejection that is of no turn is a bug: the process ends, and the report says where it was',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const running = await ada(cli)
      await cli.json(['send', 'Ada', 'outside'])
      assert.equal((await running.ended).code, 70)
      const [found] = reports(cli)
      assert.equal(found?.report.kind, 'rejection')
      assert.match(found?.report.error.stack ?? '', /of nobody's turn\n.*ada\.ts/)
    }),
)

/** Values that nobody can read, each with what is said of it. */
const hostile = `const never = () => { throw new Error('not to be read') }
  const gone = Proxy.revocable({}, {})
  gone.revoke()
  const goneFunction = Proxy.revocable(function () {}, {})
  goneFunction.revoke()
  const halfRead = new Error('read once')
  let reads = 0
  Object.defineProperty(halfRead, 'stack', { get: () => (++reads > 2 ? never() : 'read once') })
  const hostile = {
    getter: Object.defineProperties(new Error('x'), { stack: { get: never }, message: { get: never } }),
    halfRead,
    proxy: gone.proxy,
    function: goneFunction.proxy,
    text: { toString: never, [Symbol.toPrimitive]: never, [Symbol.for('nodejs.util.inspect.custom')]: never, toJSON: never },
    bare: Object.create(null, { then: { get: never } }),
    cause: new Error('with a cause', { cause: gone.proxy }),
  }`

const hostileNames = ['getter', 'halfRead', 'proxy', 'function', 'text', 'bare', 'cause']

test(
  'a timer that throws what nobody can read is a crash like any other: seen, reported, put right',
  patience,
  () =>
    withCommandLine(async (cli) => {
      mkdirSync(cli.home, { recursive: true, mode: 0o700 })
      writeFileSync(join(cli.home, 'config.json'), '{ "supervision": { "failures_max": 100 } }')
      const file = join(cli.folder, 'ada.mjs')
      writeFileSync(
        file,
        `import { existsSync, readFileSync, rmSync } from 'node:fs'
      import { defineAgent } from 'perdura'
      ${hostile}
      export default defineAgent({
        name: 'Ada',
        limits: { failuresMax: 1 },
        async onMessage({ text }) {
          const [how, what] = text.split(' ')
          if (how === 'throw') throw hostile[what]
          void new Promise((_, reject) => reject(hostile[what]))
          await new Promise((go) => setTimeout(go, 30_000))
        },
      })
      const file = ${JSON.stringify(join(cli.folder, 'do'))}
      setInterval(() => {
        if (!existsSync(file)) return
        const [how, what] = readFileSync(file, 'utf8').split(' ')
        rmSync(file)
        if (how === 'timer') throw hostile[what]
        void new Promise((_, reject) => reject(hostile[what]))
      }, 20)`,
      )
      const up = await cli.up([file, '--no-hub'])
      let crashed = 0
      for (const [how, kind] of [
        ['timer', 'exception'],
        ['nobody', 'rejection'],
      ] as const) {
        for (const name of hostileNames) {
          // Of no turn, which would be handled again.
          writeFileSync(join(cli.folder, 'do.new'), `${how} ${name}`)
          renameSync(join(cli.folder, 'do.new'), join(cli.folder, 'do'))
          crashed += 1
          await up.says(/exit code 70/, crashed)
          await up.says(/is ready again/, crashed)
          const all = reports(cli)
          assert.equal(all.length, crashed)
          assert.equal(all.at(-1)?.report.kind, kind, name)
          assert.match(all.at(-1)?.report.error.message ?? '', /cannot be read|read once|with a cause/, name)
        }
      }
      await up.says(/ERR_INTERNAL: Error: what was thrown cannot be read/, 10)
      for (const name of hostileNames) {
        for (const how of ['throw', 'stray']) {
          const failed = await cli.run(['send', 'Ada', `${how} ${name}`, '--wait', '--json'])
          assert.equal(JSON.parse(failed.stdout).code, 'ERR_TURN_DEAD', `${how} ${name}`)
        }
      }
      assert.equal(reports(cli).length, crashed)
      up.kill('SIGTERM')
      assert.equal((await up.ended).code, 0)
    }),
)

test('of a secret that stands where an error is cut nothing is on standard error', patience, () =>
  withCommandLine(async (cli) => {
    writeFileSync(
      join(cli.folder, 'ada.ts'),
      `import { defineAgent } from 'perdura'
      export default defineAgent({
        name: 'Ada',
        onMessage() { setTimeout(() => { throw new Error('${canary} '.repeat(5_000)) }, 20) },
      })`,
    )
    const running = cli.start(['run', './ada.ts', '--port', '0', '--no-hub'], { environment })
    await running.says(/Ada is ready/)
    await cli.json(['send', 'Ada', 'go'])
    const { code, stderr } = await running.ended
    assert.equal(code, 70)
    assert.ok(stderr.length > 1_000)
    assert.doesNotMatch(stderr, /planted|ingress /)
    assert.match(stderr, /the report is .*crashes/)
  }),
)

test('a crash while a crash is reported loses nothing of the first, and runs no listener of the code', () =>
  withFolder(async (folder) => {
    const module = (path: string): string => new URL(`../../../src/${path}`, import.meta.url).href
    const program = join(folder, 'crash.ts')
    writeFileSync(
      program,
      `import { appendFileSync } from 'node:fs'
      import { CrashWatch } from '${module('cli/crash-watch.ts')}'
      import { createNodeLog } from '${module('platform/node/log.ts')}'
      import { createNodeProcess } from '${module('platform/node/process.ts')}'
      import { RecentLines } from '${module('platform/recent-lines.ts')}'
      const recent = new RecentLines()
      const log = createNodeLog({ standardError: false, sink: recent })
      const crash = new CrashWatch({ log, recent, folder: '${join(folder, 'crashes')}', secrets: [] })
      crash.describe = () => crash.port(createNodeProcess()).crash(new Error('the second bug'))
      crash.lastWord = (code) => { appendFileSync('${join(folder, 'said')}', 'last word ' + code); throw new Error('the third bug') }
      process.on('exit', () => { appendFileSync('${join(folder, 'said')}', 'a listener') })
      setTimeout(() => { throw new Error('the first bug') })`,
    )
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    const [code] = await once(child, 'close')
    assert.equal(code, 70, said)
    const names = readdirSync(join(folder, 'crashes'))
    assert.equal(names.length, 1)
    const report = JSON.parse(readFileSync(join(folder, 'crashes', names[0] ?? ''), 'utf8'))
    assert.equal(report.error.message, 'the first bug')
    assert.deepEqual(report.state, { unknown: 'the second bug' })
    assert.match(said, /ERR_INTERNAL: Error: the first bug/)
    assert.equal(readFileSync(join(folder, 'said'), 'utf8'), 'last word 70')
  }))
