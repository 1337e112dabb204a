import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Systemd } from '../../../../src/daemon/service/systemd.ts'
import type { ServiceScope } from '../../../../src/daemon/service/spec.ts'
import { FakeServiceHost } from '../../../helpers/fake-service-host.ts'

const ada = { name: 'ada', uid: 1000, gid: 1000, home: '/home/ada' }

function systemd(host: FakeServiceHost, scope: ServiceScope = 'user'): Systemd {
  return new Systemd({ host, scope, name: 'perdura', account: ada, processes: { identify: () => undefined } })
}

test('says what to do where the machine does not run under systemd', async () => {
  const host = new FakeServiceHost()
  host.files.delete('/run/systemd/system')
  await assert.rejects(systemd(host).check(), {
    code: 'ERR_SERVICE_UNSUPPORTED',
    message: /perdura daemon run/,
  })
  host.files.set('/.dockerenv', '')
  await assert.rejects(systemd(host).check(), { message: /in a container let perdura daemon run be/ })
  host.files.set('/proc/sys/kernel/osrelease', '5.15.90.1-microsoft-standard-WSL2\n')
  await assert.rejects(systemd(host).check(), { message: /systemd=true into \/etc\/wsl\.conf/ })
})

test('says what to do where the person has no manager', async () => {
  const host = new FakeServiceHost()
  host.files.delete('/run/user/1000/systemd/private')
  await assert.rejects(systemd(host).check(), { code: 'ERR_SERVICE_BUS', message: /enable-linger ada/ })
  await systemd(host, 'system').check()
})

test('what systemctl will not do is said with its words and what to do', async () => {
  const host = new FakeServiceHost()
  host.failure = { status: 1, stdout: '', stderr: 'Failed to connect to bus: No medium found\n' }
  await assert.rejects(systemd(host).start(1_000), { code: 'ERR_SERVICE_BUS' })
  host.failure = { status: 4, stdout: '', stderr: 'Failed to start perdura.service: Access denied\n' }
  await assert.rejects(systemd(host, 'system').start(1_000), {
    code: 'ERR_SERVICE_MANAGER',
    message: /Access denied\): run the command with sudo$/,
  })
  host.failure = {
    status: 1,
    stdout: '',
    stderr: 'Job for perdura.service failed because a timeout was exceeded.\nSee …\n',
  }
  await assert.rejects(systemd(host).start(1_000), {
    message:
      /\(Job for perdura.service failed because a timeout was exceeded\): journalctl --user -u perdura says why$/,
  })
  host.failure = { status: null, stdout: '', stderr: '' }
  await assert.rejects(systemd(host).start(1_000), { message: /did not answer in time/ })
})

test('takes away all that it made', async () => {
  const host = new FakeServiceHost()
  const before = new Map(host.files)
  const service = systemd(host)
  await service.place('[Unit]\n')
  await service.enable()
  await service.start(1_000)
  const { running, pid, enabled, lingers, said, restarts } = await service.state()
  assert.deepEqual(
    { running, pid, enabled, lingers, said, restarts },
    { running: true, pid: 4242, enabled: true, lingers: false, said: 'two agents run', restarts: 3 },
  )
  await service.remove({ timeoutMs: 1_000, leftOverMs: 1_000 })
  assert.deepEqual(host.files, before)
  assert.equal(host.active.size + host.enabled.size, 0)
  assert.deepEqual(host.commands.slice(-2), [
    'systemctl --user daemon-reload',
    'systemctl --user reset-failed perdura.service',
  ])
})

test('a file that was changed behind its back is read before anything is started by it', async () => {
  for (const verb of ['start', 'restart'] as const) {
    const host = new FakeServiceHost()
    host.needsReload = true
    assert.equal((await systemd(host).state()).stale, true)
    await systemd(host)[verb](1_000)
    assert.deepEqual(host.commands.slice(-2), [
      'systemctl --user daemon-reload',
      `systemctl --user ${verb} perdura.service`,
    ])
    assert.equal((await systemd(host).state()).stale, false)
  }
})
