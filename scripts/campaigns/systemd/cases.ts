import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import type { ServiceScope } from '../../../src/daemon/service/spec.ts'
import type { Ended } from '../containers.ts'
import { nodes, type Machine } from './machine.ts'

/** One thing that a service must bear; resolves to how long it took to be as it should again, ms, where that is of interest. */
export interface ServiceCase {
  readonly name: string
  /** Where it is a question at all; in services of both kinds where nothing is said. */
  readonly only?: ServiceScope
  readonly run: (machine: Machine) => Promise<number | undefined>
}

const minuteMs = 60_000

export const serviceCases: readonly ServiceCase[] = [
  {
    name: 'is installed, and is active when its daemon is ready',
    async run(machine) {
      if (machine.place.scope === 'user') {
        // As long as she is logged in, whom nothing keeps after that.
        done(machine.container.run('systemctl', 'start', 'user@1000.service'))
        await machine.until(
          'ada has a manager',
          () => machine.container.run('test', '-S', '/run/user/1000/systemd/private').code === 0,
        )
      }
      const words = machine.place.scope === 'system' ? ['--run-as', 'ada'] : []
      const installed = json(machine.perdura('service', 'install', ...words, '--json'))
      assert.equal(installed['result'], 'installed')
      assert.equal(machine.property('ActiveState'), 'active')
      assert.equal(json(machine.ada('daemon', 'status', '--json'))['pid'], machine.daemonPid)
      done(machine.ada('start'))
      assert.deepEqual(Object.keys(machine.agents()).toSorted(), ['Ada', 'Bo'])
      answers(machine)
      const again = json(machine.perdura('service', 'install', '--json'))
      assert.equal(again['result'], 'unchanged')
      return undefined
    },
  },
  {
    name: 'at a terminal it asks about lingering, and switches it on for a yes',
    only: 'user',
    async run(machine) {
      const lingers = (): boolean =>
        fs.existsSync(path.join(machine.container.root, 'var/lib/systemd/linger/ada'))
      assert.equal(json(machine.perdura('service', 'status', '--json'))['lingers'], false)
      assert.match(done(machine.ada('service', 'install')).stderr, /perdura service install --linger/)
      const refused = done(machine.adaAtTerminal('n', 'service', 'install'))
      assert.match(refused.stdout, /from the start of the machine on .*\[y\/N\]/)
      assert.equal(lingers(), false)
      const wanted = done(machine.adaAtTerminal('y', 'service', 'install'))
      assert.match(wanted.stdout, /lingering is on/)
      assert.equal(lingers(), true)
      assert.doesNotMatch(done(machine.adaAtTerminal('y', 'service', 'install')).stdout, /\[y\/N\]/)
      assert.equal(json(machine.perdura('service', 'status', '--json'))['lingers'], true)
      return undefined
    },
  },
  {
    name: 'is found in order by systemd-analyze',
    async run(machine) {
      const { scope, unitFile } = machine.place
      const { code, stdout, stderr } =
        scope === 'system'
          ? machine.container.run('systemd-analyze', 'verify', unitFile)
          : machine.asAda(
              'env',
              'XDG_RUNTIME_DIR=/run/user/1000',
              'systemd-analyze',
              '--user',
              'verify',
              unitFile,
            )
      assert.deepEqual({ code, said: `${stdout}${stderr}` }, { code: 0, said: '' })
      return undefined
    },
  },
  {
    name: 'is active only when the agents that are to run were started',
    async run(machine) {
      const before = machine.agents()
      done(machine.perdura('service', 'restart'))
      const children = json(machine.perdura('service', 'status', '--json'))['daemon'] as {
        children: { child: string; pid: number | null }[]
      }
      assert.deepEqual(
        children.children.filter(({ pid }) => pid === null),
        [],
      )
      assert.match(machine.property('StatusText'), /^2 agents and the hub run/)
      const tookMs = await machine.until('agents run again', () => Object.keys(machine.agents()).length === 2)
      assert.notDeepEqual(machine.agents(), before)
      answers(machine)
      return tookMs
    },
  },
  {
    name: 'SIGKILL of the daemon: its agents go on, and the next one takes them over',
    run: (machine) => keepsAgents(machine, (daemon) => machine.kill(daemon, 'KILL'), minuteMs),
  },
  {
    name: 'SIGSTOP of the daemon: the watchdog ends it, its agents go on',
    run: (machine) => keepsAgents(machine, (daemon) => machine.kill(daemon, 'STOP'), 2 * minuteMs),
  },
  {
    name: 'perdura daemon restart: another process of the service, the same agents',
    run: (machine) => keepsAgents(machine, () => done(machine.ada('daemon', 'restart')), minuteMs),
  },
  {
    name: 'systemctl reload: the same daemon, the same agents',
    async run(machine) {
      const [daemon, agents] = [machine.daemonPid, machine.agents()]
      done(machine.systemctl('reload', 'perdura'))
      await machine.until('it is active', () => machine.property('ActiveState') === 'active')
      assert.deepEqual([machine.daemonPid, machine.agents()], [daemon, agents])
      answers(machine)
      return undefined
    },
  },
  {
    name: 'SIGKILL of an agent: the daemon starts it again',
    async run(machine) {
      const [daemon, before] = [machine.daemonPid, machine.agents()]
      machine.kill(before['Ada'] ?? 0, 'KILL')
      const tookMs = await machine.until('Ada runs again', () => {
        const { Ada: pid } = machine.agents()
        return pid !== undefined && pid !== before['Ada']
      })
      assert.equal(machine.daemonPid, daemon)
      answers(machine)
      return tookMs
    },
  },
  {
    name: 'the daemon is killed ten times in a row: systemd does not give up',
    async run(machine) {
      const agents = machine.agents()
      for (let kills = 0; kills < 10; kills += 1) {
        const daemon = machine.daemonPid
        machine.kill(daemon, 'KILL')
        await machine.until('there is another one', () => ![0, daemon].includes(machine.daemonPid))
      }
      const tookMs = await machine.until('it is active', () => machine.property('ActiveState') === 'active')
      assert.deepEqual(machine.agents(), agents)
      assert.ok(Number(machine.property('NRestarts')) >= 10)
      answers(machine)
      return tookMs
    },
  },
  {
    name: 'the machine is started anew: what ran runs',
    async run(machine) {
      await machine.container.reboot()
      const tookMs = await machine.until(
        'the agents run',
        () => machine.property('ActiveState') === 'active' && Object.keys(machine.agents()).length === 2,
        2 * minuteMs,
      )
      answers(machine)
      return tookMs
    },
  },
  {
    name: 'Node has moved: status says so, install repairs it',
    async run(machine) {
      const { root } = machine.container
      fs.mkdirSync(path.join(root, path.dirname(nodes.after)), { recursive: true })
      fs.renameSync(path.join(root, nodes.before), path.join(root, nodes.after))
      machine.node = nodes.after
      const status = json(machine.perdura('service', 'status', '--json'))
      assert.deepEqual(kinds(status['drift']), ['node-gone'])
      const repaired = json(machine.perdura('service', 'install', '--json'))
      assert.equal(repaired['result'], 'repaired')
      await keepsAgents(machine, () => done(machine.ada('daemon', 'restart')), minuteMs)
      assert.deepEqual(json(machine.perdura('service', 'status', '--json'))['drift'], [])
      return undefined
    },
  },
  {
    name: 'is stopped: nothing of it is left',
    async run(machine) {
      const startedMs = performance.now()
      done(machine.systemctl('stop', 'perdura'))
      const tookMs = performance.now() - startedMs
      assert.deepEqual(machine.processes(), [])
      assert.equal(machine.perdura('service', 'status').code, 3)
      return tookMs
    },
  },
  {
    name: 'is stopped while its daemon is in an endless loop: nothing of it is left',
    async run(machine) {
      done(machine.perdura('service', 'start'))
      await machine.until('agents run', () => Object.keys(machine.agents()).length === 2)
      const daemon = machine.daemonPid
      machine.keepBusy(daemon)
      const startedMs = performance.now()
      // systemd asks, waits as long as the unit says, kills the daemon, and has the unit end what is left. (A daemon that is only
      // suspended goes on when it is asked.)
      done(machine.systemctl('stop', 'perdura'))
      assert.deepEqual(machine.processes(), [])
      assert.match(machine.journal(), /ended \d+ processes that the daemon had left/)
      return performance.now() - startedMs
    },
  },
  {
    name: 'is stopped while its daemon is dead: nothing of it is left',
    async run(machine) {
      done(machine.perdura('service', 'start'))
      await machine.until('agents run', () => Object.keys(machine.agents()).length === 2)
      machine.kill(machine.daemonPid, 'KILL')
      const startedMs = performance.now()
      done(machine.perdura('service', 'stop'))
      assert.deepEqual(machine.processes(), [])
      return performance.now() - startedMs
    },
  },
  {
    name: 'is uninstalled without a trace; the agents are still there',
    async run(machine) {
      done(machine.perdura('service', 'start'))
      await machine.until('agents run', () => Object.keys(machine.agents()).length === 2)
      done(machine.perdura('service', 'uninstall'))
      assert.deepEqual(machine.processes(), [])
      const { container, place } = machine
      const folders = ['/etc/systemd', '/run/systemd', '/home/ada/.config', '/run/user']
      const traces = container.run('find', ...folders, '-name', '*perdura*').stdout
      assert.equal(traces, '')
      assert.equal(machine.property('LoadState'), 'not-found')
      assert.doesNotMatch(machine.systemctl('list-units', '--all').stdout, /perdura/)
      assert.ok(fs.existsSync(path.join(container.root, place.home, 'agents', 'Ada', 'state.db')))
      return undefined
    },
  },
]

/** The daemon becomes another process, and no agent does. */
async function keepsAgents(
  machine: Machine,
  strike: (daemon: number) => void,
  waitMs: number,
): Promise<number> {
  const [daemon, agents] = [machine.daemonPid, machine.agents()]
  assert.equal(Object.keys(agents).length, 2)
  strike(daemon)
  const isBack = (): boolean =>
    machine.property('ActiveState') === 'active' && ![0, daemon].includes(machine.daemonPid)
  const tookMs = await machine.until('another daemon is active', isBack, waitMs)
  assert.deepEqual(machine.agents(), agents)
  answers(machine)
  return tookMs
}

/** An agent does what it is for. */
function answers(machine: Machine): void {
  const { stdout } = done(machine.ada('send', 'Ada', 'ping', '--wait'))
  assert.notEqual(stdout.trim(), '')
}

function done(ended: Ended): Ended {
  assert.equal(ended.code, 0, `${ended.stderr}${ended.stdout}`)
  return ended
}

function json(ended: Ended): Record<string, unknown> {
  assert.match(ended.stdout, /^\{/, ended.stderr)
  return JSON.parse(ended.stdout) as Record<string, unknown>
}

function kinds(drift: unknown): unknown[] {
  return (drift as { what: unknown }[]).map(({ what }) => what)
}
