import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Members } from '../../chaos/soak/members.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
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
      await succeeds(cli, 'hub', 'stop')
      assert.equal(members.pidOf('hub'), undefined)
      await succeeds(cli, 'start')
      assert.equal(members.pidOf('hub'), undefined)
      await succeeds(cli, 'daemon', 'stop')
      assert.deepEqual(livingLeftoversOf(cli.home), [])
    }),
)

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  assert.ok(pid !== undefined)
  process.kill(pid, name)
}
