/** The public interface: what a program that defines or embeds agents imports from `perdura`. */
export { defineAgent } from './agent/define-agent.ts'
export type {
  AgentDefinition,
  AgentOptions,
  Context,
  EffectOptions,
  FiredTimer,
  Json,
  JsonObject,
  Memory,
  Message,
  Note,
  SendOptions,
  Start,
  StateMigration,
  TurnLimits,
} from './agent/definition.ts'
export { EffectRefused } from './agent/effect-ledger.ts'
export { errorCodes, PerduraError, type ErrorCode } from './errors.ts'
export { reflexAgent } from './mind/reflex/reflex.ts'
export type { Log, LogFields, LogLevel } from './platform/log.ts'
export type { Outgoing, Verdict } from './queue/outbox.ts'
export type { Queue } from './queue/pauses.ts'
export type { Priority } from './queue/priority.ts'
export type {
  Accepted,
  Agent,
  AgentEvents,
  EffectDecision,
  IngestInput,
  RecoverySummary,
} from './runtime/agent.ts'
export type { AgentLimits } from './runtime/agent-limits.ts'
export type { QueueControl } from './runtime/queue-control.ts'
export { openAgent, type OpenAgentOptions } from './runtime/open-agent.ts'
