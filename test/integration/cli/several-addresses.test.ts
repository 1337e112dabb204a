import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { online, stateOf } from '../../helpers/at-hub.ts'
import { until, withCommandLine, type CommandLine, type Running } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

/** A hub with a database of its own, ready. */
async function hubOf(
  cli: CommandLine,
  home: string,
  port = 0,
): Promise<{ readonly running: Running; readonly port: number; readonly url: string }> {
  const running = cli.start(['hub', 'run', '--port', String(port)], { home })
  await running.says(/the hub is ready/)
  const { addresses } = JSON.parse(readFileSync(join(home, 'hub', 'hub.pid'), 'utf8')) as {
    addresses: { port: number }[]
  }
  const found = addresses[0]?.port ?? 0
  return { running, port: found, url: `http://127.0.0.1:${found}` }
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function runAda(
  cli: CommandLine,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const running = cli.start(['run', ...args, '--port', '0'], { environment })
  await running.says(/ is ready /)
  await online(cli, 'Ada')
  return running
}

function logOf(cli: CommandLine, agent: string): string {
  const path = join(cli.home, 'agents', agent, 'agent.log')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

async function stop(running: Running): Promise<void> {
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 0)
}

test('an agent, and a person, reach their hub at the address that works', patience, () =>
  withCommandLine(async (cli) => {
    const hub = await hubOf(cli, join(cli.folder, 'hub'))
    const addresses = `http://127.0.0.1:${await closedPort()},${hub.url}`
    const ada = await runAda(cli, ['--name', 'Ada', '--hub', addresses])
    assert.match(logOf(cli, 'Ada'), /"event":"hub:address:changed"/)
    const sent = await cli.json(['send', '--hub', addresses, '--to', 'Ada', 'remember the key', '--wait'])
    assert.match(sent.replies[0].text, /remember/)
    await stop(ada)

    // Its place at the hub is the same, wherever that is reached.
    const before = await cli.json(['session', 'show', 'Ada'])
    const turned = await runAda(cli, ['Ada'], { CLOUDBRAIN_SERVER: hub.url.replace('http', 'ws') })
    const after = await cli.json(['session', 'show', 'Ada'])
    assert.equal(after.session_identifier, before.session_identifier)
    assert.equal(after.generation, before.generation + 1)
    await stop(turned)
    await stop(hub.running)
  }),
)

test('another hub at the second address is passed over loudly, and is told nothing', patience, () =>
  withCommandLine(async (cli) => {
    const [home, otherHome] = ['hub', 'other'].map((name) => join(cli.folder, name)) as [string, string]
    const hub = await hubOf(cli, home)
    const other = await hubOf(cli, otherHome)
    const ada = await runAda(cli, ['--name', 'Ada', '--hub', `${hub.url},${other.url}`])
    const before = await cli.json(['session', 'show', 'Ada'])

    hub.running.kill('SIGKILL')
    await hub.running.ended
    await until('the other hub is refused', () => logOf(cli, 'Ada').includes('"event":"hub:address:refused"'))
    const { stdout } = await cli.run(['hub', 'agents', '--json'], { home: otherHome })
    assert.deepEqual(JSON.parse(stdout).agents, [])

    const again = await hubOf(cli, home, hub.port)
    await until('Ada is back', async () => (await stateOf(cli, 'Ada')) === 'online')
    const after = await cli.json(['session', 'show', 'Ada'])
    assert.deepEqual(
      [after.session_identifier, after.generation],
      [before.session_identifier, before.generation],
    )
    for (const running of [ada, again.running, other.running]) await stop(running)
  }),
)

test('the process that up keeps running tries as often as it was told to', patience, () =>
  withCommandLine(async (cli) => {
    const url = `ws://127.0.0.1:${await closedPort()}`
    const options = ['--server', url, '--max-reconnect', '2', '--port', '0']
    const up = cli.start(['up', '--name', 'Ada', ...options], {
      environment: { BASE_RECONNECT_DELAY: '0.01' },
    })
    await up.says(/ is ready /)
    await until('it waits to be asked', async () => (await stateOf(cli, 'Ada')) === 'suspended')
    assert.match((await cli.json(['session', 'show', 'Ada'])).reason, /given up after 2 attempts/)
    await stop(up)
  }),
)

test('what is wrong with the address, or with a variable, is said before anything is started', patience, () =>
  withCommandLine(async (cli) => {
    for (const [args, environment, message] of [
      [['--hub', 'http://a,http://b/path'], {}, /has no path/],
      [['--hub', 'http://a', '--server', 'ws://a'], {}, /which means the same/],
      [[], { CLOUDBRAIN_SERVER: 'ws://h:1', CLOUDBRAIN_REST_API: 'http://other:2' }, /CLOUDBRAIN_SERVER and/],
      [[], { HEARTBEAT_INTERVAL: '0.5' }, /HEARTBEAT_INTERVAL: must be 1 to 300 seconds/],
      [['--max-reconnect', '0'], {}, /--max-reconnect: must be a whole number from 1/],
    ] as const) {
      for (const verb of ['up', 'run']) {
        const { code, stderr } = await cli.run([verb, '--name', 'Ada', ...args], { environment })
        assert.match(stderr, message)
        assert.equal(code, 2)
      }
    }
    assert.ok(!existsSync(join(cli.home, 'agents')))
  }),
)
