import type { Platform } from '../platform/platform.ts'
import type { SimulatedClock } from './clock.ts'
import type { SimulatedDisk } from './disk.ts'
import type { SimulatedHttp } from './http.ts'
import { createSimulatedKeyChest } from './key-chest.ts'
import type { SimulatedProcess } from './process.ts'
import type { SeededRandom } from './random.ts'
import { SimulatedSensors } from './sensors.ts'
import type { SimulatedTransport } from './transport.ts'

export interface SimulatedHost {
  readonly clock: SimulatedClock
  readonly disk: SimulatedDisk
  readonly http: SimulatedHttp
  readonly transport: SimulatedTransport
  /** The incarnation that the platform is for; each gets a platform of its own. */
  readonly process: SimulatedProcess
  readonly random: SeededRandom
  /** What its processes find when they look at themselves. Default: a process at rest. */
  readonly sensors?: SimulatedSensors
}

/** The platform of one simulated process; once it is dead, every port throws SimulatedDeath. */
export function createSimulatedPlatform(host: SimulatedHost): Platform {
  const { process } = host
  const random = host.random.fork(process.name)
  return {
    clock: host.clock.for(process),
    random: {
      bytes: (count) => {
        process.check()
        return random.bytes(count)
      },
      uuid: () => {
        process.check()
        return random.uuid()
      },
      fraction: () => {
        process.check()
        return random.fraction()
      },
    },
    disk: host.disk.for(process),
    process,
    http: host.http.clientFor(process),
    listener: host.http.listenerFor(process),
    transport: host.transport.for(process),
    network: host.transport.network.watchFor(process),
    locks: host.disk.locks.for(process),
    boot: { uptimeMs: () => host.clock.monotonicMs(), bootId: 'boot' },
    openKeyChest: createSimulatedKeyChest,
    openSensors: () => host.sensors ?? new SimulatedSensors(),
  }
}
