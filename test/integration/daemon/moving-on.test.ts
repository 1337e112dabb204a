import assert from 'node:assert/strict'
import {
  copyFileSync,
  chmodSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

async function online(world: DaemonWorld, agent: string): Promise<void> {
  await until(`${agent} is online`, async () => {
    const { stdout } = await world.cli.run(['status', agent, '--json'])
    return JSON.parse(stdout).connection?.state === 'online'
  })
}

test('a new home gets a hub and two agents, which start in order and stop in the other', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    await world.ok('start', '--port', '0')
    await Promise.all(['Ada', 'Bo'].map((agent) => online(world, agent)))
    const hub = cli.hubRecord()
    await world.ok('daemon', 'stop')
    assert.ok(!isAlive(hub.pid))
    const order = world
      .log()
      .split('\n')
      .flatMap((line) => /"child":"([^"]+)","state":"stopped"/.exec(line)?.[1] ?? [])
    assert.equal(order.at(-1), 'hub')
    // And again, where they were.
    await world.ok('start')
    await Promise.all(['Ada', 'Bo'].map((agent) => online(world, agent)))
    assert.deepEqual(cli.hubRecord().addresses, hub.addresses)
    const pids = [world.pidOf('Ada'), world.pidOf('Bo')]
    await world.ok('hub', 'restart')
    await Promise.all(['Ada', 'Bo'].map((agent) => online(world, agent)))
    assert.deepEqual([world.pidOf('Ada'), world.pidOf('Bo')], pids)
    await world.ok('hub', 'stop')
    await world.ok('hub', 'stop')
    assert.equal((await cli.run(['hub', 'restart'])).code, 0)
  }),
)

test('a session is handed over from one process to the next, and that is no failure', patience, () =>
  withDaemonWorld(async (world) => {
    await world.ok('hub', 'start', '--port', '0')
    await world.ok('start', '--name', 'Zoe', '--port', '0')
    await online(world, 'Zoe')
    for (const takenOver of [false, true]) {
      if (takenOver) {
        await world.ok('daemon', 'restart')
        await world.untilChild('agent:Zoe', 'was heard', ({ beat }) => beat !== null)
      }
      const pid = world.pidOf('Zoe')
      const { next } = await world.cli.json(['session', 'handover', 'Zoe'])
      assert.notEqual(next, pid)
      const child = await world.untilChild('agent:Zoe', 'runs', ({ state }) => state === 'running')
      assert.deepEqual([child['pid'], child['failures_in_window']], [next, 0])
      assert.equal((child['last_ends'] as { reason: string }[]).at(-1)?.reason, 'handover')
    }
    // Somebody else is to have it: it is let go of, and not started again.
    const exported = await world.cli.run(
      ['session', 'export', 'Zoe', '--to', join(world.cli.folder, 'zoe.perdura-export')],
      { environment: { PERDURA_PASSPHRASE: 'not for keeps' } },
    )
    assert.equal(exported.code, 0, exported.stderr)
    assert.equal((await world.child('agent:Zoe'))?.['wanted'], 'stopped')
  }),
)

test('a Node that was taken away is replaced by another one, and that is said', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    // A daemon that runs on a Node of its own, as one does that came with a clone.
    const node = join(cli.folder, 'node')
    copyFileSync(process.execPath, node)
    chmodSync(node, 0o755)
    const { spawn } = await import('node:child_process')
    const program = join(import.meta.dirname, '..', '..', '..', 'bin', 'perdura.mjs')
    const daemon = spawn(node, [program, 'daemon', 'run', '--home', cli.home], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PERDURA_HOME: cli.home },
      stdio: 'ignore',
    })
    try {
      await until('the daemon answers', async () => (await cli.run(['daemon', 'status'])).code === 0)
      await world.start('Zoe')
      const pid = world.pidOf('Zoe') ?? 0
      rmSync(node)
      process.kill(pid, 'SIGKILL')
      await world.untilChild(
        'agent:Zoe',
        'is back',
        ({ state, pid: now }) => state === 'running' && now !== pid,
      )
      assert.match(world.log(), /"event":"daemon:node:replaced","from":".*\/node","to":/)
    } finally {
      daemon.kill('SIGKILL')
    }
  }),
)

test('the output file of a process is bounded, and what it says is kept', patience, () =>
  withDaemonWorld(async (world) => {
    const output = join(world.cli.home, 'agents', 'Zoe', 'agent.out')
    const file = world.agentFile(
      'Zoe',
      `onMessage: async () => {
        const { writeSync } = await import('node:fs')
        for (let line = 0; line < 4_000; line += 1) writeSync(2, 'x'.repeat(1_000) + '\\n')
      }`,
    )
    await world.ok('start', file, '--no-hub', '--port', '0')
    await world.ok('send', 'Zoe', 'talk', '--wait')
    await until('it was cut', () => existsSync(`${output}.1`) && statSync(output).size < 1024 * 1024)
    assert.ok(statSync(`${output}.1`).size <= 1024 * 1024)
    assert.equal(statSync(output).mode & 0o777, 0o600)
  }),
)

test('a record that nobody understands is set aside, and costs its agent nothing', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe')
    const pid = world.pidOf('Zoe')
    process.kill(world.daemonPid ?? 0, 'SIGKILL')
    const record = join(world.cli.home, 'agents', 'Zoe', 'supervision.json')
    renameSync(record, `${record}.kept`)
    writeFileSync(record, 'no json')
    await world.ok('daemon', 'start')
    assert.match(world.log(), /daemon:record:refused/)
    // It runs on, and is taken over when somebody says what it is.
    const started = await world.cli.json(['start', 'Zoe'])
    assert.equal(started.pid, pid)
    assert.equal(readFileSync(`${record}.foreign`, 'utf8'), 'no json')
  }),
)

test('reload has agent and daemon read their settings again, and no process is started anew', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe')
    const pid = world.pidOf('Zoe')
    const config = join(world.cli.home, 'config.json')
    const hangMs = async () =>
      ((await world.child('agent:Zoe'))?.['policy'] as { hang_ms: number } | undefined)?.hang_ms
    const log = (): string => readFileSync(join(world.cli.home, 'agents', 'Zoe', 'agent.log'), 'utf8')
    const reloads = () => log().match(/settings:reload:done/g)?.length ?? 0
    writeFileSync(config, JSON.stringify({ supervision: { hang_after: '20s' } }), { mode: 0o600 })
    await world.ok('reload', 'Zoe')
    assert.equal(await hangMs(), 20_000)
    await until('the agent has read them', () => reloads() === 1)
    // The daemon's own signal, for all of them; what cannot be understood changes nothing.
    writeFileSync(config, JSON.stringify({ supervision: { hang_after: '30s' } }))
    await until('both have read them', async () => {
      // The same signal within half a second is taken for an echo of the first.
      process.kill(world.daemonPid ?? 0, 'SIGHUP')
      return (await hangMs()) === 30_000 && reloads() >= 2
    })
    writeFileSync(config, '{')
    await world.ok('reload', '--all')
    await until('it is said', () => /settings:load:failed/.test(world.log()))
    assert.deepEqual([await hangMs(), world.pidOf('Zoe')], [30_000, pid])
  }),
)

test(
  'an agent that is being started when settings are read again does so once more when it is ready',
  patience,
  () =>
    withDaemonWorld(async (world) => {
      const { folder, home } = world.cli
      await world.ok('start', world.agentFile('Zoe', 'onMessage() {}'), '--no-hub', '--port', '0')
      await world.ok('stop', 'Zoe')
      const [begun, go] = [join(folder, 'begun'), join(folder, 'go')]
      writeFileSync(
        join(folder, 'zoe.ts'),
        `import { existsSync, writeFileSync } from 'node:fs'
       import { defineAgent } from 'perdura'
       writeFileSync(${JSON.stringify(begun)}, '')
       while (!existsSync(${JSON.stringify(go)})) await new Promise((resolve) => setTimeout(resolve, 20))
       export default defineAgent({ name: 'Zoe', onMessage() {} })`,
      )
      const starting = world.ok('start', 'Zoe')
      await until('it is being started', () => existsSync(begun))
      writeFileSync(join(home, 'config.json'), JSON.stringify({ supervision: { hang_after: '20s' } }))
      process.kill(world.daemonPid ?? 0, 'SIGHUP')
      await until('the daemon has read them', async () => {
        const policy = (await world.child('agent:Zoe'))?.['policy'] as { hang_ms: number } | undefined
        return policy?.hang_ms === 20_000
      })
      assert.equal((await world.child('agent:Zoe'))?.['state'], 'starting')
      writeFileSync(go, '')
      await starting
      await until('the agent has read them', () =>
        /settings:reload:done/.test(readFileSync(join(home, 'agents', 'Zoe', 'agent.log'), 'utf8')),
      )
    }),
)
