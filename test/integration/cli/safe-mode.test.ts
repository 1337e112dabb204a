import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withCommandLine, type CommandLine, type Running } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

function write(cli: CommandLine, body: string): string {
  const path = join(cli.folder, 'ada.ts')
  writeFileSync(path, body)
  return path
}

const launchRecord = (cli: CommandLine): string =>
  readFileSync(join(cli.home, 'agents', 'Ada', 'agent.json'), 'utf8')

async function safely(cli: CommandLine, ...args: string[]): Promise<Running> {
  const running = cli.start(['run', ...args, '--safe-mode', '--port', '0', '--no-hub'])
  await running.says(/is ready/)
  return running
}

async function stop(running: Running): Promise<void> {
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 0)
}

const working = `import { defineAgent } from 'perdura'
  export default defineAgent({
    name: 'Ada',
    async onMessage({ text }, ctx) {
      if (text === 'fail') throw new Error('not this one')
      await ctx.reply('handled ' + text)
    },
    limits: { failuresMax: 1 },
  })`

test(
  'an agent whose file throws, hangs or is gone is opened in safe mode by its name or its file',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const file = write(cli, working)
      const up = await cli.up([file, '--no-hub'])
      const failed = await cli.run(['send', 'Ada', 'fail', '--wait', '--json'])
      const { turn } = JSON.parse(failed.stdout).details
      up.kill('SIGTERM')
      await up.ended
      const launched = launchRecord(cli)

      write(cli, `throw new Error('a bug of today')`)
      let agent = await safely(cli, file)
      await agent.says(/safe mode: +its mind is off/)
      await cli.json(['send', 'Ada', 'one'])
      const status = await cli.json(['status', 'Ada'])
      assert.equal(status.process.safe_mode, true)
      assert.equal(status.inbox.pending, 1)
      assert.match((await cli.run(['status'])).stdout, /Ada +safe mode/)
      const { explanations } = await cli.json(['why', 'Ada'])
      assert.equal(explanations[0].reason, 'safe-mode')
      const waited = await cli.run(['send', 'Ada', 'two', '--wait', '--timeout', '300ms'])
      assert.match(waited.stderr, /ERR_TIMEOUT: turn \d+ waits for the safe mode of Ada to end/)
      assert.equal((await cli.json(['turn', 'show', 'Ada', String(turn)])).status, 'dead')
      await cli.json(['turn', 'retry', 'Ada', String(turn)])
      assert.equal((await cli.json(['queue', 'list', 'Ada'])).inbox.length, 3)
      await stop(agent)

      write(cli, 'for (;;) {}')
      agent = await safely(cli, 'Ada')
      await cli.json(['send', 'Ada', 'three'])
      await stop(agent)
      rmSync(file)
      agent = await safely(cli, '--name', 'Ada')
      await cli.json(['send', 'Ada', 'four'])
      await stop(agent)
      assert.equal(launchRecord(cli), launched)

      write(cli, working.replace(`=== 'fail'`, `=== 'nothing'`))
      await cli.up(['Ada', '--no-hub'])
      await cli.json(['send', 'Ada', 'last', '--wait'])
      const turns = await cli.json(['turn', 'list', 'Ada', '--status', 'done'])
      assert.deepEqual(turns.turns.map(({ text }: { text: string }) => text).toSorted(), [
        'fail',
        'four',
        'last',
        'one',
        'three',
        'two',
      ])
    }),
)

test('a reflex agent has a safe mode too, and what was asked of it is answered afterwards', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up(['Bo', '--no-hub'])
    up.kill('SIGTERM')
    await up.ended
    const agent = await safely(cli, 'Bo')
    await cli.json(['send', 'Bo', 'help', '--id', 'h-1'])
    await stop(agent)
    await cli.up(['Bo', '--no-hub'])
    const { replies } = await cli.json(['send', 'Bo', 'help', '--id', 'h-1', '--wait'])
    assert.equal(replies.length, 1)
  }),
)

test(
  'safe mode of an agent that there is not, or of a file that nobody was started from, says so',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const unknown = await cli.run(['run', 'Zoe', '--safe-mode'])
      assert.equal(unknown.code, 4)
      const file = write(cli, working)
      const nameless = await cli.run(['run', file, '--safe-mode'])
      assert.equal(nameless.code, 2)
      assert.match(nameless.stderr, /name the agent, with --name/)
    }),
)

test(
  'a crash loop under up ends in safe mode, which takes in, and ends by itself once the bug is mended',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const mended = join(cli.folder, 'mended')
      write(
        cli,
        `import { existsSync } from 'node:fs'
       if (!existsSync(${JSON.stringify(mended)})) setTimeout(() => { throw new Error('a bug in a timer') }, 300)
       ${working}`,
      )
      mkdirSync(cli.home, { recursive: true })
      const supervision = { failures_max: 3, window: '10m', safe_mode_first: '4s' }
      writeFileSync(join(cli.home, 'config.json'), JSON.stringify({ supervision }))
      const up = await cli.up(['./ada.ts', '--no-hub'])
      await up.says(/ready again .*; in safe mode, since it failed too often/)
      await cli.json(['send', 'Ada', 'kept', '--id', 'kept'])
      writeFileSync(mended, '')
      await up.says(/safe mode is over/)
      const { replies } = await cli.json(['send', 'Ada', 'kept', '--id', 'kept', '--wait'])
      assert.equal(replies[0].text, 'handled kept')
      const reports = readdirSync(join(cli.home, 'agents', 'Ada', 'crashes')).filter((name) =>
        name.endsWith('.json'),
      )
      assert.ok(reports.length >= 3)
      up.kill('SIGTERM')
      assert.equal((await up.ended).code, 0)
    }),
)

test(
  'of the agents of one up, one that was stopped in safe mode stays stopped when its file is saved',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const file = write(cli, working)
      const first = await cli.up([file, '--no-hub'])
      first.kill('SIGTERM')
      await first.ended
      write(cli, `setTimeout(() => { throw new Error('a bug in a timer') }, 300)\n${working}`)
      const supervision = { failures_max: 2, window: '10m', safe_mode_first: '10m' }
      writeFileSync(join(cli.home, 'config.json'), JSON.stringify({ supervision }))
      const up = await cli.up(['--no-hub'])
      await up.says(/ready again .*; in safe mode, since it failed too often/)
      assert.equal((await cli.run(['stop', 'Ada'])).code, 0)
      write(cli, working)
      // It looks at the files then, and not only by its own clock.
      up.kill('SIGHUP')
      await up.says(/the settings were read again/)
      up.kill('SIGTERM')
      const { code, stdout, stderr } = await up.ended
      assert.equal(code, 0)
      assert.doesNotMatch(stdout + stderr, /has changed/)
    }),
)
