import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until, withCommandLine, type CommandLine, type Running } from '../../helpers/command-line.ts'
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
