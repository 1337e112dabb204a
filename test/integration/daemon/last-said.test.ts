import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

// What the daemon before this one was told, and what it saw, is not lost with it.

const patience = { timeout: 120_000 }

async function why(world: DaemonWorld, agent: string): Promise<string> {
  return JSON.stringify((await world.cli.json(['why', agent])).explanations)
}

async function trouble(world: DaemonWorld, agent: string): Promise<string> {
  const shown = await world.cli.run(['status', agent, '--json'])
  return (JSON.parse(shown.stdout) as { trouble: { text: string } | null }).trouble?.text ?? ''
}

async function killDaemon(world: DaemonWorld): Promise<void> {
  const pid = world.daemonPid ?? 0
  process.kill(pid, 'SIGKILL')
  await until('the daemon is gone', async () => !isAlive(pid))
}

test('why an agent has failed is known without its daemon, and to the next one', patience, () =>
  withDaemonWorld(async (world) => {
    const file = world.agentFile('Zoe', '')
    await world.ok('start', file, '--no-hub', '--port', '0')
    writeFileSync(file, 'export const nothing = 1\n')
    process.kill(world.pidOf('Zoe') ?? 0, 'SIGKILL')
    await world.untilChild('agent:Zoe', 'has failed', ({ state }) => state === 'failed')
    // Not to be read from there.
    rmSync(join(world.cli.home, 'agents', 'Zoe', 'agent.out'), { force: true })
    await killDaemon(world)
    for (const next of [false, true]) {
      if (next) await world.ok('daemon', 'start')
      assert.match(await why(world, 'Zoe'), /It said: ERR_DEFINITION: /)
      assert.match(await trouble(world, 'Zoe'), /^ERR_DEFINITION: /)
    }
    const child = await world.untilChild('agent:Zoe', 'is there', ({ state }) => state === 'failed')
    assert.equal((child['failure'] as { code: string } | null)?.code, 'ERR_DEFINITION')
  }),
)

test(
  'where a process hung is known without its daemon, and to the next one',
  { ...patience, skip: existsSync('/proc/self/stat') ? false : 'there is no /proc' },
  () =>
    withDaemonWorld(async (world) => {
      mkdirSync(world.cli.home, { recursive: true, mode: 0o700 })
      writeFileSync(join(world.cli.home, 'config.json'), '{"supervision":{"hang_after":"3s"}}')
      await world.start('Zoe')
      const pid = world.pidOf('Zoe') ?? 0
      process.kill(pid, 'SIGSTOP')
      await world.untilChild(
        'agent:Zoe',
        'is back',
        ({ state, pid: now }) => state === 'running' && now !== pid,
      )
      await killDaemon(world)
      for (const next of [false, true]) {
        if (next) await world.ok('daemon', 'start')
        assert.match(await why(world, 'Zoe'), /Just before, the process was stopped by a signal/)
      }
      const child = await world.untilChild('agent:Zoe', 'is there', ({ state }) => state === 'running')
      assert.equal((child['evidence'] as { reason: string } | null)?.reason, 'hung')
    }),
)
