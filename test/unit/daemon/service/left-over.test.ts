import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controlGroupOf, processesIn, sweep } from '../../../../src/daemon/service/left-over.ts'
import { FakeServiceHost } from '../../../helpers/fake-service-host.ts'

const group = '/system.slice/perdura.service'

function machine(groups: Record<number, string>): FakeServiceHost {
  const host = new FakeServiceHost()
  for (const [pid, path] of Object.entries(groups)) host.files.set(`/proc/${pid}/cgroup`, `0::${path}\n`)
  return host
}

const alive = (host: FakeServiceHost) => ({
  identify: (pid: number) => (host.files.has(`/proc/${pid}/cgroup`) ? `boot:${pid}` : undefined),
})

test('finds its own group in each layout of control groups', () => {
  const host = new FakeServiceHost()
  const of = (text: string) => {
    host.files.set('/proc/self/cgroup', text)
    return controlGroupOf(host, 'self')
  }
  assert.equal(of(`0::${group}\n`), group)
  assert.equal(of(`3:memory:/x\n1:name=systemd:${group}\n0::${group}\n`), group)
  assert.equal(of(`3:memory:/x\n1:name=systemd:${group}\n0::/\n`), group)
  assert.equal(of(`1:name=systemd:/../..\n0::/user.slice/a:b\n`), '/user.slice/a:b')
  assert.equal(of('0::/\n'), undefined)
})

test('counts what is in the group and below it, and nobody whose name only begins so', () => {
  const host = machine({ 11: group, 12: `${group}/inner`, 13: `${group}-other`, 14: '/init.scope' })
  assert.deepEqual(processesIn(host, group), [11, 12])
})

test('asks each once, and kills what has not gone in time', async () => {
  const host = machine({ 11: group, 12: group, 13: '/init.scope' })
  const ask = host.signal.bind(host)
  host.signal = (pid, name) => {
    const told = ask(pid, name)
    // The first one does as it is told.
    if (pid === 11) host.files.delete('/proc/11/cgroup')
    return told
  }
  assert.deepEqual(await sweep(host, alive(host), group, 500), [11, 12])
  assert.deepEqual(host.signals, ['SIGTERM 11', 'SIGTERM 12', 'SIGKILL 12'])
})

test('leaves a group alone that has nobody in it', async () => {
  const host = machine({ 13: '/init.scope' })
  assert.deepEqual(await sweep(host, alive(host), group, 500), [])
  assert.deepEqual(host.signals, [])
})
