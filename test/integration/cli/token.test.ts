import assert from 'node:assert/strict'
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hubOf, online } from '../../helpers/at-hub.ts'
import { until, withCommandLine, type CommandLine, type Running } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

async function atHub(cli: CommandLine): Promise<{ url: string; agent: Running; hub: Running }> {
  const { running: hub, url } = await hubOf(cli)
  const agent = cli.start(['run', '--name', 'Ada', '--port', '0', '--hub', url])
  await agent.says(/ is ready /)
  await online(cli, 'Ada')
  return { url, agent, hub }
}

const statusOf = async (cli: CommandLine) => (await cli.json(['token', 'status', 'Ada'])).hubs[0]

async function stop(running: Running): Promise<void> {
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 0)
}

test('tokens are shown, refreshed, revoked and the key is changed, of a running agent', patience, () =>
  withCommandLine(async (cli) => {
    const { agent } = await atHub(cli)
    const session = (await cli.json(['session', 'show', 'Ada'])).session_identifier
    // The hub has raised the generation since the first login, so the next tokens are those of another.
    await cli.json(['token', 'refresh', 'Ada'])
    const first = await statusOf(cli)
    assert.deepEqual([first.state, first.access.state, first.refresh.state], ['ok', 'ok', 'ok'])
    assert.deepEqual(first.kept, { by: 'file', encrypted: true })
    assert.ok(first.access.expires_in_ms > 0 && first.access.expires_in_ms <= 600_000)
    assert.match(first.key.fingerprint, /^SHA256:[\w-]{43}$/)

    const { token: second } = await cli.json(['token', 'refresh', 'Ada'])
    assert.equal(second.refresh.rotations, first.refresh.rotations + 1)
    assert.equal(second.login_since, first.login_since)

    const { token: third } = await cli.json(['token', 'rotate', 'Ada'])
    assert.notEqual(third.key.fingerprint, first.key.fingerprint)
    assert.equal(third.key.changing, false)

    assert.equal((await cli.json(['token', 'revoke', 'Ada'])).revoked, 1)
    await until('it has logged in with its new key', async () => {
      const { login_since: since, state } = await statusOf(cli)
      return state === 'ok' && since > first.login_since
    })
    await online(cli, 'Ada')
    assert.equal((await cli.json(['session', 'show', 'Ada'])).session_identifier, session)
    const { stdout } = await cli.run(['token', 'status', 'Ada'])
    assert.match(stdout, /^Ada {2}ok\n/)
    assert.match(stdout, /sealed with credentials\.key of the home/)
    await stop(agent)
  }),
)

test('the same without a process of the agent, and the next one goes on with it', patience, () =>
  withCommandLine(async (cli) => {
    const { agent, hub } = await atHub(cli)
    const session = (await cli.json(['session', 'show', 'Ada'])).session_identifier
    await stop(agent)
    assert.equal((await statusOf(cli)).state, 'ok')
    const { token: first } = await cli.json(['token', 'refresh', 'Ada'])
    const { token: second } = await cli.json(['token', 'refresh', 'Ada'])
    assert.equal(second.refresh.rotations, first.refresh.rotations + 1)
    const { token: third } = await cli.json(['token', 'rotate', 'Ada'])
    assert.notEqual(third.key.fingerprint, first.key.fingerprint)
    const { revoked, token } = await cli.json(['token', 'revoke', 'Ada', '--all', '--yes'])
    assert.ok(revoked >= 1)
    assert.deepEqual([token.state, token.access.state], ['revoked', 'none'])
    assert.match((await cli.run(['token', 'status', 'Ada'])).stdout, /^Ada {2}revoked\n/)
    const again = cli.start(['run', '--name', 'Ada', '--port', '0'])
    await again.says(/ is ready /)
    await online(cli, 'Ada')
    assert.equal((await cli.json(['session', 'show', 'Ada'])).session_identifier, session)
    assert.equal((await statusOf(cli)).state, 'ok')
    await stop(again)
    await stop(hub)
    const { code, stdout } = await cli.run(['token', 'refresh', 'Ada', '--json'])
    assert.deepEqual([code, JSON.parse(stdout).code], [1, 'ERR_HUB_UNREACHABLE'])
    assert.equal((await statusOf(cli)).state, 'ok', 'a hub that is away costs nothing')
  }),
)

test('an agent without tokens says so, and looking makes none', patience, () =>
  withCommandLine(async (cli) => {
    const agent = cli.start(['run', '--name', 'Ada', '--port', '0', '--no-hub'])
    await agent.says(/ is ready /)
    assert.match((await cli.run(['token', 'status', 'Ada'])).stdout, /has been at no hub yet/)
    assert.equal(
      JSON.parse((await cli.run(['token', 'refresh', 'Ada', '--json'])).stdout).code,
      'ERR_NO_SUCH_SESSION',
    )
    await stop(agent)
    assert.equal(
      JSON.parse((await cli.run(['token', 'revoke', 'Ada', '--json'])).stdout).code,
      'ERR_NO_SUCH_SESSION',
    )
    assert.equal((await cli.run(['token', 'status', 'Bo'])).code, 4)
    assert.throws(() => statSync(join(cli.home, 'credentials.key')))
  }),
)

test(
  'without the storage key nothing is opened, replaced or forgotten, and what to do is said',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const { agent, url } = await atHub(cli)
      await stop(agent)
      const key = join(cli.home, 'credentials.key')
      const file = join(cli.home, 'agents', 'Ada', 'credentials')
      const [keyBytes, before] = [readFileSync(key), readFileSync(file)]
      assert.equal(statSync(file).mode & 0o777, 0o600)
      assert.doesNotMatch(before.toString(), /seed|refresh|127\.0\.0\.1/)
      rmSync(key)
      for (const words of [
        ['token', 'status', 'Ada'],
        ['run', '--name', 'Ada', '--port', '0', '--hub', url],
      ]) {
        const { code, stdout, stderr } = await cli.run([...words, '--json'])
        assert.equal(code, 78, stderr)
        assert.match(stdout + stderr, /ERR_CREDENTIALS_KEY/)
        assert.match(stdout + stderr, /put the file back from a copy of the home/)
      }
      assert.deepEqual(readFileSync(file), before)
      assert.throws(() => statSync(key))
      const { writeFileSync } = await import('node:fs')
      writeFileSync(key, keyBytes, { mode: 0o644 })
      chmodSync(key, 0o644)
      assert.equal((await statusOf(cli)).state, 'ok')
      assert.equal(statSync(key).mode & 0o777, 0o600, 'it is closed to others again')
    }),
)
