export { SimulatedClock, SimulationStuck, type RunOptions } from './clock.ts'
export { dieAtPoint } from './crash-points.ts'
export { SimulatedDeath } from './death.ts'
export { SimulatedDisk, type SimulatedDiskOptions } from './disk.ts'
export type {
  DiskErrorCode,
  DiskFaultPlan,
  DiskFaultRates,
  DiskOperation,
  DiskOperationKind,
} from './disk-faults.ts'
export { SimulatedHttp, type HttpFaultRates, type HttpHandle } from './http.ts'
export { createSimulatedPlatform, type SimulatedHost } from './platform.ts'
export type { DiskHook } from './medium.ts'
export { outside, type Owner } from './owner.ts'
export { SimulatedProcess } from './process.ts'
export { createSeededRandom, type SeededRandom } from './random.ts'
export { SimulatedSensors } from './sensors.ts'
export { SimulatedNetwork, type DelayRange, type Link, type SimulatedListener, type Tie } from './network.ts'
export { SimulatedTransport } from './transport.ts'
export type { AcceptConnection, Upgrade } from '../platform/transport.ts'
export {
  AgentSimulation,
  type AgentSimulationOptions,
  type Incarnation,
  type Swaps,
} from './agent-simulation.ts'
export { drawFaults, noFaults, type AgentFaults } from './agent-faults.ts'
export { SimulatedDatabase, type DatabaseBoundary, type SimulatedDatabaseOptions } from './database.ts'
export { Network, type NetworkRates, type Outside } from './outside.ts'
export {
  simulateAgent,
  type ParkedEffect,
  type SimulateAgentOptions,
  type SimulatedInput,
  type SimulatedOutcome,
} from './simulate-agent.ts'
