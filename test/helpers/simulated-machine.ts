import type { CredentialFileParts } from '../../src/credentials/credential-file.ts'
import type { BootClock } from '../../src/platform/boot-clock.ts'
import { createSimulatedKeyChest } from '../../src/testing/key-chest.ts'
import {
  SimulatedClock,
  SimulatedDisk,
  SimulatedProcess,
  createSeededRandom,
} from '../../src/testing/index.ts'
import type { Owner, SeededRandom } from '../../src/testing/index.ts'

/** A simulated machine: one clock, one disk, and processes that are booted one after the other. */
export interface SimulatedMachine {
  readonly random: SeededRandom
  readonly clock: SimulatedClock
  readonly disk: SimulatedDisk
  boot(): SimulatedProcess
}

export function createSimulation(seed: number | string, capacityBytes?: number): SimulatedMachine {
  const random = createSeededRandom(seed)
  const clock = new SimulatedClock()
  const disk = new SimulatedDisk({
    clock,
    random: random.fork('disk'),
    ...(capacityBytes !== undefined && { capacityBytes }),
  })
  let pid = 100
  return { random, clock, disk, boot: () => new SimulatedProcess({ pid: (pid += 1) }) }
}

/** What a file of credentials is opened with. */
export function credentialParts(
  disk: SimulatedDisk,
  random: SeededRandom,
  owner: Owner,
): Omit<CredentialFileParts, 'path'> {
  return {
    disk: disk.for(owner),
    locks: disk.locks.for(owner),
    random,
    chest: createSimulatedKeyChest('/home'),
  }
}

export function bootClockOf(clock: SimulatedClock, bootId = 'boot'): BootClock {
  return { uptimeMs: () => clock.monotonicMs(), bootId }
}
