import type { HealthReason, HealthState } from '../../health/report.ts'
import { isJsonObject, type Json, type JsonObject } from '../../json.ts'

/** What a daemon says of a child besides what stands in the child's record. */
export interface DaemonChild {
  readonly state: string
  /** Wall-clock ms. */
  readonly since: number
  /** From `since` on. */
  readonly nextStartInMs: number | undefined
  readonly failure: { readonly code: string; readonly message: string } | undefined
  readonly evidence: { readonly at: number; readonly reason: string; readonly text: string } | undefined
  readonly failuresInWindow: number
  readonly connected: number | undefined
  readonly beat: ChildBeat | undefined
  readonly policy: {
    readonly hangMs: number
    readonly startMs: number
    readonly memoryMaxBytes: number | undefined
    readonly failuresMax: number | undefined
  }
  /** Why its record could not be written. */
  readonly unsaved: string | undefined
}

/** The last that the process said of itself; undefined what an older one does not say. */
export interface ChildBeat {
  readonly health: HealthState | undefined
  readonly reasons: readonly HealthReason[]
  readonly session: string | undefined
  readonly turnsDone: number
}

/** Reads what a daemon has said; of another version it may lack anything. */
export function daemonChild(child: JsonObject): DaemonChild {
  const { failure, evidence, beat, policy } = child
  return {
    state: text(child['state']) ?? 'stopped',
    since: number(child['since']) ?? 0,
    nextStartInMs: number(child['next_start_in_ms']),
    failure: isJsonObject(failure)
      ? { code: text(failure['code']) ?? '', message: text(failure['message']) ?? '' }
      : undefined,
    evidence: isJsonObject(evidence)
      ? {
          at: number(evidence['at']) ?? 0,
          reason: text(evidence['reason']) ?? '',
          text: text(evidence['text']) ?? '',
        }
      : undefined,
    failuresInWindow: number(child['failures_in_window']) ?? 0,
    connected: number(child['connected']),
    beat: isJsonObject(beat) ? beatOf(beat) : undefined,
    policy: {
      hangMs: numberIn(policy, 'hang_ms') ?? 0,
      startMs: numberIn(policy, 'start_ms') ?? 0,
      memoryMaxBytes: numberIn(policy, 'memory_max_bytes'),
      failuresMax: numberIn(policy, 'failures_max'),
    },
    unsaved: text(child['unsaved']),
  }
}

function beatOf(beat: JsonObject): ChildBeat {
  const health = isJsonObject(beat['health']) ? beat['health'] : {}
  const reasons = Array.isArray(health['reasons']) ? health['reasons'].filter(isJsonObject) : []
  return {
    health: stateOf(health['state']),
    reasons: reasons.map(({ check, state, text: said }) => ({
      check: text(check) ?? '',
      state: stateOf(state) ?? 'degraded',
      text: text(said) ?? '',
    })),
    session: text(beat['session']),
    turnsDone: number(beat['turnsDone']) ?? 0,
  }
}

function stateOf(value: Json | undefined): HealthState | undefined {
  return value === 'healthy' || value === 'degraded' || value === 'unhealthy' ? value : undefined
}

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function number(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function numberIn(value: Json | undefined, key: string): number | undefined {
  return isJsonObject(value) ? number(value[key]) : undefined
}
