import type { HubParts } from '../../../src/hub/parts.ts'
import type { Transport } from '../../../src/platform/transport.ts'
import type { AgentMachine, HubMachine } from './machines.ts'
import type { QueueWatch } from './queue-watch.ts'

/** Told what happens inside, whatever is swapped. */
export interface Watchers {
  hubParts(parts: HubParts): HubParts
  sent(machine: AgentMachine, frame: string): void
  transport(machine: AgentMachine, transport: Transport): Transport
  answered(machine: HubMachine, frame: string): void
  /** These logins were ended, and that is on disk. */
  revoked(sids: readonly string[]): void
  readonly queues: QueueWatch
  /** An agent has been taken elsewhere, and has not been started there yet; `left` is its database as it was. */
  moved(left: Uint8Array, to: AgentMachine): void
  log(machine: string, event: string, fields: Readonly<Record<string, unknown>>): void
}
