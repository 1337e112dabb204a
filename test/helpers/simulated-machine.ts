import {
  SimulatedClock,
  SimulatedDisk,
  SimulatedProcess,
  createSeededRandom,
} from '../../src/testing/index.ts'
import type { SeededRandom } from '../../src/testing/index.ts'

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
