import type { CredentialFile } from '../../../src/credentials/credential-file.ts'
import type { HubParts } from '../../../src/hub/parts.ts'
import type { RetryLimits } from '../../../src/session/retry-policy.ts'
import type { SessionLimits } from '../../../src/session/session-limits.ts'
import type { HubStorage } from '../../../src/hub/storage.ts'
import type { Platform } from '../../../src/platform/platform.ts'
import type { Transport } from '../../../src/platform/transport.ts'
import type { HubOptions } from '../../../src/runtime/hub/hub-link.ts'
import type { AgentParts } from '../../../src/runtime/parts.ts'
import type {
  SeededRandom,
  SimulatedClock,
  SimulatedHttp,
  SimulatedNetwork,
  SimulatedTransport,
} from '../../../src/testing/index.ts'
import type { Trace } from '../../../src/testing/trace.ts'
import type { CreateCredentials, OpenFile } from './agent-credentials.ts'
import type { IsFull } from './full-disk.ts'
import type { MoveParts } from './moves.ts'
import type { Watchers } from './watchers.ts'

/** What all machines of a simulation share. */
export interface Surroundings {
  readonly clock: SimulatedClock
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly http: SimulatedHttp
  readonly transport: SimulatedTransport
  readonly trace: Trace
  readonly swaps: WireSwaps
  readonly watch: Watchers
  /** Bounds of the hub's streams, small enough in some seeds to be reached. */
  readonly waitingMax: number
  readonly publishMax: number
  readonly windowMax: number
  readonly skewMsMax: number
  readonly isFull: IsFull
  readonly hubNodes: number
  /** How many of them the agents know by address. */
  readonly addresses: number
  readonly tightAdmission: boolean
  readonly journal: boolean
  /** Life of the hub's access tokens. */
  readonly accessTtlS: number
  /** How soon the agents stop counting on a short outage, and after how many attempts they give up. */
  readonly retry: Partial<RetryLimits>
}

/** Parts that are put in place of the usual ones, to see that the simulation notices. */
export interface WireSwaps {
  readonly hub?: Partial<HubParts>
  readonly storage?: (storage: HubStorage) => HubStorage
  readonly transport?: (transport: Transport) => Transport
  readonly agent?: Partial<AgentParts>
  readonly platform?: (platform: Platform) => Platform
  readonly limits?: Partial<SessionLimits>
  readonly openFile?: OpenFile
  /** What an agent has of its hub; `create` makes its credentials for other addresses, or with another file. */
  readonly access?: (hub: HubOptions, create: CreateCredentials, file: CredentialFile) => HubOptions
  readonly move?: Partial<MoveParts>
}
