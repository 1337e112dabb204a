import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Call } from '../../../src/cli/call.ts'
import type { Command } from '../../../src/cli/command.ts'
import { restart, start, stop } from '../../../src/cli/commands/service-control.ts'
import { run as install } from '../../../src/cli/commands/service-install.ts'
import { run as status } from '../../../src/cli/commands/service-status.ts'
import { run as uninstall } from '../../../src/cli/commands/service-uninstall.ts'
import { Output } from '../../../src/cli/output.ts'
import type { ServiceHost } from '../../../src/daemon/service/host.ts'
import { until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import { leftoversOf } from '../../helpers/home-processes.ts'
import { SmallLaunchd } from '../../helpers/small-launchd.ts'

const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))
const label = 'gui/501/local.perdura'

type ServiceCommand = (call: Call, host?: ServiceHost) => ReturnType<Command>

/** One command of `perdura service` on that machine: its exit code and its document. */
async function run(
  command: ServiceCommand,
  mac: SmallLaunchd,
  values: Record<string, boolean> = {},
  // oxlint-disable-next-line typescript/no-explicit-any -- each test knows its document
): Promise<{ code: number; said: any }> {
  let text = ''
  const output = new Output({
    json: true,
    quiet: false,
    colour: { stdout: false, stderr: false },
    stdout: { write: (chunk) => (text += String(chunk)).length > 0 },
    stderr: { write: () => true },
  })
  const call = new Call({
    verb: 'service install',
    arguments: [],
    values,
    output,
    environment: { PERDURA_HOME: mac.home },
  })
  // What it would install is the program that runs it.
  const [, own] = process.argv
  process.argv[1] = program
  try {
    const code = (await command(call, mac)) ?? 0
    return { code, said: JSON.parse(text) }
  } finally {
    process.argv[1] = own ?? ''
  }
}

async function withMac(use: (mac: SmallLaunchd, world: DaemonWorld) => Promise<void>): Promise<void> {
  await withDaemonWorld(async (world) => {
    const mac = new SmallLaunchd(world.cli.home)
    try {
      await use(mac, world)
    } finally {
      mac.close()
    }
  })
}

test('is installed, started, stopped, restarted and taken away, each of them twice', () =>
  withMac(async (mac, world) => {
    assert.equal((await run(status, mac)).code, 3)
    const { said: first } = await run(install, mac)
    assert.deepEqual([first.result, first.started, first.state.active], ['installed', true, 'running'])
    assert.equal(first.state.pid, world.daemonPid)
    const { said: second } = await run(install, mac)
    assert.deepEqual([second.result, second.started, second.drift], ['unchanged', false, []])
    await world.start('Ada')
    const ada = world.pidOf('Ada')

    await run(start, mac)
    assert.equal(world.pidOf('Ada'), ada)
    const shown = (await run(status, mac)).said
    assert.deepEqual(
      [shown.running, shown.restarts, shown.drift, shown.detail, shown.stop_seconds_max],
      [true, 0, [], '', null],
    )
    assert.equal(shown.daemon.pid, world.daemonPid)

    for (let times = 0; times < 2; times += 1) {
      await run(stop, mac)
      assert.deepEqual(leftoversOf(world.cli.home), [])
      assert.equal((await run(status, mac)).code, 3)
    }
    for (let times = 0; times < 2; times += 1) {
      const before = world.pidOf('Ada')
      await run(restart, mac)
      await until('Ada runs anew', () => ![undefined, before].includes(world.pidOf('Ada')))
    }
    for (const removed of [true, false]) {
      assert.equal((await run(uninstall, mac)).said.removed, removed)
      assert.deepEqual(leftoversOf(world.cli.home), [])
      assert.equal(mac.jobs.size, 0)
      assert.equal(
        mac.read(path.join(world.cli.folder, 'Library/LaunchAgents/local.perdura.plist')),
        undefined,
      )
    }
    assert.ok(fs.existsSync(path.join(world.cli.home, 'agents', 'Ada', 'state.db')))
    await assert.rejects(run(start, mac), { code: 'ERR_SERVICE_NOT_INSTALLED' })
  }))

test('a longer stop_timeout is seen, repaired, and given to launchd by a restart', () =>
  withMac(async (mac, world) => {
    await run(install, mac)
    await world.start('Ada')
    const kinds = async (): Promise<string[]> =>
      (await run(status, mac)).said.drift.map(({ what }: { what: string }) => what)
    fs.writeFileSync(
      path.join(world.cli.home, 'config.json'),
      JSON.stringify({ agents: { Ada: { supervision: { stop_timeout: '2m' } } } }),
    )
    assert.deepEqual(await kinds(), ['stop-timeout'])
    const [daemon, ada] = [world.daemonPid, world.pidOf('Ada')]
    assert.equal((await run(install, mac)).said.result, 'repaired')
    // Nothing was stopped for that; and launchd goes by what it has loaded.
    assert.deepEqual([world.daemonPid, world.pidOf('Ada')], [daemon, ada])
    assert.deepEqual(await kinds(), ['stale'])
    assert.equal((await run(install, mac)).said.result, 'unchanged')
    assert.deepEqual(await kinds(), ['stale'])
    await run(restart, mac)
    assert.deepEqual(await kinds(), [])
    // 120 s for Ada, then 15 s for a hub, 10 s for the daemon, and 10 s more.
    assert.match(mac.jobs.get(label)?.text ?? '', /<key>ExitTimeOut<\/key>\s*<integer>155</)
    await run(uninstall, mac)
  }))

test('a Node that has moved: install repairs what launchd tries in vain, and the agents are taken over', () =>
  withMac(async (mac, world) => {
    await run(install, mac)
    await world.start('Ada')
    const ada = world.pidOf('Ada')
    const file = path.join(world.cli.folder, 'Library/LaunchAgents/local.perdura.plist')
    // What launchd has loaded is what was installed before the upgrade.
    const job = mac.jobs.get(label)
    assert.ok(job !== undefined && job.pid !== null)
    const broken = job.text.replaceAll(process.execPath, '/opt/node-24.1.0/bin/node')
    mac.write(file, broken)
    Object.assign(job, { text: broken })
    process.kill(job.pid, 'SIGKILL')
    await until('launchd tries in vain', () => job.runs > 2 && job.pid === null)
    const found = (await run(status, mac)).said
    assert.deepEqual([found.running, found.drift[0].what], [false, 'node-gone'])
    const repaired = (await run(install, mac)).said
    assert.deepEqual(
      [repaired.result, repaired.started, repaired.state.active],
      ['repaired', true, 'running'],
    )
    assert.equal(world.pidOf('Ada'), ada)
    assert.deepEqual((await run(status, mac)).said.drift, [])
    await run(uninstall, mac)
    assert.deepEqual(leftoversOf(world.cli.home), [])
  }))

test('a daemon that is killed is started again, and one that is killed while it stops leaves nobody behind', () =>
  withMac(async (mac, world) => {
    await run(install, mac)
    await world.start('Ada')
    const [daemon = 0, ada] = [world.daemonPid, world.pidOf('Ada')]
    process.kill(daemon, 'SIGKILL')
    await until('there is another daemon', () => ![undefined, daemon].includes(world.daemonPid))
    await run(start, mac)
    assert.equal(world.pidOf('Ada'), ada)
    // launchd is out of patience at once.
    mac.terminateWith = 'SIGKILL'
    await run(stop, mac)
    assert.deepEqual(
      leftoversOf(world.cli.home).filter((text) => text.startsWith('process ')),
      [],
    )
    await run(uninstall, mac)
  }))
