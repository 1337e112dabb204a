import * as v from 'valibot'

/** What was read, or what is wrong with it: `path` says where, such as `rx.offset`. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly path: string; readonly problem: string }

/** Reads a value by its schema; unknown fields are left out, and nothing is ever thrown. */
export function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): Parsed<v.InferOutput<Schema>> {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true })
  if (result.success) return { ok: true, value: result.output }
  const [issue] = result.issues
  return { ok: false, path: v.getDotPath(issue) ?? '', problem: issue.message }
}

/** The same for JSON text. */
export function parseJson<Schema extends v.GenericSchema>(
  schema: Schema,
  text: string,
): Parsed<v.InferOutput<Schema>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false, path: '', problem: 'not JSON' }
  }
  return parse(schema, value)
}
