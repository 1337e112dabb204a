import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Call } from '../../../src/cli/call.ts'
import { run as install } from '../../../src/cli/commands/service-install.ts'
import { Output } from '../../../src/cli/output.ts'
import { withFolder } from '../../helpers/folder.ts'
import { FakeLaunchdHost } from '../../helpers/fake-launchd.ts'
import { FakeServiceHost } from '../../helpers/fake-service-host.ts'

/** What `service install` says; standard input of a test is no terminal. */
async function says(host: FakeServiceHost, home: string, ...flags: readonly string[]): Promise<string> {
  let text = ''
  const stream = { write: (chunk: string | Uint8Array) => (text += String(chunk)).length > 0 }
  const output = new Output({
    json: flags.includes('json'),
    quiet: false,
    colour: { stdout: false, stderr: false },
    stdout: stream,
    stderr: stream,
  })
  const values = Object.fromEntries([...flags, 'no-start'].map((flag) => [flag, true]))
  await install(
    new Call({
      verb: 'service install',
      arguments: [],
      values: { ...values, home },
      output,
      environment: {},
    }),
    host,
  )
  return text
}

function lingering(host: FakeServiceHost): string[] {
  return host.commands.filter((line) => line.startsWith('loginctl'))
}

test('without a terminal lingering is explained, and not switched on', () =>
  withFolder(async (home) => {
    const host = new FakeServiceHost()
    const text = await says(host, home)
    assert.match(text, /It stops when you log out/)
    assert.match(text, /perdura service install --linger, or sudo loginctl enable-linger ada/)
    assert.match(await says(host, home, 'json'), /"lingers":false/)
    assert.deepEqual(lingering(host), [])
  }))

test('--no-linger is not told about it, and does not have it', () =>
  withFolder(async (home) => {
    const host = new FakeServiceHost()
    assert.doesNotMatch(await says(host, home, 'no-linger'), /linger|log out/)
    assert.deepEqual(lingering(host), [])
  }))

for (const flag of ['linger', 'yes'])
  test(`--${flag} switches it on, once`, () =>
    withFolder(async (home) => {
      const host = new FakeServiceHost()
      await says(host, home, flag)
      assert.doesNotMatch(await says(host, home, flag), /log out/)
      assert.deepEqual(lingering(host), ['loginctl enable-linger ada'])
      assert.match(await says(host, home, 'json'), /"lingers":true/)
    }))

test('what cannot be meant is refused before anything is written', () =>
  withFolder(async (home) => {
    const host = new FakeServiceHost()
    const files = new Map(host.files)
    await assert.rejects(says(host, home, 'linger', 'no-linger'), { code: 'ERR_USAGE', message: /not both/ })
    assert.deepEqual(host.files, files)
    const mac = new FakeLaunchdHost()
    await assert.rejects(says(mac, home, 'linger'), { code: 'ERR_USAGE', message: /that systemd keeps/ })
    assert.equal(mac.files.size, 1)
  }))

test('of a Mac it says when it runs, and nothing of lingering', () =>
  withFolder(async (home) => {
    const host = new FakeLaunchdHost()
    assert.match(await says(host, home, 'yes'), /It runs while you are logged in at the screen/)
    host.files.delete('/Users/ada/Library/LaunchAgents/local.perdura.plist')
    host.logOut()
    assert.match(await says(host, home), /It runs from your first login on/)
    assert.deepEqual(host.changes, [])
  }))

test('a file that is as it should be and that systemd has not read is read by it', () =>
  withFolder(async (home) => {
    const host = new FakeServiceHost()
    await says(host, home)
    host.needsReload = true
    assert.match(await says(host, home, 'json'), /"result":"unchanged"/)
    assert.equal(host.needsReload, false)
  }))
