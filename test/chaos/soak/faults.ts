import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProxy } from '../../helpers/fault-proxy.ts'
import type { Misbehaviour } from './agent.ts'

/** What faults are made of. */
export interface Strikable {
  /** To a member's process: an agent's, `hub` or `daemon`. */
  signal(member: string, signal: NodeJS.Signals): void
  misbehave(agent: string, how: Misbehaviour): Promise<void>
  proxyOf(agent: string): FaultProxy
  /** Runs a command of `perdura`, which must succeed. */
  command(...args: readonly string[]): Promise<void>
}

export interface Fault {
  readonly name: string
  /** Whom it strikes. */
  readonly target: 'agent' | 'hub' | 'daemon'
  /** Whether the process struck is to be replaced by another one. */
  readonly replaces: boolean
  inflict(at: Strikable, victim: string): Promise<void>
}

const cutMs = 5_000

function misbehaviour(how: Misbehaviour, replaces: boolean): Fault {
  return {
    name: how,
    target: 'agent',
    replaces,
    inflict: (at, victim) => at.misbehave(victim, how),
  }
}

function signalled(name: string, target: Fault['target'], signal: NodeJS.Signals): Fault {
  return { name, target, replaces: true, inflict: async (at, victim) => at.signal(victim, signal) }
}

/** In the order in which a soak goes through them, again and again. */
export const faults: readonly Fault[] = [
  signalled('kill-agent', 'agent', 'SIGKILL'),
  {
    name: 'cut-reset',
    target: 'agent',
    replaces: false,
    inflict: async (at, victim) => at.proxyOf(victim).reset(),
  },
  {
    name: 'kill-daemon',
    target: 'daemon',
    replaces: true,
    async inflict(at) {
      at.signal('daemon', 'SIGKILL')
      // As a service manager does, which is not what is tried here.
      await sleep(500)
      await at.command('daemon', 'start')
    },
  },
  signalled('kill-hub', 'hub', 'SIGKILL'),
  misbehaviour('throw-in-timer', true),
  {
    name: 'cut-black-hole',
    target: 'agent',
    replaces: false,
    async inflict(at, victim) {
      at.proxyOf(victim).blackHole()
      await sleep(cutMs)
      at.proxyOf(victim).heal()
    },
  },
  misbehaviour('deadlock', false),
  {
    name: 'restart-daemon',
    target: 'daemon',
    replaces: true,
    inflict: (at) => at.command('daemon', 'restart'),
  },
  signalled('suspend-agent', 'agent', 'SIGSTOP'),
  {
    name: 'restart-agent',
    target: 'agent',
    replaces: true,
    inflict: (at, victim) => at.command('restart', victim),
  },
  misbehaviour('leak', true),
  {
    name: 'restart-hub',
    target: 'hub',
    replaces: true,
    async inflict(at) {
      await at.command('hub', 'stop')
      await at.command('hub', 'start')
    },
  },
  misbehaviour('busy-loop', true),
  {
    name: 'cut-refuse',
    target: 'agent',
    replaces: false,
    async inflict(at, victim) {
      await at.proxyOf(victim).refuse()
      at.proxyOf(victim).reset()
      await sleep(cutMs)
      await at.proxyOf(victim).accept()
    },
  },
  misbehaviour('poison', true),
]
