import * as v from 'valibot'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const label = v.pipe(v.string(), v.minLength(1), v.maxLength(256))

/**
 * What a token of the hub says: an access token opens REST and the WebSocket, a refresh token gets the next pair. Both of
 * one login share `sid`.
 */
export const claimsSchema = v.object({
  /** The hub that made it, and the one that it is for. */
  iss: label,
  aud: label,
  sid: label,
  jti: label,
  ai_id: positive,
  ai_name: label,
  ai_nickname: label,
  type: v.picklist(['access', 'refresh']),
  /** Whole seconds since 1970. */
  iat: count,
  exp: count,
  /** Before this it is not good; ours have none. */
  nbf: v.optional(count),
  /** The how manyth exchange of the login made it: 0 for the login itself. */
  rotation: v.optional(count),
  /** What the agent took for its generation at login; writes under an older one are refused. */
  generation: v.optional(count),
})

export type Claims = v.InferOutput<typeof claimsSchema>
