import { PerduraError, toError } from '../errors.ts'
import type { AgentDefinition } from './definition.ts'
import { toDocument, type StateDocument } from './state-document.ts'

/**
 * Takes a document that version `stored` of the agent left to the version of its definition, step by step, and has it
 * validated. `document` is the caller's no more. ERR_STATE_MIGRATION where a step fails or what comes of it does not fit,
 * ERR_STATE_INVALID where no step changed it and it does not fit.
 */
export function migrateState(document: object, stored: number, definition: AgentDefinition): StateDocument {
  const { name, state } = definition
  let current = document
  let last: number | undefined
  const steps = [...state.migrate].filter(([from]) => from >= stored).toSorted(([a], [b]) => a - b)
  for (const [from, step] of steps) {
    last = from
    try {
      current = resultOf(step(current), current)
    } catch (cause) {
      throw failed(
        definition,
        stored,
        `the step from version ${from} fails: ${toError(cause).message}`,
        cause,
      )
    }
  }
  try {
    return toDocument(state.validate(current))
  } catch (cause) {
    const { message } = toError(cause)
    if (last !== undefined) throw failed(definition, stored, message, cause)
    throw new PerduraError(
      'ERR_STATE_INVALID',
      `the stored state of ${name} (version ${stored}) does not fit the schema of version ${state.version}: ${message}. ` +
        `Make the schema accept it${stored < state.version ? `, or give state.migrate a step from version ${stored}` : ''}`,
      { cause },
    )
  }
}

/** As with `ctx.update`: the step has changed what it got, or gives another one. */
function resultOf(result: unknown, given: object): object {
  if (result === undefined) return given
  if (result instanceof Promise) result.catch(() => undefined)
  if (
    typeof result === 'object' &&
    result !== null &&
    typeof (result as { then?: unknown }).then === 'function'
  )
    throw new TypeError('it is asynchronous, and a start does not wait for it')
  // Of a Map, or of an object of some class, JSON keeps nothing.
  if (!isPlainObject(result)) throw new TypeError('it returns something that is not a plain object')
  return result
}

function failed(definition: AgentDefinition, stored: number, why: string, cause: unknown): PerduraError {
  const { name, state } = definition
  return new PerduraError(
    'ERR_STATE_MIGRATION',
    `the state of ${name} was not brought from version ${stored} to ${state.version}: ${why}. Nothing was changed: ` +
      `mend state.migrate, or run the definition of version ${stored} again`,
    { cause, details: { from: stored, to: state.version } },
  )
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
