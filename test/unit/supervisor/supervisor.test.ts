import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdoptedProcess, ChildSink, Spawner } from '../../../src/platform/child.ts'
import type { Log } from '../../../src/platform/log.ts'
import type { ChildWord } from '../../../src/supervisor/child-state.ts'
import { defaultPolicy } from '../../../src/supervisor/policy.ts'
import { Supervisor, type ChildSpec } from '../../../src/supervisor/supervisor.ts'
import { FakeChild, ManualClock } from '../../helpers/supervised.ts'

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silent,
}

/** A machine with a disk and processes, which outlives its supervisors. */
class Machine {
  readonly clock = new ManualClock()
  readonly files = new Map<string, string>()
  readonly aside: string[] = []
  readonly alive = new Map<number, { readonly name: string; readonly identity: string; child: FakeChild }>()
  readonly started: string[] = []
  boot = 'first'
  full = false
  /** Whether it shows what its processes were started as. */
  searchable = false
  #pids = 100

  supervise(): Supervisor {
    const spawner: Spawner = {
      spawn: ({ file }, sink) => {
        const pid = (this.#pids += 1)
        const child = this.#child(pid, sink)
        this.alive.set(pid, { name: file, identity: `${this.boot}:${pid}`, child })
        this.started.push(file)
        return child
      },
      adopt: ({ pid, identity }, sink) => {
        const process = this.alive.get(pid)
        if (process?.identity !== identity) return undefined
        process.child = this.#child(pid, sink)
        return process.child
      },
    }
    return new Supervisor({
      spawner,
      clock: this.clock,
      random: { bytes: () => new Uint8Array(), uuid: () => '', fraction: () => 0.5 },
      processes: { identify: (pid) => this.alive.get(pid)?.identity },
      bootId: this.boot,
      log: silent,
      records: {
        read: (name) => this.files.get(name),
        write: (name, text) => {
          if (this.full) throw new Error('no space left')
          this.files.set(name, text)
        },
        setAside: (name) => this.aside.push(name),
      },
      command: ({ name }, mode) => ({ file: name, arguments: [mode] }),
      understand: (message) => message as ChildWord,
      find: () => undefined,
      search: () => this.search(),
      sink: {
        onState: () => undefined,
        onMessage: () => undefined,
        onLine: () => undefined,
        onExit: () => undefined,
        onEvidence: () => undefined,
      },
    })
  }

  search(): ReadonlyMap<string, readonly AdoptedProcess[]> | undefined {
    if (!this.searchable) return undefined
    const all = [...this.alive].map(([pid, { name, identity }]) => ({ pid, name, identity }))
    return Map.groupBy(all, ({ name }) => name)
  }

  process(name: string): AdoptedProcess & { readonly child: FakeChild } {
    const found = [...this.alive].find(([, process]) => process.name === name)
    assert.ok(found, `${name} does not run`)
    return { pid: found[0], ...found[1] }
  }

  end(name: string, code = 0): void {
    const { pid, child } = this.process(name)
    this.alive.delete(pid)
    child.exit({ code })
  }

  /** Lets promises and timers go on. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed <= ms; passed += 100) {
      this.clock.advance(passed === 0 ? 0 : 100)
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    }
  }

  #child(pid: number, sink: ChildSink): FakeChild {
    return new FakeChild(pid, sink)
  }
}

function spec(name: string, kind: ChildSpec['kind'] = 'agent'): ChildSpec {
  return { name, kind, policy: defaultPolicy, launch: { name }, beats: true }
}

const fleet = [spec('agent:Ada'), spec('hub', 'hub'), spec('agent:Bo')]

async function running(machine: Machine): Promise<Supervisor> {
  const supervisor = machine.supervise()
  for (const one of fleet) void supervisor.start(one)
  await machine.pass(1_000)
  for (const { name } of fleet) machine.process(name).child.ready()
  return supervisor
}

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

/** The supervisor dies as soon as there is a process, before it can write down which. */
async function diesAtStart(machine: Machine, name: string): Promise<void> {
  const first = await running(machine)
  machine.end(name)
  const before = machine.files.get(name) ?? ''
  await machine.pass(1_000)
  first.leave()
  machine.files.set(name, before)
}

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
