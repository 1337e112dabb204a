import { parseDuration } from '../duration.ts'
import { PerduraError, toError } from '../errors.ts'
import { reconnectBounds, type ReconnectOptions } from '../runtime/reconnect-options.ts'
import { hubAddress } from '../session/hub-address.ts'
import type { Call } from './call.ts'

/** What an agent of CloudBrain is told by its environment and its command line, for those who come from there. */

type Environment = Call['environment']

export interface ReconnectSettings {
  readonly reconnect: ReconnectOptions
  readonly heartbeatMs: number | undefined
}

/**
 * The hub that CLOUDBRAIN_SERVER and CLOUDBRAIN_REST_API name, with commas where there are several addresses. Each of the two
 * names the other's port where it can; together they may name different ports of one host. ERR_USAGE names the variable.
 */
export function cloudbrainHub(environment: Environment): string | undefined {
  const servers = addressesIn(environment, 'CLOUDBRAIN_SERVER', /\/ws\/v1\/?$/)
  const rests = addressesIn(environment, 'CLOUDBRAIN_REST_API', /\/api\/v1\/?$/)
  if (servers === undefined || rests === undefined) return (servers ?? rests)?.join(',')
  if (servers.length !== rests.length) {
    throw new PerduraError(
      'ERR_USAGE',
      'CLOUDBRAIN_SERVER and CLOUDBRAIN_REST_API must name as many addresses each, or only one of them be set',
    )
  }
  return servers.map((server, index) => bothOf(server, rests[index] as string)).join(',')
}

function bothOf(server: string, rest: string): string {
  if (hubAddress(server).key === hubAddress(rest).key) return server
  const both = `${rest.replace(/^ws/i, 'http')}+${server.replace(/^http/i, 'ws')}`
  return named('CLOUDBRAIN_SERVER and CLOUDBRAIN_REST_API', () => (hubAddress(both), both))
}

/** The prefix that the original has is left out: every hub has the same. */
function addressesIn(environment: Environment, variable: string, prefix: RegExp): string[] | undefined {
  const value = environment[variable] ?? ''
  if (value === '') return undefined
  return value.split(',').map((text) => {
    const url = text.trim().replace(prefix, '')
    return named(variable, () => (hubAddress(url), url))
  })
}

/** How often, how soon and for how long an agent tries again: by its options, else by CloudBrain's variables. */
export function reconnectSettings(call: Call): ReconnectSettings {
  const { attemptsMax, baseDelayMs, heartbeatMs } = reconnectBounds
  return {
    reconnect: {
      attemptsMax: setting(call, 'max-reconnect', 'MAX_RECONNECT_ATTEMPTS', (text) =>
        count(text, attemptsMax),
      ),
      baseDelayMs: setting(call, 'reconnect-delay', 'BASE_RECONNECT_DELAY', (text) =>
        time(text, baseDelayMs),
      ),
    },
    heartbeatMs: setting(call, 'heartbeat-interval', 'HEARTBEAT_INTERVAL', (text) => time(text, heartbeatMs)),
  }
}

/** The same options for a process that is to do as this one. */
export function reconnectArguments(call: Call): string[] {
  return ['max-reconnect', 'reconnect-delay', 'heartbeat-interval'].flatMap((name) => {
    const text = call.text(name)
    return text === undefined ? [] : [`--${name}`, text]
  })
}

function setting(
  call: Call,
  option: string,
  variable: string,
  parse: (text: string) => number,
): number | undefined {
  const asked = call.text(option)
  if (asked !== undefined) return named(`--${option}`, () => parse(asked))
  const set = call.environment[variable] ?? ''
  return set === '' ? undefined : named(variable, () => parse(set))
}

interface Bounds {
  readonly min: number
  readonly max: number
}

function count(text: string, { min, max }: Bounds): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new PerduraError(
    'ERR_USAGE',
    `must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}; left out, there is no end`,
  )
}

/** Seconds, as CloudBrain has them, or a duration as everywhere here; in ms. */
function time(text: string, { min, max }: Bounds): number {
  const isSeconds = /^\d+(\.\d+)?$/.test(text)
  const isDuration = isSeconds || /^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)
  const ms = isDuration ? parseDuration(isSeconds ? `${text}s` : text) : NaN
  if (ms >= min && ms <= max) return ms
  throw new PerduraError(
    'ERR_USAGE',
    `must be ${min / 1_000} to ${max / 1_000} seconds, such as 5, 0.5, 500ms or 5s, not ${JSON.stringify(text)}`,
  )
}

/** What goes wrong with a value is said with the name of where it came from. */
function named<T>(name: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new PerduraError('ERR_USAGE', `${name}: ${toError(error).message}`, { cause: error })
  }
}
