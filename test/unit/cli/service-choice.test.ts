import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Call } from '../../../src/cli/call.ts'
import { Output } from '../../../src/cli/output.ts'
import { chooseService, specOf, stopPatience } from '../../../src/cli/service-choice.ts'
import { driftOf } from '../../../src/cli/service-drift.ts'
import { withFolder } from '../../helpers/folder.ts'
import { FakeServiceHost } from '../../helpers/fake-service-host.ts'

function call(values: Record<string, string | boolean> = {}, environment: Record<string, string> = {}): Call {
  const silent = { write: () => true }
  return new Call({
    verb: 'service install',
    arguments: [],
    values,
    output: new Output({
      json: false,
      quiet: true,
      colour: { stdout: false, stderr: false },
      stdout: silent,
      stderr: silent,
    }),
    environment,
  })
}

function asRoot(environment: Record<string, string> = {}): FakeServiceHost {
  const host = new FakeServiceHost()
  host.uid = 0
  host.environment = environment
  return host
}

test('is a service of the person who asks, with that home', async () => {
  const service = await chooseService(call({ home: '/srv/agents' }), 'make', new FakeServiceHost())
  assert.equal(service.manager.file, '/home/ada/.config/systemd/user/perdura.service')
  assert.equal(service.home, '/srv/agents')
  assert.equal(service.account.name, 'ada')
})

test('as root there is a choice to make, and whose processes it is to be', async () => {
  await assert.rejects(chooseService(call(), 'make', asRoot()), { code: 'ERR_USAGE', message: /--system/ })
  await assert.rejects(chooseService(call({ system: true }), 'make', asRoot()), {
    code: 'ERR_USAGE',
    message: /--run-as/,
  })
  await assert.rejects(chooseService(call({ system: true, 'run-as': 'nobody-here' }), 'make', asRoot()), {
    code: 'ERR_USAGE',
    message: /no user "nobody-here"/,
  })
})

test('under sudo they are those of who called it, in that home', async () => {
  const service = await chooseService(call({ system: true }), 'make', asRoot({ SUDO_USER: 'ada' }))
  assert.equal(service.account.name, 'ada')
  assert.equal(service.home, '/home/ada/.local/state/perdura')
  assert.equal(service.manager.file, '/etc/systemd/system/perdura.service')
})

test('without root the machine can be looked at, and not changed', async () => {
  assert.equal((await chooseService(call({ system: true }), 'look', new FakeServiceHost())).scope, 'system')
  await assert.rejects(chooseService(call({ system: true }), 'change', new FakeServiceHost()), {
    code: 'ERR_USAGE',
    message: /^a service of the machine takes root: sudo \//,
  })
})

test('a unit that is not ours, or is for another home, is left alone', async () => {
  const host = new FakeServiceHost()
  const file = '/home/ada/.config/systemd/user/perdura.service'
  host.files.set(file, '[Service]\nExecStart=/usr/bin/mine\n')
  await assert.rejects(chooseService(call(), 'look', host), { code: 'ERR_SERVICE_CONFLICT' })

  const mine = call({ home: '/srv/one' })
  host.files.delete(file)
  const service = await chooseService(mine, 'make', host)
  await service.manager.place(await service.manager.render(specOf(mine, service)))
  await assert.rejects(chooseService(call({ home: '/srv/two' }), 'make', host), {
    code: 'ERR_SERVICE_CONFLICT',
    message: /for the agents in \/srv\/one/,
  })
  // Nobody has to say again what was said at the installation.
  assert.equal((await chooseService(call(), 'change', host)).home, '/srv/one')
})

test('a name that no unit can have is refused', async () => {
  await assert.rejects(chooseService(call({ name: '../x' }), 'look', new FakeServiceHost()), {
    code: 'ERR_USAGE',
  })
})

test('a manager is to have the time that the agents of the home have', () =>
  withFolder(async (home) => {
    const host = new FakeServiceHost()
    const mine = call({ home })
    const service = await chooseService(mine, 'make', host)
    const spec = specOf(mine, service)
    host.files.set(spec.node, '').set(spec.program, '')
    assert.equal(spec.stopSeconds, 60)
    const before = await service.manager.render(spec)
    assert.match(before, /^TimeoutStopSec=60$/m)

    writeFileSync(join(home, 'config.json'), '{"supervision": {"stop_timeout": "5m"}}')
    const after = await service.manager.render(specOf(mine, service))
    // 300 s for agents, 300 s for the hub, 10 s for the daemon, and 10 s more.
    assert.match(after, /^TimeoutStopSec=620$/m)
    assert.deepEqual(
      driftOf(service, before, after).map(({ what }) => what),
      ['stop-timeout'],
    )
    await service.manager.place(after)
    const installed = await chooseService(mine, 'change', host)
    assert.equal(stopPatience(mine, installed).timeoutMs, 630_000)

    // What cannot be understood is no reason to take time away.
    writeFileSync(join(home, 'config.json'), 'no JSON')
    assert.equal(specOf(mine, installed).stopSeconds, 620)
    assert.equal(specOf(mine, service).stopSeconds, 60)
  }))

test('what the file starts and what is here is compared: gone, or another one', async () => {
  const host = new FakeServiceHost()
  const mine = call({ home: '/srv/one' })
  const service = await chooseService(mine, 'make', host)
  const spec = specOf(mine, service)
  const now = await service.manager.render(spec)
  host.files.set(spec.node, '').set(spec.program, '')
  assert.deepEqual(driftOf(service, now, now), [])

  const old = { ...spec, node: '/opt/node-24.1/bin/node' }
  const before = await service.manager.render(old)
  const found = () => driftOf(service, before, now).map(({ what }) => what)
  assert.deepEqual(found(), ['node-gone'])
  host.files.set(old.node, '')
  assert.deepEqual(found(), ['node'])
  host.files.delete(spec.program)
  assert.deepEqual(found(), ['node', 'program-gone'])
  host.files.set(spec.program, '')
  assert.deepEqual(
    driftOf(service, now.replace('UMask=0077', 'UMask=0022'), now).map(({ what }) => what),
    ['content'],
  )
})
