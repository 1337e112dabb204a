import { freeze } from 'immer'
import { PerduraError, toError } from '../errors.ts'

/** The state of an agent as JSON carries it, frozen through and through. */
export type StateDocument = Readonly<Record<string, unknown>>

/** As it will read back from disk. ERR_STATE_INVALID where JSON does not carry it. */
export function toDocument(value: unknown): StateDocument {
  const document: unknown = throughJson(value)
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new PerduraError('ERR_STATE_INVALID', 'the state must be an object that JSON can carry')
  }
  return freeze(document as Record<string, unknown>, true)
}

function throughJson(value: unknown): unknown {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new PerduraError(
      'ERR_STATE_INVALID',
      `the state must be an object that JSON can carry: ${toError(cause).message}`,
      { cause },
    )
  }
  return text === undefined ? undefined : JSON.parse(text)
}
