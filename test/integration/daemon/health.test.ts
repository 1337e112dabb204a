import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until, isAlive } from '../../helpers/command-line.ts'
import { withDaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

interface Shown {
  readonly state: string
  readonly unwatched_ms: number
  readonly outages: { readonly duration_ms: number; readonly causes: string[]; readonly ongoing: boolean }[]
}

test('the history outlives its daemon: what nobody watched is shown, and is no outage', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Ada')
    const pid = world.pidOf('Ada') ?? 0
    const before: Shown = await world.cli.json(['health', 'Ada'])
    const { daemonPid = 0 } = world
    process.kill(daemonPid, 'SIGKILL')
    await until('the daemon is gone', () => !isAlive(daemonPid))
    assert.ok(isAlive(pid))
    await world.ok('daemon', 'start')
    await until(
      'the next daemon keeps it',
      async () => (await world.child('agent:Ada'))?.['state'] === 'running',
    )
    assert.equal(world.pidOf('Ada'), pid)
    await until('it is watched again', async () => {
      const now: Shown = await world.cli.json(['health', 'Ada'])
      return now.unwatched_ms > before.unwatched_ms && now.state === 'healthy'
    })
    const after: Shown = await world.cli.json(['health', 'Ada'])
    assert.deepEqual(
      after.outages.map(({ causes, ongoing }) => [causes, ongoing]),
      before.outages.map(({ causes, ongoing }) => [causes, ongoing]),
    )
  }),
)

test('a hang is an outage from its last beat on, with its cause', patience, () =>
  withDaemonWorld(async (world) => {
    mkdirSync(world.cli.home, { recursive: true, mode: 0o700 })
    writeFileSync(join(world.cli.home, 'config.json'), JSON.stringify({ supervision: { hang_after: '3s' } }))
    await world.start('Ada')
    const pid = world.pidOf('Ada') ?? 0
    // It is heard before it falls silent.
    await until('it has beaten', async () => (await world.child('agent:Ada'))?.['beat'] !== null)
    process.kill(pid, 'SIGSTOP')
    await until('another one is there', () => {
      const next = world.pidOf('Ada')
      return next !== undefined && next !== pid && !isAlive(pid)
    })
    await until('it is up', async () => (await world.cli.run(['health', 'Ada'])).code === 0)
    const { outages }: Shown = await world.cli.json(['health', 'Ada'])
    const hung = outages.find(({ causes }) => causes.some((cause) => /hung: nothing was heard/.test(cause)))
    assert.equal(hung?.ongoing, false)
    // Its daemon counts by its own looks, of which there are several a second.
    assert.ok((hung?.duration_ms ?? 0) >= 2_000, `${hung?.duration_ms}`)
  }),
)
