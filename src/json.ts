/** A value that survives `JSON.parse(JSON.stringify(value))` unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A payload as a person reads it: itself where it is a string, its `text` where it has one, else its JSON. */
export function textOf(payload: Json): string {
  if (typeof payload === 'string') return payload
  const text = isJsonObject(payload) ? payload['text'] : undefined
  return typeof text === 'string' ? text : JSON.stringify(payload)
}
