import type * as v from 'valibot'
import { PerduraError } from '../../errors.ts'
import { isJsonObject, type JsonObject } from '../../json.ts'
import type { HttpRequest } from '../../platform/http.ts'
import { parse } from '../../protocol/parse.ts'
import { invalid } from './query.ts'

/** Deeper documents parse, but writing them again overflows the stack. */
const depthMax = 100

/** The body by its schema, whatever its Content-Type; no body is an empty object. Throws ERR_REQUEST_INVALID. */
export function readBody<Schema extends v.GenericSchema>(
  request: HttpRequest,
  schema: Schema,
): v.InferOutput<Schema> {
  const body = readObject(request)
  checkTexts(body)
  const parsed = parse(schema, body)
  if (parsed.ok) return parsed.value
  throw invalid(parsed.path === '' ? 'the body' : parsed.path, parsed.problem)
}

function readObject(request: HttpRequest): JsonObject {
  if (request.body.length === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(request.body))
  } catch (cause) {
    throw new PerduraError('ERR_REQUEST_INVALID', 'the body is not JSON in UTF-8', { cause })
  }
  if (isJsonObject(value)) return value
  throw new PerduraError('ERR_REQUEST_INVALID', 'the body must be a JSON object')
}

/**
 * What databases and other programs choke on: NUL, half a surrogate pair (RFC 8259 8.2 lets both pass), numbers beyond
 * what a double holds, and documents that are too deep. Without recursion, which depth would defeat.
 */
function checkTexts(body: JsonObject): void {
  const waiting: { readonly value: unknown; readonly field: string; readonly depth: number }[] = []
  const visit = (fields: [string, unknown][], parent: string, depth: number): void => {
    for (const [key, value] of fields) {
      const field = parent === '' ? key : parent
      checkText(key, parent === '' ? 'the name of a field' : parent)
      waiting.push({ value, field, depth })
    }
  }
  visit(Object.entries(body), '', 1)
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { depth, field, value } = next
    if (typeof value === 'string') checkText(value, field)
    if (typeof value === 'number' && !Number.isFinite(value))
      throw invalid(field, 'holds a number out of range')
    if (typeof value !== 'object' || value === null) continue
    if (depth >= depthMax) throw invalid(field, `is nested more than ${depthMax} levels deep`)
    visit(Object.entries(value), field, depth + 1)
  }
}

function checkText(text: string, field: string): void {
  if (text.includes('\0')) throw invalid(field, 'contains NUL')
  if (!text.isWellFormed()) throw invalid(field, 'contains half a surrogate pair, which is no Unicode text')
}
