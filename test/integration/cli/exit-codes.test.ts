import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Members } from '../../chaos/soak/members.ts'
import { exitCodes } from '../../../src/exit-codes.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }
const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))

const agent = { handlers: 'onMessage() {}' }
const pause = 'await new Promise((go) => setTimeout(go, 5_000))'

/** Of each exit code what ends with it, and what it then says. */
const reached: Readonly<
  Record<keyof typeof exitCodes, (cli: CommandLine) => readonly (readonly [readonly string[], RegExp])[]>
> = {
  fine: () => [[['version'], /\d/]],
  failed: (cli) => [[['new', 'Ada', '--dir', cli.folder], /ERR_FILE_EXISTS/]],
  usage: () => [
    [['rum'], /ERR_USAGE/],
    [['run', '--drain', 'soon', '--name', 'Ada'], /ERR_DURATION/],
  ],
  notRunning: () => [[['status', 'Ada'], /Ada/]],
  noSuchAgent: () => [[['status', 'Zoe'], /ERR_NO_SUCH_AGENT/]],
  crashed: (cli) => [
    [
      [
        'run',
        writeAgent(cli, 'Tim', {
          before: `setTimeout(() => { throw new Error('early, password=hunter22') }); ${pause}`,
          ...agent,
        }),
      ],
      /ERR_INTERNAL: Error: early/,
    ],
    [
      ['run', writeAgent(cli, 'Rej', { before: `void Promise.reject(null); ${pause}`, ...agent })],
      /ERR_INTERNAL: Error: null/,
    ],
  ],
  doNotRestart: (cli) => [
    [['run', writeAgent(cli, 'Syn', { before: 'this is no code', ...agent })], /ERR_DEFINITION_LOAD/],
    [['run', writeAgent(cli, 'Nil', { before: 'throw null', ...agent })], /ERR_DEFINITION_LOAD: .*null/],
    [
      [
        'run',
        writeAgent(cli, 'Rev', {
          before: 'const gone = Proxy.revocable({}, {}); gone.revoke(); throw gone.proxy',
          ...agent,
        }),
      ],
      /ERR_DEFINITION_LOAD: .*(revoked|cannot be read)/,
    ],
    [
      ['run', writeAgent(cli, 'Nev', { before: 'await new Promise(() => {})', ...agent })],
      /ERR_DEFINITION_LOAD: .*never comes/,
    ],
  ],
}

test('each exit code is reached by what it stands for', patience, () =>
  withCommandLine(async (cli) => {
    writeFileSync(join(cli.folder, 'ada.ts'), '')
    const up = await cli.up(['Ada', '--no-hub'])
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, exitCodes.fine)
    for (const [name, cases] of Object.entries(reached)) {
      for (const [args, says] of cases(cli)) {
        const { code, stdout, stderr } = await cli.run(args)
        assert.equal(code, exitCodes[name as keyof typeof exitCodes], `${args.join(' ')}: ${stdout}${stderr}`)
        assert.match(stdout + stderr, says)
        assert.doesNotMatch(stderr, /hunter22/)
      }
    }
  }),
)

test(
  'up of an agent that the daemon keeps running is refused with 78, by its name and by its file, and touches nothing',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const file = writeAgent(cli, 'Ada', agent)
      assert.equal((await cli.run(['start', file, '--no-hub', '--port', '0'])).code, 0)
      const members = new Members(cli.home)
      const before = members.pidOf('Ada')
      assert.ok(before !== undefined)
      for (const args of [['Ada'], [file], []]) {
        const { code, stderr } = await cli.run(['up', ...args, '--port', '0'])
        assert.equal(code, exitCodes.doNotRestart, stderr)
        assert.match(
          stderr,
          /ERR_HOME_IN_USE: Ada is running already, kept by the daemon \(process \d+\): .*perdura stop Ada/,
        )
      }
      assert.equal(members.pidOf('Ada'), before)
      assert.equal((await cli.json(['status', 'Ada'])).state, 'running')
      assert.equal((await cli.json(['send', 'Ada', 'hello', '--wait'])).duplicate, false)
    }),
)

test(
  'run goes on where standard input, output and error are closed from the beginning',
  { ...patience, skip: process.platform === 'win32' },
  () =>
    withCommandLine(async (cli) => {
      const script = 'exec "$@" <&- >&- 2>&-'
      const command = [process.execPath, program, 'run', '--name', 'Ada', '--port', '0', '--no-hub']
      const child = spawn('/bin/sh', ['-c', script, 'sh', ...command], {
        env: { ...process.env, PERDURA_HOME: cli.home },
        stdio: 'ignore',
      })
      const ended = once(child, 'close')
      try {
        await until('it is ready', async () => (await new Members(cli.home).agent('Ada')) !== undefined)
        await cli.json(['send', 'Ada', 'remember that it goes on', '--wait'])
      } finally {
        child.kill('SIGTERM')
      }
      assert.deepEqual(await ended, [0, null])
    }),
)
