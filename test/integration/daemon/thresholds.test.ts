import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configure, until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 180_000 }

interface Line {
  readonly time: string
  readonly event: string
  readonly [key: string]: unknown
}

function linesOf(world: DaemonWorld, agent: string): Line[] {
  return readFileSync(join(world.cli.home, 'agents', agent, 'agent.log'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

const msOf = (line: Line | undefined): number => Date.parse(line?.time ?? '')

test(
  'a hub that falls silent is noticed by the age of its last sign, the connection is given up within its time, and why says both',
  patience,
  () =>
    withDaemonWorld(async (world) => {
      const { cli } = world
      configure(cli, {
        health: { sample_every: '1s', heartbeat_degraded: '4s', disconnected_degraded: '3s' },
      })
      // Not kept by the daemon, which would take it for hung.
      const hub = cli.start(['hub', 'run', '--port', '0'])
      await hub.says(/the hub is ready/)
      const url = `http://127.0.0.1:${cli.hubRecord().addresses[0]?.port}`
      await world.ok('start', '--name', 'Ada', '--hub', url, '--port', '0', '--heartbeat-interval', '1s')
      await until(
        'it is online',
        async () => (await cli.json(['status', 'Ada'])).connection?.state === 'online',
      )
      const why = async (): Promise<string> => (await cli.run(['why', 'Ada'])).stdout

      const silentAt = Date.now()
      hub.child.kill('SIGSTOP')
      await until('the silence is noticed', async () => /the hub was heard .* ago/.test(await why()))
      assert.equal((await cli.run(['health', 'Ada'])).code, 0)
      assert.match((await cli.run(['health', 'Ada'])).stdout, /^heartbeat +degraded: the hub was heard/m)
      const lost = (): Line | undefined =>
        linesOf(world, 'Ada').find(
          (line) =>
            line.event === 'session:state:changed' && line['from'] === 'online' && msOf(line) >= silentAt,
        )
      // Longer than tests wait for elsewhere: nothing may be given up before 30 s of silence.
      for (let tries = 0; tries < 2 && lost() === undefined; tries++) {
        await until(
          'a while has passed',
          () => lost() !== undefined || Date.now() - silentAt > 18_000 * (tries + 1),
        )
      }
      await until('the connection is given up', () => lost() !== undefined)
      // 30 s of silence, and 5 s for the last ping to be answered.
      const noticedMs = msOf(lost()) - silentAt
      assert.ok(noticedMs <= 36_000, `after ${noticedMs} ms`)
      await until('why says that there is no connection', async () =>
        /no connection to the hub for|has not been connected to the hub/.test(await why()),
      )
      await until('its health says so too', async () =>
        /^connection +degraded: no connection to the hub/m.test((await cli.run(['health', 'Ada'])).stdout),
      )
      hub.child.kill('SIGCONT')
      await until('it is online again', async () => {
        return (await cli.json(['status', 'Ada'])).connection?.state === 'online'
      })
      await until('all is well', async () => (await cli.json(['health', 'Ada'])).state === 'healthy')
      const changes = linesOf(world, 'Ada').filter(({ event }) => event === 'health:check:changed')
      for (const check of ['heartbeat', 'connection'])
        assert.ok(
          changes.some((line) => line['check'] === check && line['to'] === 'degraded'),
          check,
        )
    }),
)

test(
  'an error rate over its threshold is noticed within two samples, shown by status, and explained by why',
  patience,
  () =>
    withDaemonWorld(async (world) => {
      const { cli } = world
      const file = world.agentFile(
        'Ada',
        `limits: { failuresMax: 100, retryDelayMs: 100, retryDelayMaxMs: 200 },
         onMessage() { throw new Error('it does not work') }`,
      )
      await world.ok('start', file, '--no-hub', '--port', '0')
      await world.ok('send', 'Ada', 'go')
      await until('it finds itself unhealthy', async () => (await cli.run(['health', 'Ada'])).code === 1)
      const lines = linesOf(world, 'Ada')
      const failures = lines.filter(({ event }) => event === 'turn:attempt:failed')
      const noticed = lines.find(
        (line) => line.event === 'health:check:changed' && line['check'] === 'error_rate',
      )
      assert.deepEqual([noticed?.['from'], noticed?.['to']], ['healthy', 'unhealthy'])
      // Ten are as few as say anything; from then on two samples, one every five seconds.
      const afterMs = msOf(noticed) - msOf(failures[9])
      assert.ok(afterMs > 0 && afterMs <= 15_000, `after ${afterMs} ms`)
      await until(
        'its daemon has heard',
        async () => (await cli.json(['status', 'Ada'])).state === 'unhealthy',
      )
      const { stdout } = await cli.run(['why', 'Ada'])
      assert.match(stdout, /unhealthy: 100 % of the attempts at turns in the last 5m failed/)
      assert.match(stdout, /it does not work/)
      // Nothing is restarted for it: another process would fail as well.
      assert.equal((await world.child('agent:Ada'))?.['restarts'], 0)
    }),
)
