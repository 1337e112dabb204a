import { PerduraError } from '../../errors.ts'
import type { Rate } from '../../platform/token-bucket.ts'

/**
 * What a hub lets in at a time. Measured on two cores that it shared with its clients: a resume costs it 0.5 ms of
 * processor, a new session 1 ms, a login with its challenge 0.6 ms, to turn somebody away 0.2 ms. With the defaults, a herd
 * of each kind at once takes half of one core, and the rest is for those who are in.
 */
export interface AdmissionLimits {
  /** Handshakes a second, and at once, of agents that have had a session here. Default 500, and 500. */
  readonly resumes: Rate
  /** The same of those who have not, and of clients of v1. Default 100 (or that of resumes, where
   * it is less), and 200. Never taken from that of resumes. */
  readonly newSessions: Rate
  /** Logins and refreshes a second, and at once. Default 200, and 400. */
  readonly logins: Rate
  /**
   * Connections at a time that are open and have no session yet. Default 2,000, of which new sessions have a quarter. Fewer,
   * and probes of holders, 2 s each, hold others up; more cost some 50 KB each.
   */
  readonly underWayMax: number
  /** Upgrades of one agent, whatever becomes of them. Default 20 a second, and 100 at once. */
  readonly agent: Rate
  /**
   * Upgrades, and also logins, from one address. Default 1,000 a second, and 20,000 at once: behind a proxy it is that of
   * everybody, and each of a herd comes twice.
   */
  readonly address: Rate
  /** Upgrades from one address with a token that is none. Default 50 a second, and 500 at once. */
  readonly badTokens: Rate
}

const defaultAdmissionLimits: AdmissionLimits = {
  resumes: { perSecond: 500, burst: 500 },
  newSessions: { perSecond: 100, burst: 200 },
  logins: { perSecond: 200, burst: 400 },
  underWayMax: 2_000,
  agent: { perSecond: 20, burst: 100 },
  address: { perSecond: 1_000, burst: 20_000 },
  badTokens: { perSecond: 50, burst: 500 },
}

const rates = ['resumes', 'newSessions', 'logins', 'agent', 'address', 'badTokens'] as const

/** With the defaults for what is missing; ERR_USAGE names the option that makes no sense. */
export function admissionLimits(options: Partial<AdmissionLimits> = {}): AdmissionLimits {
  const defaults = defaultAdmissionLimits
  const { perSecond: resumesPerSecond } = options.resumes ?? defaults.resumes
  const limits = {
    ...defaults,
    newSessions: {
      ...defaults.newSessions,
      perSecond: Math.min(defaults.newSessions.perSecond, resumesPerSecond),
    },
    ...options,
  }
  for (const name of rates) {
    const { perSecond, burst } = limits[name]
    check(`${name}.perSecond`, perSecond, 0.01)
    check(`${name}.burst`, burst, 1)
  }
  check('underWayMax', limits.underWayMax, 4)
  if (limits.resumes.perSecond < limits.newSessions.perSecond) {
    throw new PerduraError(
      'ERR_USAGE',
      'admission.newSessions.perSecond: at most that of resumes, since those who were here come first',
    )
  }
  for (const name of rates) Object.freeze(limits[name])
  return Object.freeze(limits)
}

function check(option: string, value: number, min: number): void {
  if (value >= min && value <= 1e6) return
  throw new PerduraError('ERR_USAGE', `admission.${option}: a number from ${min} to 1,000,000`)
}
