import assert from 'node:assert/strict'
import type { AdoptedProcess, ChildSink, Spawner } from '../../src/platform/child.ts'
import type { ChildWord } from '../../src/supervisor/child-state.ts'
import { defaultPolicy } from '../../src/supervisor/policy.ts'
import { Supervisor, type ChildSpec } from '../../src/supervisor/supervisor.ts'
import { silentLog } from './silent-log.ts'
import { FakeChild, ManualClock } from './supervised.ts'

/** A machine with a disk and processes, which outlives its supervisors. */
export class Machine {
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
      log: silentLog,
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

export function spec(name: string, kind: ChildSpec['kind'] = 'agent'): ChildSpec {
  return { name, kind, policy: defaultPolicy, launch: { name }, beats: true }
}

export const fleet = [spec('agent:Ada'), spec('hub', 'hub'), spec('agent:Bo')]

/** A supervisor of the fleet, all of which is ready. */
export async function running(machine: Machine): Promise<Supervisor> {
  const supervisor = machine.supervise()
  for (const one of fleet) void supervisor.start(one)
  await machine.pass(1_000)
  for (const { name } of fleet) machine.process(name).child.ready()
  return supervisor
}

/** The supervisor dies as soon as there is a process, before it can write down which. */
export async function diesAtStart(machine: Machine, name: string): Promise<void> {
  const first = await running(machine)
  machine.end(name)
  const before = machine.files.get(name) ?? ''
  await machine.pass(1_000)
  first.leave()
  machine.files.set(name, before)
}
