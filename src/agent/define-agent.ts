import type { StandardSchemaV1 } from '@standard-schema/spec'
import { PerduraError } from '../errors.ts'
import type { AgentDefinition, AgentOptions, StateMigration, TurnLimits } from './definition.ts'

const definitions = new WeakSet<object>()

const limitBounds = {
  turnsMax: { default: 8, min: 1, max: 64 },
  turnTimeoutMs: { default: 600_000, min: 100, max: 86_400_000 },
  failuresMax: { default: 5, min: 1, max: 100 },
  crashesMax: { default: 5, min: 1, max: 100 },
  retryDelayMs: { default: 1_000, min: 0, max: 3_600_000 },
  retryDelayMaxMs: { default: 300_000, min: 0, max: 86_400_000 },
  hopsMax: { default: 8, min: 1, max: 100 },
} as const satisfies Record<keyof TurnLimits, { default: number; min: number; max: number }>

const handlerNames = ['onStart', 'onMessage', 'onTimer'] as const
const optionNames: readonly string[] = ['name', 'state', 'limits', ...handlerNames]

/** Checks the options of an agent and freezes them. ERR_DEFINITION names the option that is wrong. */
export function defineAgent<Schema extends StandardSchemaV1<unknown, object>>(
  options: AgentOptions<Schema>,
): AgentDefinition<StandardSchemaV1.InferOutput<Schema>> {
  if (typeof options !== 'object' || options === null)
    throw wrong('', 'defineAgent takes an object with a name')
  for (const name of Object.keys(options)) {
    if (!optionNames.includes(name))
      throw wrong(name, `there is no such option; there are ${optionNames.join(', ')}`)
  }
  if (!isAgentName(options.name)) throw wrongName()
  for (const name of handlerNames) {
    if (options[name] !== undefined && typeof options[name] !== 'function')
      throw wrong(name, 'must be a function')
  }
  const definition: AgentDefinition<StandardSchemaV1.InferOutput<Schema>> = Object.freeze({
    name: options.name,
    state: checkState(options.state),
    handlers: Object.freeze({
      onStart: options.onStart?.bind(options),
      onMessage: options.onMessage?.bind(options),
      onTimer: options.onTimer?.bind(options),
    }),
    limits: checkLimits(options.limits ?? {}),
  })
  definitions.add(definition)
  return definition
}

/** The same agent under another name: other messages, other state, the same code. ERR_DEFINITION where it cannot be a name. */
export function renameAgent(definition: AgentDefinition, name: string): AgentDefinition {
  if (!isAgentName(name)) throw wrongName()
  const renamed: AgentDefinition = Object.freeze({ ...definition, name })
  definitions.add(renamed)
  return renamed
}

/** Whether the value was made by `defineAgent`. */
export function isAgentDefinition(value: unknown): value is AgentDefinition {
  return typeof value === 'object' && value !== null && definitions.has(value)
}

export function isAgentName(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name)
}

function checkState<Schema extends StandardSchemaV1<unknown, object>>(
  state: AgentOptions<Schema>['state'],
): AgentDefinition<StandardSchemaV1.InferOutput<Schema>>['state'] {
  type State = StandardSchemaV1.InferOutput<Schema>
  if (state === undefined) {
    return Object.freeze({
      version: 1,
      initial: {},
      validate: (value: unknown) => value as State,
      migrate: new Map(),
    })
  }
  const { version, schema } = state
  if (!Number.isSafeInteger(version) || version < 1)
    throw wrong('state.version', 'must be a whole number from 1')
  const standard = schema?.['~standard'] as StandardSchemaV1.Props<unknown, State> | undefined
  if (typeof standard?.validate !== 'function') {
    throw wrong(
      'state.schema',
      'must be a Standard Schema, such as z.object({…}) of zod, or one of valibot or arktype',
    )
  }
  const validate = (value: unknown): State => {
    const result = standard.validate(value)
    if (result instanceof Promise) {
      result.catch(() => undefined)
      throw new PerduraError(
        'ERR_DEFINITION',
        'state.schema validates asynchronously; a commit cannot wait: use one that does not',
      )
    }
    if (result.issues !== undefined) throw invalidState(result.issues)
    return result.value
  }
  const initial = state.initial ?? {}
  try {
    validate(initial)
  } catch (cause) {
    if (cause instanceof PerduraError && cause.code === 'ERR_DEFINITION') throw cause
    const hint =
      state.initial === undefined ? 'give its fields defaults, or set state.initial' : 'correct state.initial'
    throw new PerduraError('ERR_DEFINITION', `state: the first state does not fit state.schema: ${hint}`, {
      cause,
    })
  }
  return Object.freeze({ version, initial, validate, migrate: checkMigrations(state.migrate ?? {}, version) })
}

function checkMigrations(
  given: Readonly<Record<number, StateMigration>>,
  version: number,
): ReadonlyMap<number, StateMigration> {
  if (typeof given !== 'object' || given === null)
    throw wrong('state.migrate', 'must be an object of functions, by the version that each starts from')
  const steps = new Map<number, StateMigration>()
  for (const [key, step] of Object.entries(given)) {
    const from = Number(key)
    if (!Number.isSafeInteger(from) || from < 1 || from >= version) {
      throw wrong(
        `state.migrate[${key}]`,
        version === 1
          ? 'nothing is older than version 1: raise state.version'
          : `must be a version that state can come from, 1 to ${version - 1}`,
      )
    }
    if (typeof step !== 'function') throw wrong(`state.migrate[${key}]`, 'must be a function')
    steps.set(from, step)
  }
  return steps
}

function invalidState(issues: readonly StandardSchemaV1.Issue[]): PerduraError {
  const shown = issues.slice(0, 5).map(({ message, path }) => {
    const keys = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part))
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`
  })
  return new PerduraError('ERR_STATE_INVALID', `the state does not fit its schema: ${shown.join('; ')}`)
}

function checkLimits(given: Partial<TurnLimits>): TurnLimits {
  for (const name of Object.keys(given)) {
    if (!(name in limitBounds))
      throw wrong(
        `limits.${name}`,
        `there is no such limit; there are ${Object.keys(limitBounds).join(', ')}`,
      )
  }
  const limits = {} as Record<keyof TurnLimits, number>
  for (const name of Object.keys(limitBounds) as (keyof TurnLimits)[]) {
    const { default: standard, min, max } = limitBounds[name]
    const value = given[name] ?? standard
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw wrong(`limits.${name}`, `must be a whole number from ${min} to ${max}`)
    }
    limits[name] = value
  }
  if (limits.retryDelayMaxMs < limits.retryDelayMs)
    throw wrong('limits.retryDelayMaxMs', 'must not be below limits.retryDelayMs')
  return Object.freeze(limits)
}

function wrongName(): PerduraError {
  return wrong('name', 'must be 1 to 64 letters, digits, - or _, starting with a letter or digit')
}

function wrong(option: string, problem: string): PerduraError {
  return new PerduraError('ERR_DEFINITION', option === '' ? problem : `${option}: ${problem}`)
}
