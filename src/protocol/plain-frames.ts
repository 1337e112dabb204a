import * as v from 'valibot'
import { isJsonObject, type JsonObject } from '../json.ts'

/*
 * What plain v1 clients send. What v1 itself ignored is ignored here too, so most of a frame is not looked at; `message`
 * and `insight` have the fields of `sendBody`.
 */

/** Any frame: its `type` says what else is in it, and one that is not known is a sign of life and no more. */
export const plainFrame = v.custom<JsonObject>(isJsonObject, 'a frame must be a JSON object')

const requestIdProblem = 'must be a number, or a text of at most 256 characters'

/** A client that waits for an answer numbers its frame, and knows the answer by the same `request_id`. */
export const requestFields = v.object({
  request_id: v.nullish(
    v.union(
      [
        v.pipe(v.string(), v.maxLength(256)),
        v.pipe(
          v.number(),
          v.check((id) => Number.isFinite(id)),
        ),
      ],
      requestIdProblem,
    ),
  ),
})

export const subscriptionFields = v.object({
  subscription: v.picklist(
    ['messages', 'collaboration', 'session'],
    'must be messages, collaboration or session',
  ),
})
