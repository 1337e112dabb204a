import type { CheckName, Finding } from './finding.ts'
import type { HealthState } from './report.ts'

/** Samples in a row that have to be worse, or better, than what holds, before it changes. */
const worseAfter = 2
const betterAfter = 6

const severity: Readonly<Record<HealthState, number>> = { healthy: 0, degraded: 1, unhealthy: 2 }

interface Held {
  state: HealthState
  /** The last finding in this state: it says why. */
  reason: Finding
  /** States of the samples in a row that were on the same side of `state`. */
  run: HealthState[]
}

/**
 * Keeps findings from flapping. One bad sample is an accident: a check turns worse with the second in a row, and then as bad
 * as the milder of the two. It turns better with the sixth in a row, and then as good as the worst of those. So what swings
 * about its threshold stays at the worse side.
 */
export class Steady {
  readonly #held = new Map<CheckName, Held>()

  /** The findings as they are to be believed; what no longer applies is forgotten. */
  add(findings: readonly Finding[]): Finding[] {
    const present = new Set(findings.map(({ check }) => check))
    for (const check of this.#held.keys()) if (!present.has(check)) this.#held.delete(check)
    return findings.map((found) => this.#settle(found))
  }

  #settle(found: Finding): Finding {
    const held: Held = this.#held.get(found.check) ?? { state: 'healthy', reason: found, run: [] }
    this.#held.set(found.check, held)
    const direction = Math.sign(severity[found.state] - severity[held.state])
    const before = Math.sign(severity[held.run[0] ?? held.state] - severity[held.state])
    if (direction !== before) held.run = []
    if (direction !== 0) held.run.push(found.state)
    if (held.run.length >= (direction > 0 ? worseAfter : betterAfter)) {
      const states = held.run.toSorted((a, b) => severity[a] - severity[b])
      held.state = (direction > 0 ? states[0] : states.at(-1)) ?? held.state
      held.run = []
    }
    if (severity[found.state] >= severity[held.state] || held.state === 'healthy') held.reason = found
    if (held.state === found.state) return found
    return { ...held.reason, state: held.state }
  }
}

export function worst(states: readonly HealthState[]): HealthState {
  return states.reduce((a, b) => (severity[b] > severity[a] ? b : a), 'healthy')
}

export function isWorse(a: HealthState, b: HealthState): boolean {
  return severity[a] > severity[b]
}
