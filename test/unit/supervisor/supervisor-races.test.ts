import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diesAtStart, fleet, Machine, running, spec } from '../../helpers/supervised-machine.ts'

test('a process that nobody knew and that cannot speak is seen in the process table, taken over and put right', async () => {
  const machine = new Machine()
  machine.searchable = true
  await diesAtStart(machine, 'agent:Ada')
  const { pid, child } = machine.process('agent:Ada')
  assert.equal(machine.started.length, 4)
  const second = machine.supervise()
  await second.begin(fleet)
  assert.equal(second.view('agent:Ada')?.process?.pid, pid)
  await machine.pass(70_000)
  assert.equal(machine.started.length, 4)
  assert.notEqual(machine.process('agent:Ada').child, child)
  assert.deepEqual(machine.process('agent:Ada').child.signals, ['SIGKILL'])
  machine.end('agent:Ada')
  await machine.pass(1_000)
  assert.equal(machine.started.length, 5)
})

test('what is nowhere in the process table is started without a wait', async () => {
  for (const searchable of [true, false]) {
    const machine = new Machine()
    machine.searchable = searchable
    const first = await running(machine)
    first.leave()
    machine.alive.clear()
    const second = machine.supervise()
    const begun = second.begin(fleet)
    await machine.pass(0)
    assert.deepEqual(machine.started.slice(3), searchable ? ['hub'] : [])
    await machine.pass(10_000)
    await begun
    assert.equal(machine.started.length, 6)
  }
})

test('a stop that arrives while a child is being started wins, at whichever moment it comes', async () => {
  /** How far the start has got: asked for, waiting for an unknown process, waiting for its place, a process, a ready one. */
  for (const moment of ['asked', 'unknown', 'queued', 'starting', 'running'] as const) {
    const machine = new Machine()
    const first = await running(machine)
    let supervisor = first
    if (moment === 'unknown') {
      first.leave()
      machine.alive.clear()
      supervisor = machine.supervise()
      void supervisor.begin(fleet)
      await machine.pass(100)
    } else {
      const stopped = first.stop('agent:Ada')
      await machine.pass(0)
      machine.end('agent:Ada')
      await stopped
      // Another child takes the place that Ada would have.
      if (moment === 'queued') void first.start(spec('agent:Cy'))
    }
    const before = machine.started.length
    const started = supervisor.start(spec('agent:Ada')).catch(() => undefined)
    if (moment !== 'asked' && moment !== 'unknown') await machine.pass(0)
    if (moment === 'queued') assert.equal(supervisor.view('agent:Ada')?.state.name, 'queued')
    if (moment === 'running') machine.process('agent:Ada').child.ready()
    const stopped = supervisor.stop('agent:Ada')
    await machine.pass(0)
    if (moment === 'starting' || moment === 'running') {
      const { child } = machine.process('agent:Ada')
      assert.deepEqual(child.signals, ['SIGTERM'], moment)
      // It gets ready all the same before it ends.
      if (moment === 'starting') child.ready()
      machine.end('agent:Ada')
    }
    await machine.pass(10_000)
    await Promise.all([started, stopped])
    assert.deepEqual([supervisor.view('agent:Ada')?.state.name, moment], ['stopped', moment])
    const startedSince = machine.started.slice(before).filter((name) => name === 'agent:Ada')
    assert.equal(startedSince.length, moment === 'starting' || moment === 'running' ? 1 : 0, moment)
    assert.equal(supervisor.view('agent:Ada')?.wanted, 'stopped')
  }
})

test('a process that says that it is there after somebody has stopped it is stopped', async () => {
  const machine = new Machine()
  await diesAtStart(machine, 'agent:Ada')
  const second = machine.supervise()
  void second.begin(fleet)
  const stopped = second.stop('agent:Ada')
  const { child: before, ...process } = machine.process('agent:Ada')
  assert.ok(second.found('agent:Ada', process))
  const { child } = machine.process('agent:Ada')
  assert.notEqual(child, before)
  assert.deepEqual(child.signals, ['SIGTERM'])
  machine.end('agent:Ada')
  await machine.pass(2_000)
  await stopped
  assert.equal(second.view('agent:Ada')?.state.name, 'stopped')
})
