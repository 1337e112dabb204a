import type * as v from 'valibot'
import { PerduraError } from '../../errors.ts'
import { isJsonObject, type JsonObject } from '../../json.ts'
import type { HttpRequest } from '../../platform/http.ts'
import { contentProblem } from '../../protocol/content.ts'
import { parse } from '../../protocol/parse.ts'
import { invalid } from './query.ts'

/** The body by its schema, whatever its Content-Type; no body is an empty object. Throws ERR_REQUEST_INVALID. */
export function readBody<Schema extends v.GenericSchema>(
  request: HttpRequest,
  schema: Schema,
): v.InferOutput<Schema> {
  const body = readObject(request)
  const unfit = contentProblem(body)
  if (unfit !== undefined) throw invalid(unfit.field, unfit.problem)
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
