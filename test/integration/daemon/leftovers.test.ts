import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Members } from '../../chaos/soak/members.ts'
import { socketPlace } from '../../../src/platform/socket-place.ts'
import { CommandLine, isAlive, until, withCommandLine } from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import { leftoversOf, livingLeftoversOf, processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

async function succeeds(cli: CommandLine, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(args)
  assert.equal(code, 0, `perdura ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const patience = { timeout: 120_000 }
const skip = process.platform === 'linux' ? false : 'there is no /proc'

test('SIGTERM to up leaves no process, socket, record or lock', { ...patience, skip }, () =>
  withCommandLine(async (cli) => {
    const up = await cli.upWithHub()
    assert.ok(processesOf(cli.home).length >= 4, JSON.stringify(processesOf(cli.home)))
    // It would be found, were it left.
    const there = leftoversOf(cli.home)
    for (const name of ['agent.pid', 'control.sock', 'hub.pid', 'lock.db is locked'])
      assert.ok(
        there.some((text) => text.endsWith(name)),
        `${name} of ${there.join(', ')}`,
      )
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
    assert.deepEqual(leftoversOf(cli.home), [])
    assert.ok(existsSync(join(cli.home, 'agents', 'Ada', 'state.db')))
  }),
)

test(
  'SIGTERM to a daemon leaves no process, socket, record or lock, and a command to stop does not either',
  { ...patience, skip },
  () =>
    withCommandLine(async (cli) => {
      const members = new Members(cli.home)
      await succeeds(cli, 'start', '--port', '0')
      assert.ok(processesOf(cli.home).length >= 4, JSON.stringify(processesOf(cli.home)))
      assert.ok(leftoversOf(cli.home).some((text) => text.endsWith('daemon.pid')))
      signal(members.pidOf('daemon'), 'SIGTERM')
      // Its record goes a moment before its process.
      await until('the daemon is gone', () => processesOf(cli.home).length === 0)
      assert.deepEqual(leftoversOf(cli.home), [])

      await succeeds(cli, 'daemon', 'start')
      await until('what ran runs again', () =>
        ['hub', 'Ada', 'Bo'].every((name) => members.pidOf(name) !== undefined),
      )
      await succeeds(cli, 'daemon', 'stop')
      assert.deepEqual(leftoversOf(cli.home), [])
    }),
)

test(
  'a command to stop ends what a killed daemon has left behind, and the next daemon starts it again',
  { ...patience, skip },
  () =>
    withCommandLine(async (cli) => {
      const members = new Members(cli.home)
      await succeeds(cli, 'start', '--port', '0')
      const agents = ['Ada', 'Bo'].map((name) => members.pidOf(name))
      signal(members.pidOf('daemon'), 'SIGKILL')
      await until('the daemon is gone', () => members.pidOf('daemon') === undefined)
      assert.deepEqual(
        ['Ada', 'Bo'].map((name) => members.pidOf(name)),
        agents,
      )

      await succeeds(cli, 'daemon', 'stop')
      assert.deepEqual(livingLeftoversOf(cli.home), [])
      const log = readFileSync(join(cli.home, 'agents', 'Ada', 'agent.log'), 'utf8')
      assert.match(log, /"agent:stop:done"/)

      await succeeds(cli, 'daemon', 'start')
      await until('what ran runs again', () =>
        ['hub', 'Ada', 'Bo'].every((name) => members.pidOf(name) !== undefined),
      )
      // The same with the hub alone, which is not started again by itself.
      signal(members.pidOf('daemon'), 'SIGKILL')
      await until('the daemon is gone', () => members.pidOf('daemon') === undefined)
      const hub = members.pidOf('hub') ?? 0
      // As while it starts: then it has not said yet who it is.
      rmSync(join(cli.home, 'hub', 'hub.pid'))
      assert.match((await cli.run(['hub', 'stop'])).stderr, /the hub is stopped/)
      assert.equal(isAlive(hub), false)
      assert.match((await cli.run(['hub', 'stop'])).stderr, /the hub is not running/)
      await succeeds(cli, 'start')
      assert.equal(members.pidOf('hub'), undefined)
      await succeeds(cli, 'daemon', 'stop')
      assert.deepEqual(livingLeftoversOf(cli.home), [])
    }),
)

test(
  'a command to stop one agent ends it where a killed daemon has left it in the middle of its start',
  { ...patience, skip },
  () =>
    withCommandLine(async (cli) => {
      const members = new Members(cli.home)
      const slow = join(cli.folder, 'slow')
      const file = writeAgent(cli, 'Ada', {
        before: `import { existsSync } from 'node:fs'
          if (existsSync(${JSON.stringify(slow)})) {
            note('starting')
            await new Promise(() => setInterval(() => {}, 1_000))
          }`,
        handlers: 'onMessage() {}',
      })
      await succeeds(cli, 'start', file, '--no-hub', '--port', '0')
      writeFileSync(slow, '')
      signal(members.pidOf('Ada'), 'SIGKILL')
      await until('the next one starts', () => existsSync(join(cli.folder, 'outside')))
      signal(members.pidOf('daemon'), 'SIGKILL')
      await until('the daemon is gone', () => members.pidOf('daemon') === undefined)
      assert.equal(processesOf(cli.home).length, 1)

      assert.match((await cli.run(['stop', 'Ada'])).stderr, /Ada is stopped/)
      assert.deepEqual(processesOf(cli.home), [])
      assert.match((await cli.run(['stop', 'Ada'])).stderr, /Ada is not running/)
      await succeeds(cli, 'daemon', 'start')
      const { children } = await cli.json(['daemon', 'status'])
      assert.deepEqual([children.running ?? 0, processesOf(cli.home).length], [0, 1])
    }),
)

test(
  'of a home whose path is too long for sockets, no folder for them is left behind',
  { ...patience, skip },
  async () => {
    const cli = new CommandLine(mkdtempSync(join(tmpdir(), `perdura-${'long-'.repeat(20)}`)))
    const folders = ['daemon', 'hub', 'agents/Ada', 'agents/Bo'].map(
      (name) => socketPlace(join(cli.home, name)).folder,
    )
    const left = (): string[] => folders.filter((folder) => existsSync(folder))
    try {
      assert.ok(folders.every((folder) => folder.startsWith('/tmp/perdura-')))
      const up = await cli.upWithHub()
      assert.equal(left().length, 3)
      up.kill('SIGTERM')
      await up.ended
      assert.deepEqual(left(), [])
      await succeeds(cli, 'start', '--port', '0')
      assert.deepEqual(left(), folders)
      await succeeds(cli, 'health', 'hub')
      // The daemon goes and comes again while they stay, and they find it again.
      await succeeds(cli, 'daemon', 'restart')
      assert.deepEqual(left(), folders)
      await succeeds(cli, 'restart', 'Ada')
      // While they look for the next one, nobody else can make the folder that they look in.
      await succeeds(cli, 'daemon', 'stop', '--keep-agents')
      assert.deepEqual(left(), folders)
      await succeeds(cli, 'daemon', 'start')
      await succeeds(cli, 'daemon', 'stop')
      assert.deepEqual(left(), [])
    } finally {
      await cli.close()
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    }
  },
)

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  assert.ok(pid !== undefined)
  process.kill(pid, name)
}
