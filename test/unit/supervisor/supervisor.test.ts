import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleet, Machine, running, spec } from '../../helpers/supervised-machine.ts'

test('the next supervisor takes over what runs, and starts nothing', async () => {
  const machine = new Machine()
  const first = await running(machine)
  first.leave()
  const second = machine.supervise()
  await second.begin(fleet)
  assert.equal(machine.started.length, 3)
  assert.deepEqual(
    second.views.map(({ state }) => state.name),
    ['running', 'running', 'running'],
  )
  machine.end('agent:Ada', 1)
  await machine.pass(100)
  assert.equal(machine.started.length, 4)
})

test('a pid that belongs to another process by now is no process of the child', async () => {
  const machine = new Machine()
  const first = await running(machine)
  first.leave()
  const { pid } = machine.process('agent:Ada')
  machine.alive.set(pid, { ...machine.process('agent:Ada'), name: 'editor', identity: 'another' })
  const second = machine.supervise()
  void second.begin(fleet)
  await machine.pass(8_000)
  assert.deepEqual(machine.started.slice(3), ['agent:Ada'])
  assert.equal(second.view('agent:Ada')?.past.ends.at(-1)?.reason, 'lost')
  assert.deepEqual(machine.alive.get(pid)?.child.signals, [])
})

test('after a start of the machine everything wanted runs again, the hub first, and nothing is counted as a failure', async () => {
  const machine = new Machine()
  await running(machine)
  machine.alive.clear()
  machine.boot = 'second'
  const second = machine.supervise()
  void second.begin(fleet)
  await machine.pass(1_600)
  assert.deepEqual(machine.started.slice(3), ['hub'])
  machine.process('hub').child.ready()
  await machine.pass(1_000)
  assert.deepEqual(machine.started.slice(4), ['agent:Ada', 'agent:Bo'])
  assert.equal(second.view('agent:Bo')?.past.failuresInARow, 0)
  assert.equal(second.view('agent:Bo')?.past.counts.reboot, 1)
})

test('agents wait for a hub that does not become ready for a few seconds, not for ever', async () => {
  const machine = new Machine()
  await running(machine)
  machine.alive.clear()
  machine.boot = 'second'
  void machine.supervise().begin(fleet)
  await machine.pass(6_000)
  assert.deepEqual(machine.started.slice(3), ['hub'])
  await machine.pass(2_000)
  assert.equal(machine.started.length, 6)
})

test('what was stopped stays stopped', async () => {
  const machine = new Machine()
  const first = await running(machine)
  const stopped = first.stop('agent:Ada')
  await machine.pass(0)
  machine.end('agent:Ada')
  await stopped
  first.leave()
  const second = machine.supervise()
  await second.begin(fleet)
  await machine.pass(10_000)
  assert.equal(second.view('agent:Ada')?.state.name, 'stopped')
  assert.equal(machine.started.length, 3)
})

test('a stop that cannot be written is no stop for the next supervisor, and says so', async () => {
  const machine = new Machine()
  const first = await running(machine)
  machine.full = true
  const stopped = first.stop('agent:Ada')
  const refused = assert.rejects(stopped, /no space left/)
  await machine.pass(0)
  machine.end('agent:Ada')
  await refused
  assert.equal(first.view('agent:Ada')?.unsaved, 'no space left')
  machine.full = false
  await machine.pass(1_000)
  assert.equal(first.view('agent:Ada')?.unsaved, undefined)
})

test('a stop that was under way when the supervisor died is finished by the next one', async () => {
  const machine = new Machine()
  const first = await running(machine)
  const refused = assert.rejects(first.stop('agent:Ada'), { code: 'ERR_NOT_RUNNING' })
  await machine.pass(0)
  const second = machine.supervise()
  first.leave()
  await refused
  await second.begin(fleet)
  // It was asked by the first one: asked again, it would not wait for its turns.
  assert.equal(second.view('agent:Ada')?.state.name, 'stopping')
  assert.deepEqual(machine.process('agent:Ada').child.signals, [])
  await machine.pass(15_000)
  assert.deepEqual(machine.process('agent:Ada').child.signals, ['SIGKILL'])
  machine.end('agent:Ada')
  await machine.pass(5_000)
  assert.equal(second.view('agent:Ada')?.state.name, 'stopped')
})

test('a process that nobody knew is taken over when it says that it is there, and no second one is started', async () => {
  const machine = new Machine()
  const first = await running(machine)
  first.leave()
  const record = JSON.parse(machine.files.get('agent:Ada') ?? '') as { process: object }
  machine.files.set(
    'agent:Ada',
    JSON.stringify({ ...record, process: { ...record.process, pid: null, identity: null, ready: false } }),
  )
  const second = machine.supervise()
  void second.begin(fleet)
  await machine.pass(500)
  assert.equal(machine.started.length, 3)
  assert.ok(second.found('agent:Ada', machine.process('agent:Ada')))
  await machine.pass(5_000)
  assert.equal(machine.started.length, 3)
  assert.equal(second.view('agent:Ada')?.process?.pid, machine.process('agent:Ada').pid)
})

test('exit code 78 is remembered by the next supervisor, until somebody starts it', async () => {
  const machine = new Machine()
  const first = await running(machine)
  machine.end('agent:Ada', 78)
  first.leave()
  const second = machine.supervise()
  await second.begin(fleet)
  await machine.pass(60_000)
  assert.equal(second.view('agent:Ada')?.state.name, 'failed')
  void second.start(spec('agent:Ada'))
  await machine.pass(100)
  assert.equal(second.view('agent:Ada')?.state.name, 'starting')
})

test('an end of all stops agents before their hub, and leaves everything wanted', async () => {
  const machine = new Machine()
  const first = await running(machine)
  const ended = first.end()
  await machine.pass(0)
  assert.deepEqual(machine.process('hub').child.signals, [])
  machine.end('agent:Ada')
  machine.end('agent:Bo')
  await machine.pass(0)
  assert.deepEqual(machine.process('hub').child.signals, ['SIGTERM'])
  machine.end('hub')
  await ended
  void machine.supervise().begin(fleet)
  await machine.pass(8_000)
  assert.equal(machine.started.length, 6)
})

test('fifty agents start one after the other', async () => {
  const machine = new Machine()
  const supervisor = machine.supervise()
  for (let agent = 0; agent < 50; agent += 1) void supervisor.start(spec(`agent:${agent}`))
  await machine.pass(1_000)
  assert.ok(machine.started.length >= 10 && machine.started.length <= 12, String(machine.started.length))
  await machine.pass(4_000)
  assert.equal(machine.started.length, 50)
})

test('a record that another program wrote is kept, and the child waits for somebody who knows', async () => {
  const machine = new Machine()
  machine.files.set('agent:Ada', '{"version":1,"lau')
  const supervisor = machine.supervise()
  await supervisor.begin([spec('agent:Ada')])
  assert.deepEqual(machine.aside, ['agent:Ada'])
  assert.equal(supervisor.view('agent:Ada')?.state.name, 'stopped')
})

test('what was stopped while there was no supervisor has been stopped, and is no failure', async () => {
  const machine = new Machine()
  const first = await running(machine)
  first.leave()
  const record = JSON.parse(machine.files.get('agent:Bo') ?? '') as object
  machine.files.set('agent:Bo', JSON.stringify({ ...record, wanted: 'stopped' }))
  machine.alive.delete(machine.process('agent:Bo').pid)
  const second = machine.supervise()
  void second.begin(fleet)
  await machine.pass(8_000)
  const bo = second.view('agent:Bo')
  assert.deepEqual(
    [bo?.state.name, bo?.past.ends.at(-1)?.reason, bo?.failuresInWindow],
    ['stopped', 'stop', 0],
  )
})

test('one that refused to run is tried once each time that its definition is changed', async () => {
  const machine = new Machine()
  const supervisor = await running(machine)
  machine.end('agent:Bo', 78)
  await machine.pass(60_000)
  assert.equal(supervisor.view('agent:Bo')?.state.name, 'failed')
  const before = machine.started.length
  supervisor.definitionChanged('agent:Bo')
  await machine.pass(1_000)
  assert.equal(machine.started.length, before + 1)
  machine.end('agent:Bo', 78)
  await machine.pass(60_000)
  assert.equal(supervisor.view('agent:Bo')?.state.name, 'failed')
  assert.equal(machine.started.length, before + 1)
})
