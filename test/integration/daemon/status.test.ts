import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../../helpers/command-line.ts'
import { withDaemonWorld } from '../../helpers/daemon-world.ts'
import { pictureOf } from '../../helpers/folder.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

test('the table shows daemon, hub and agents, with what they take, and how they ended', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    await world.ok('hub', 'start', '--port', '0')
    await world.start('Ada', 'Bo')
    const before = world.pidOf('Ada') ?? 0
    process.kill(before, 'SIGKILL')
    await until('it is back', async () => {
      const { agents } = await cli.json(['status'])
      return agents[0].state === 'running' && agents[0].process.pid !== before
    })
    const { daemon, hub, agents } = await cli.json(['status'])
    assert.deepEqual([daemon.running, daemon.answers, daemon.pid], [true, true, world.daemonPid])
    assert.deepEqual([hub.state, hub.keeper, hub.wanted], ['running', 'daemon', 'running'])
    const [ada, bo] = agents
    assert.deepEqual([ada.restarts, ada.keeper, ada.ends_by_reason], [1, 'daemon', { killed: 1 }])
    assert.deepEqual([ada.last_ends[0].pid, ada.last_ends[0].signal], [before, 'SIGKILL'])
    assert.match(ada.trouble.text, /killed \(SIGKILL\)/)
    assert.deepEqual([bo.restarts, bo.trouble], [0, null])
    assert.ok(ada.usage.rss_bytes > 30_000_000 && ada.usage.cpu_ms > 0)
    const { stdout } = await cli.run(['status'])
    assert.match(stdout, /^name +state +pid +up +restarts +session +in\/out +memory +cpu +last error$/m)
    assert.match(stdout, new RegExp(`^daemon +running +${world.daemonPid} `, 'm'))
    assert.match(stdout, /^Ada +running +\d+ .* 1 +no hub +0\/0 +\d+M .*killed \(SIGKILL\) \(.* ago\)$/m)
    const page = await cli.run(['status', 'Ada'])
    assert.match(
      page.stdout,
      /kept running by the daemon[\s\S]*restarts +1\n +\d\d:\d\d:\d\d the process was killed \(SIGKILL\), after /,
    )
    const some = await cli.run(['status', 'Bo', 'Cy', '--json'])
    assert.equal(some.code, 4)
    assert.deepEqual(
      JSON.parse(some.stdout).agents.map(({ agent, code }: { agent: string; code?: string }) => [
        agent,
        code,
      ]),
      [
        ['Bo', undefined],
        ['Cy', 'ERR_NO_SUCH_AGENT'],
      ],
    )
  }),
)

test('a daemon that is suspended, or dead, keeps nobody from seeing how its agents are', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    await world.start('Ada')
    const daemonPid = world.daemonPid ?? 0
    process.kill(daemonPid, 'SIGSTOP')
    try {
      const { daemon, agents } = await cli.json(['status'])
      assert.deepEqual([daemon.running, daemon.answers, daemon.usage.suspended], [true, false, true])
      assert.equal(agents[0].state, 'running')
      assert.match((await cli.run(['status'])).stdout, /^daemon +suspended .*kill -CONT \d+$/m)
    } finally {
      process.kill(daemonPid, 'SIGKILL')
    }
    await until('it is gone', async () => !(await cli.json(['status'])).daemon.running)
    assert.equal((await cli.json(['status', 'Ada'])).state, 'running')
    assert.match(
      (await cli.run(['status'])).stderr,
      /no daemon runs: Ada goes on, and is not started again should it end|no daemon runs: .*go on, and are not started again should they end: perdura daemon start/,
    )
    process.kill(world.pidOf('Ada') ?? 0, 'SIGKILL')
    await until('it is seen', async () => (await cli.json(['status'])).agents[0].state === 'down')
    const { stdout, stderr, code } = await cli.run(['status'])
    assert.deepEqual([code, /^Ada +down/m.test(stdout)], [0, true])
    assert.match(stderr, /no daemon runs, and Ada is to be: perdura daemon start/)
    assert.equal((await cli.run(['status', 'Ada'])).code, 3)
  }),
)

test('looking at what is dead changes no file, and what cannot be read is said', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    await world.start('Ada', 'Bo')
    await world.ok('daemon', 'stop')
    writeFileSync(join(cli.home, 'agents', 'Bo', 'supervision.json'), 'not JSON')
    rmSync(join(cli.home, 'agents', 'Bo', 'state.db'))
    // What SQLite keeps beside a database for its readers has nothing in it.
    const contents = (): Record<string, string> =>
      Object.fromEntries(
        Object.entries(pictureOf(join(cli.home, 'agents'))).filter(([name]) => !/-(shm|wal)$/.test(name)),
      )
    const before = contents()
    const { agents } = await cli.json(['status'])
    assert.equal(agents[0].state, 'down')
    assert.equal(typeof agents[1].error, 'string')
    assert.match((await cli.run(['status', '--all'])).stdout, /^Bo +stopped/m)
    assert.deepEqual(contents(), before)
  }),
)
