import { join } from 'node:path'
import { PerduraError } from '../errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { Disk } from '../platform/disk.ts'
import { excerpt, type Field } from './field.ts'
import { healthFields, logFields, notifyFields, supervisionFields } from './sections.ts'

type ValuesOf<Fields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends Field<infer Value> ? Value : never
}

export type SupervisionSettings = ValuesOf<typeof supervisionFields>
export type HealthSettings = ValuesOf<typeof healthFields>
export type NotifySettings = ValuesOf<typeof notifyFields>
export type LogSettings = ValuesOf<typeof logFields>

/** What holds for one agent, or for whatever has no section of its own. */
export interface Settings {
  readonly supervision: SupervisionSettings
  readonly health: HealthSettings
  readonly notify: NotifySettings
  readonly logs: LogSettings
}

/** What the file of a home says, defaults filled in. */
export interface HomeSettings {
  /** Of the daemon, the hub, and every agent that the file does not name. */
  readonly base: Settings
  /** The base, with what the file says about this agent in place of it. */
  of(agent: string): Settings
}

const sections = {
  supervision: supervisionFields,
  health: healthFields,
  notify: notifyFields,
  logs: logFields,
} as const

/** Pairs of which the second is worse: the first may not be beyond it. */
const ordered: readonly (readonly [milder: string, worse: string, descending?: 'descending'])[] = [
  ...[
    'disconnected',
    'heartbeat',
    'round_trip',
    'error_rate',
    'inbox',
    'inbox_age',
    'outbox',
    'outbox_age',
    'stalled',
    'loop_delay',
    'memory',
    'open_files',
    'token_expired',
    'clock_skew',
    'restarts',
    'database',
    'commit_time',
    'connections',
    'admission',
    'waiting',
    'waiting_age',
  ].map((name) => [`health.${name}_degraded`, `health.${name}_unhealthy`] as const),
  ['health.delivery_rate_degraded', 'health.delivery_rate_unhealthy', 'descending'],
  ['health.disk_free_degraded', 'health.disk_free_unhealthy', 'descending'],
  ['supervision.safe_mode_first', 'supervision.safe_mode_max'],
]

const agentsMax = 10_000
const fileBytesMax = 1_048_576

function settingsPath(home: string): string {
  return join(home, 'config.json')
}

/** What the home's `config.json` says; the defaults where there is none. Throws ERR_SETTINGS, which names the key. */
function readSettings(disk: Pick<Disk, 'readFile'>, home: string): HomeSettings {
  const path = settingsPath(home)
  let bytes: Uint8Array | undefined
  try {
    bytes = disk.readFile(path)
  } catch (cause) {
    const reason = (cause as { code?: unknown }).code
    throw invalid(path, `cannot be read${typeof reason === 'string' ? ` (${reason})` : ''}`, cause)
  }
  if (bytes === undefined) return defaultSettings
  if (bytes.length > fileBytesMax) throw invalid(path, 'is larger than 1 MiB')
  return parseSettings(Buffer.from(bytes).toString('utf8'), path)
}

/** `path` stands in the errors. */
function parseSettings(text: string, path: string): HomeSettings {
  let document: unknown
  try {
    // Editors of some systems put a byte order mark first.
    document = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    // Not its message: it quotes the text, in which a secret may stand.
    throw invalid(path, 'is not JSON: check its commas, quotes and brackets')
  }
  if (!isJsonObject(document)) throw invalid(path, 'must be a JSON object')
  const { agents = {}, ...own } = document
  const base = readSections(own, '', defaults, path, ['agents'])
  if (!isJsonObject(agents)) throw invalid(path, '"agents" must be an object with a section for each agent')
  const names = Object.keys(agents)
  if (names.length > agentsMax) throw invalid(path, `"agents" has more than ${agentsMax} sections`)
  const byAgent = new Map(
    names.map((name) => [name, readSections(agents[name], `agents.${name}.`, base, path, [])]),
  )
  return { base, of: (agent) => byAgent.get(agent) ?? base }
}

/** Settings that can be read again while they are used. */
export class SettingsSource {
  readonly #disk: Pick<Disk, 'readFile'>
  readonly #home: string
  #current: HomeSettings

  /** Throws ERR_SETTINGS. With `lenient` the defaults hold until a reload finds a file that can be understood. */
  constructor(
    disk: Pick<Disk, 'readFile'>,
    home: string,
    options: { readonly lenient?: SettingsFailure } = {},
  ) {
    this.#disk = disk
    this.#home = home
    try {
      this.#current = readSettings(disk, home)
    } catch (error) {
      if (options.lenient === undefined || !(error instanceof PerduraError)) throw error
      options.lenient(error)
      this.#current = defaultSettings
    }
  }

  get current(): HomeSettings {
    return this.#current
  }

  /** The error where the file cannot be understood; the settings from before stay in force then. */
  reload(): PerduraError | undefined {
    try {
      this.#current = readSettings(this.#disk, this.#home)
      return undefined
    } catch (error) {
      if (error instanceof PerduraError) return error
      throw error
    }
  }
}

type SettingsFailure = (error: PerduraError) => void

const defaults: Settings = {
  supervision: defaultsOf(supervisionFields),
  health: defaultsOf(healthFields),
  notify: defaultsOf(notifyFields),
  logs: defaultsOf(logFields),
}

const defaultSettings: HomeSettings = { base: defaults, of: () => defaults }

function defaultsOf<Fields extends Readonly<Record<string, Field<unknown>>>>(
  fields: Fields,
): ValuesOf<Fields> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { fallback }]) => [name, fallback]),
  ) as ValuesOf<Fields>
}

function readSections(
  document: Json | undefined,
  prefix: string,
  base: Settings,
  path: string,
  others: readonly string[],
): Settings {
  const place = prefix === '' ? '' : prefix.slice(0, -1)
  if (!isJsonObject(document)) throw invalid(path, `"${place}" must be an object`)
  refuseUnknown(document, [...Object.keys(sections), ...others], prefix, path)
  const read = <Name extends keyof Settings>(name: Name): Settings[Name] =>
    readFields(document[name] ?? {}, sections[name], base[name], `${prefix}${name}`, path) as Settings[Name]
  const settings: Settings = {
    supervision: read('supervision'),
    health: read('health'),
    notify: read('notify'),
    logs: read('logs'),
  }
  checkOrder(settings, prefix, path)
  return settings
}

function readFields(
  document: Json,
  fields: Readonly<Record<string, Field<unknown>>>,
  base: Readonly<Record<string, unknown>>,
  place: string,
  path: string,
): Record<string, unknown> {
  if (!isJsonObject(document)) throw invalid(path, `"${place}" must be an object`)
  refuseUnknown(
    document,
    Object.values(fields).map(({ key }) => key),
    `${place}.`,
    path,
  )
  const values: Record<string, unknown> = { ...base }
  for (const [name, { key, takes, parse, nullable }] of Object.entries(fields)) {
    const written = document[key]
    if (written === undefined) continue
    const value = parse(written)
    if (value === undefined && !(nullable === true && written === null)) {
      // What was written there may be the secret part of an address.
      const shown = key === 'webhook' ? '' : `, not ${excerpt(written)}`
      throw invalid(path, `"${place}.${key}" must be ${takes}${shown}`)
    }
    values[name] = value
  }
  return values
}

function refuseUnknown(document: JsonObject, known: readonly string[], prefix: string, path: string): void {
  const unknown = Object.keys(document).find((key) => !known.includes(key))
  if (unknown === undefined) return
  throw invalid(path, `there is no setting "${prefix}${unknown}": there are ${known.join(', ')}`)
}

function checkOrder(settings: Settings, prefix: string, path: string): void {
  for (const [milder, worse, direction] of ordered) {
    const [first, second] = [valueAt(settings, milder), valueAt(settings, worse)]
    const isOrdered = direction === 'descending' ? first >= second : first <= second
    if (isOrdered) continue
    const word = direction === 'descending' ? 'below' : 'over'
    throw invalid(path, `"${prefix}${milder}" may not be ${word} "${prefix}${worse}"`)
  }
}

function valueAt(settings: Settings, place: string): number {
  const [section, key] = place.split('.', 2) as [keyof Settings, string]
  const name = Object.entries<Field<unknown>>(sections[section]).find(([, field]) => field.key === key)?.[0]
  return (settings[section] as Readonly<Record<string, unknown>>)[name ?? ''] as number
}

function invalid(path: string, problem: string, cause?: unknown): PerduraError {
  const text = `${path}: ${problem}; correct it, then: perdura reload`
  return new PerduraError('ERR_SETTINGS', text, { cause, details: { path } })
}
