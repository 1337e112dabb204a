import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withDaemonWorld } from '../../helpers/daemon-world.ts'
import { leftoversOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

test('start starts the daemon and the agent, twice changes nothing, stop leaves nothing', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    await world.start('Zoe')
    const [daemon, agent] = [world.daemonPid, world.pidOf('Zoe')]
    assert.ok(daemon !== undefined && agent !== undefined)
    for (const socket of ['control.sock', 'link.sock'])
      assert.equal(statSync(join(cli.home, 'daemon', socket)).mode & 0o777, 0o600)

    const again = await cli.json(['start', 'Zoe'])
    assert.deepEqual([again.was_running, again.pid], [true, agent])
    const daemonAgain = await cli.json(['daemon', 'start'])
    assert.deepEqual([daemonAgain.was_running, daemonAgain.pid], [true, daemon])

    assert.equal((await cli.json(['stop', 'Zoe'])).was_running, true)
    assert.equal(world.pidOf('Zoe'), undefined)
    assert.equal((await cli.json(['stop', 'Zoe'])).was_running, false)
    assert.equal((await world.child('agent:Zoe'))?.['wanted'], 'stopped')

    await world.ok('daemon', 'stop')
    assert.equal((await cli.json(['daemon', 'stop'])).was_running, false)
    const { code } = await cli.run(['daemon', 'status'])
    assert.equal(code, 3)
    if (process.platform === 'linux') assert.deepEqual(leftoversOf(cli.home), [])
  }),
)

test('agents that ran run again with the next daemon, and those that were stopped do not', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe', 'Yan')
    await world.ok('stop', 'Yan')
    await world.ok('daemon', 'stop')
    assert.equal(world.pidOf('Zoe'), undefined)
    await world.ok('daemon', 'start')
    await world.untilChild('agent:Zoe', 'runs', ({ state }) => state === 'running')
    assert.equal((await world.child('agent:Yan'))?.['state'], 'stopped')
    await world.ok('start', 'Yan')
    assert.ok(isAlive(world.pidOf('Yan') ?? 0))
  }),
)

test('a daemon that was killed leaves its agents alone, and the next one takes them over', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe', 'Yan')
    const pids = [world.pidOf('Zoe'), world.pidOf('Yan')]
    const first = world.daemonPid ?? 0
    process.kill(first, 'SIGKILL')
    await until('the daemon is gone', () => !isAlive(first))
    assert.match(await world.ok('send', 'Zoe', 'hello', '--wait'), /./)
    await world.ok('daemon', 'start')
    assert.notEqual(world.daemonPid, first)
    for (const [index, name] of ['Zoe', 'Yan'].entries()) {
      const child = await world.untilChild(`agent:${name}`, 'runs', ({ state }) => state === 'running')
      assert.deepEqual([child['pid'], child['restarts']], [pids[index], 0])
    }
    // It is the same after an upgrade, and it can be restarted and stopped as if it were its own.
    await world.ok('daemon', 'restart')
    assert.deepEqual([world.pidOf('Zoe'), world.pidOf('Yan')], pids)
    await world.ok('restart', 'Zoe')
    assert.notEqual(world.pidOf('Zoe'), pids[0])
    await world.ok('stop', 'Yan')
    assert.ok(!isAlive(pids[1] ?? 0))
  }),
)

test('an agent that is killed comes back, be it started or taken over', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe')
    for (const takenOver of [false, true]) {
      if (takenOver) await world.ok('daemon', 'restart')
      const before = await world.untilChild('agent:Zoe', 'runs', ({ state }) => state === 'running')
      const pid = world.pidOf('Zoe') ?? 0
      process.kill(pid, 'SIGKILL')
      const after = await world.untilChild(
        'agent:Zoe',
        'is back',
        ({ state, pid: now }) => state === 'running' && now !== pid,
      )
      assert.equal(after['restarts'], Number(before['restarts']) + 1)
    }
  }),
)
