import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

interface Said {
  readonly reason: string
  readonly text: string
  readonly command?: string
}

async function why(world: DaemonWorld, agent: string): Promise<readonly Said[]> {
  return (await world.cli.json(['why', agent])).explanations
}

test(
  'an agent that crashes again and again says so, then why it is in safe mode, and what ends that',
  patience,
  () =>
    withDaemonWorld(async (world) => {
      mkdirSync(world.cli.home, { recursive: true, mode: 0o700 })
      writeFileSync(join(world.cli.home, 'config.json'), JSON.stringify({ supervision: { failures_max: 3 } }))
      const file = world.agentFile(
        'Zoe',
        `onStart: () => { setTimeout(() => { throw new Error('a bug of today') }, 50) },`,
      )
      await world.cli.run(['start', file, '--no-hub', '--port', '0'])
      await world.untilChild(
        'agent:Zoe',
        'is in safe mode',
        ({ mode, state }) => mode === 'safe' && state === 'running',
      )
      const safe = (await why(world, 'Zoe')).find(({ reason }) => reason === 'safe-mode')
      assert.match(safe?.text ?? '', /because it kept failing \(a bug of today\).*tried again in \d/)
      assert.equal(safe?.command, 'perdura restart Zoe')
      const crashed = (await why(world, 'Zoe')).find(({ reason }) => reason === 'crashed')
      assert.match(
        crashed?.text ?? '',
        /exit code 70 \(.* ago\); it was started again: a bug of today\. The report is \/.*\.json/,
      )
      assert.match(
        (await world.cli.run(['status', 'Zoe'])).stdout,
        /safe mode +for .*, the first time in a row; tried with its mind again in/,
      )
      assert.equal((await world.cli.json(['status', 'Zoe'])).safe_mode.level, 1)
    }),
)

test('an agent that was stopped, and one whose daemon is gone, say what starts them', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Ada', 'Bo')
    await world.ok('stop', 'Ada')
    const [stopped] = await why(world, 'Ada')
    assert.deepEqual([stopped?.reason, stopped?.command], ['not-running', 'perdura start Ada'])
    assert.match(stopped?.text ?? '', /somebody has stopped it .* ago/)
    process.kill(world.daemonPid ?? 0, 'SIGKILL')
    await until('the daemon is gone', async () =>
      (await why(world, 'Bo')).some(({ reason }) => reason === 'no-daemon'),
    )
    assert.match((await why(world, 'Bo'))[0]?.text ?? '', /it goes on/)
    process.kill(world.pidOf('Bo') ?? 0, 'SIGKILL')
    await until('Bo is gone', async () => /is to be running/.test((await why(world, 'Bo'))[0]?.text ?? ''))
    assert.equal((await why(world, 'Bo'))[0]?.command, 'perdura daemon start')
  }),
)

test('a definition that cannot be loaded is why an agent is not started again', patience, () =>
  withDaemonWorld(async (world) => {
    const file = world.agentFile('Zoe', '')
    await world.ok('start', file, '--no-hub', '--port', '0')
    writeFileSync(file, 'export const nothing = 1\n')
    process.kill(world.pidOf('Zoe') ?? 0, 'SIGKILL')
    await world.untilChild('agent:Zoe', 'has failed', ({ state }) => state === 'failed')
    const [failed] = await why(world, 'Zoe')
    assert.equal(failed?.reason, 'failed')
    assert.match(failed?.text ?? '', /It said: ERR_DEFINITION/)
    assert.match((await world.cli.run(['status'])).stdout, /^Zoe +failed/m)
  }),
)
