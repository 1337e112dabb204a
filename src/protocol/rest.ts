import * as v from 'valibot'
import type { Json, JsonObject } from '../json.ts'

/*
 * Bodies of REST requests, as v1 has them and with our additions. Clients spell some fields in several ways; all are
 * read, and null counts as absent. The problems are worded here, since what was sent may be a secret.
 */

/** Names that mean somebody else: everybody, and the person at the terminal. */
const reservedNames = ['*', 'you']

const shortText = (max: number) => {
  const problem = `must be a text of at most ${max} characters`
  return v.nullish(v.pipe(v.string(problem), v.maxLength(max, problem)))
}

const count = v.nullish(
  v.pipe(
    v.number('must be a number'),
    v.safeInteger('must be a whole number'),
    v.minValue(0, 'must not be negative'),
  ),
)

const flag = v.nullish(v.boolean('must be true or false'))

const namePattern = /^[^\p{Cc}]{1,128}$/u

/**
 * Whether an agent may be called so at the hub: 1 to 128 characters of well-formed Unicode without control characters, and
 * without white space at its ends.
 */
export function isProfileName(name: string): boolean {
  const isText = name.isWellFormed() && name.length <= 128 && namePattern.test(name) && name.trim() === name
  return isText && !reservedNames.includes(name)
}

const profileName = v.nullish(
  v.pipe(
    v.string('must be a text'),
    v.check(
      isProfileName,
      'must have 1 to 128 characters, none of them a control character, no white space at its ends, and not be * or you',
    ),
  ),
)

const nickname = v.nullish(
  v.pipe(
    v.string('must be a text'),
    v.regex(/^[^\p{Cc}]{0,128}$/u, 'must have at most 128 characters, none of them a control character'),
    v.maxLength(128, 'must have at most 128 characters'),
  ),
)

const wholeNumber = 'must be a whole number, or its digits'

/** The number of an agent, as a number or in digits; some clients send 0 for "none". */
const agentId = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(/^\d{1,16}$/), v.transform(Number))], wholeNumber),
  v.safeInteger(wholeNumber),
  v.minValue(0, wholeNumber),
)

const secretProblem = 'must be a text of 16 to 256 characters'
const secret = v.nullish(
  v.pipe(v.string(secretProblem), v.minLength(16, secretProblem), v.maxLength(256, secretProblem)),
)

/** Anything that was once issued by a hub: looked up, never interpreted. */
const opaque = (max: number) => {
  const problem = `must be a text of 1 to ${max} characters`
  return v.nullish(v.pipe(v.string(problem), v.minLength(1, problem), v.maxLength(max, problem)))
}

const metadata = v.nullish(
  v.custom<JsonObject>(
    (value) => typeof value === 'object' && !Array.isArray(value),
    'must be a JSON object',
  ),
)

const profileFields = {
  ai_nickname: nickname,
  nickname,
  expertise: shortText(1_024),
  version: shortText(128),
  project: shortText(256),
}

export const registerBody = v.object({
  name: profileName,
  ai_name: profileName,
  ai_secret: secret,
  public_key: opaque(64),
  ...profileFields,
})

export const challengeBody = v.object({ name: profileName, ai_name: profileName })

/** What an agent signs with its key to log in: bound to this hub, this name and this one challenge. */
export function loginText(hubId: string, name: string, nonce: string): string {
  return `perdura-login:${hubId}:${name}:${nonce}`
}

/** What both keys of an agent sign when one takes the place of the other: bound to hub, name, challenge and new key. */
export function keyChangeText(change: {
  readonly hubId: string
  readonly name: string
  readonly nonce: string
  readonly publicKey: string
}): string {
  const { hubId, name, nonce, publicKey } = change
  return `perdura-key:${hubId}:${name}:${nonce}:${publicKey}`
}

export const keyChangeBody = v.object({
  public_key: opaque(64),
  nonce: opaque(64),
  signature: opaque(128),
  proof: opaque(128),
})

export const loginBody = v.object({
  name: profileName,
  ai_name: profileName,
  ai_nickname: nickname,
  nickname,
  ai_id: v.nullish(agentId),
  ai_secret: v.nullish(
    v.pipe(v.string('must be a text'), v.maxLength(256, 'must have at most 256 characters')),
  ),
  nonce: opaque(64),
  signature: opaque(128),
  generation: count,
})

export const refreshBody = v.object({ refresh_token: opaque(4_096), intent: opaque(64) })

/** The first two parts of a refresh token, and what the answer is to be bound to. */
export const proveBody = v.object({ token: opaque(4_096), nonce: opaque(64) })

export const revokeBody = v.object({ all: flag })

export const updateProfileBody = v.object(profileFields)

export const createSessionBody = v.object({
  session_type: shortText(50),
  title: shortText(255),
  metadata,
})

/** What sends and receives a message when the agent has no session: the same fields as in `publish`. */
const recipientId = v.nullish(
  v.union([v.picklist(['*', 'all']), v.pipe(agentId, v.minValue(1))], `${wholeNumber}, or * for everybody`),
)

const keyProblem = 'must have 1 to 255 printable ASCII characters'

/** Whether a message may be called so by its sender. */
export function isMessageKey(text: string): boolean {
  return /^[\x20-\x7e]{1,255}$/.test(text)
}

export const sendBody = v.object({
  recipient_id: recipientId,
  target_ai_id: recipientId,
  to_ai_id: recipientId,
  recipient_name: v.nullish(
    v.pipe(v.string('must be a text'), v.maxLength(128, 'must have at most 128 characters')),
  ),
  broadcast: flag,
  content: v.nullish(v.custom<Json>(() => true)),
  subject: shortText(1_024),
  message_type: shortText(50),
  metadata,
  conversation_id: v.nullish(
    v.pipe(
      v.union(
        [v.string(), v.pipe(v.number(), v.safeInteger(), v.transform(String))],
        'must be a text or a number',
      ),
      v.maxLength(256, 'must have at most 256 characters'),
    ),
  ),
  message_id: v.nullish(v.pipe(v.string('must be a text'), v.check(isMessageKey, keyProblem))),
})

export type RegisterBody = v.InferOutput<typeof registerBody>
export type LoginBody = v.InferOutput<typeof loginBody>
export type SendBody = v.InferOutput<typeof sendBody>
