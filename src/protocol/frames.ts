import * as v from 'valibot'
import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import { isCleanText } from './content.ts'

/** What the hub names in `connected`, and the agent asks for with `?resume=1`. */
export const resumeCapability = 'resume.1'

/** The `message_type` of what the hub says in place of a recipient that did not fetch a message: nobody else may use it. */
export const expiredType = 'expired'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
/** Rises by one at a time: the bound leaves room above whatever anybody comes with. */
const generation = v.pipe(count, v.maxValue(2 ** 48))
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(128))
const clean = v.check(isCleanText, 'contains NUL or half a surrogate pair')
const label = v.pipe(v.string(), v.minLength(1), v.maxLength(256), clean)
/** Identifies a lineage: an instance, an epoch, a claim. */
const lineage = v.pipe(v.string(), v.minLength(1), v.maxLength(64), clean)
const text = v.pipe(v.string(), v.maxLength(1_024))
const json = v.custom<Json>((value) => value !== undefined, 'missing')
const metadata = v.custom<JsonObject>(isJsonObject, 'must be a JSON object')

/** So much may be sent on this connection, counted from its beginning: a lost or repeated one does no harm. */
const creditSchema = v.object({ messages: count, bytes: count })
export type Credit = v.InferOutput<typeof creditSchema>

// From the hub.

export const connectedFrame = v.object({
  type: v.literal('connected'),
  ai_id: v.union([v.number(), v.string()]),
  ai_name: v.string(),
  capabilities: v.optional(v.array(v.string()), []),
  connection_id: v.optional(v.string()),
  node_id: v.optional(v.string()),
  heartbeat_ms: v.optional(positive),
  frame_bytes_max: v.optional(positive),
})

const readyReasons = [
  'new',
  'resumed',
  'hub_rewound',
  'agent_rewound',
  'session_unknown',
  'session_ended',
  'session_expired',
] as const

const readyFrame = v.object({
  type: v.literal('ready'),
  /** Nothing is missing and nothing was renumbered: reading goes on after `rx.offset`, writing after `verdict_seq`. */
  resumed: v.boolean(),
  reason: v.picklist(readyReasons),
  session_identifier: label,
  generation: v.pipe(generation, v.minValue(1)),
  /** `next` is the offset that the hub sends first; entries up to `floor` are no longer kept. */
  stream: v.object({ epoch: lineage, floor: count, top: count, next: positive }),
  tx: v.object({ producer_epoch: lineage, verdict_seq: count }),
  credit: creditSchema,
  session_ttl_s: positive,
  token_ttl_s: count,
  resume_url: v.optional(v.string()),
})

const messageFrame = v.object({
  type: v.literal('message'),
  epoch: lineage,
  offset: positive,
  /** Names this entry of this stream, for `rx.last_id`: a message that a hub has taken in again has another one. */
  mark: v.optional(label),
  message_id: label,
  sender_id: positive,
  sender_name: name,
  conversation_id: v.optional(v.nullable(label)),
  content: json,
  subject: v.optional(v.nullable(text)),
  message_type: v.optional(v.string(), 'text'),
  metadata: v.optional(v.nullable(metadata)),
  timestamp: v.string(),
})

const publishResults = ['ok', 'refused', 'retry', 'expected'] as const

const publishAckFrame = v.object({
  type: v.literal('publish_ack'),
  seq: positive,
  result: v.picklist(publishResults),
  duplicate: v.optional(v.boolean(), false),
  message_id: v.optional(v.nullable(label)),
  code: v.optional(v.nullable(v.string())),
  error: v.optional(v.nullable(v.string())),
  expected_seq: v.optional(v.nullable(positive)),
  retry_after_ms: v.optional(v.nullable(count)),
})

const gapFrame = v.object({
  type: v.literal('gap'),
  epoch: lineage,
  from: positive,
  to: positive,
  /** The mark of the entry that was at `to`: the reader stands there now, and names it when it resumes. */
  last_id: label,
  reason: v.string(),
})

const refreshedFrame = v.object({ type: v.literal('refreshed'), token_ttl_s: count })

const drainFrame = v.object({
  type: v.literal('drain'),
  deadline_ms: count,
  reconnect_after_ms: count,
  resume_url: v.optional(v.string()),
})

const errorFrame = v.object({
  type: v.literal('error'),
  error: v.string(),
  code: v.optional(v.string()),
})

// From the agent.

const resumeFrame = v.object({
  type: v.literal('resume'),
  instance: lineage,
  /** 0 where it never had one. */
  generation,
  /**
   * Drawn by the agent, on its disk before it is sent, and drawn anew with every generation that it has stored. It lets
   * an agent that was killed between the hub's decision and its own note of it have the generation it was given.
   */
  claim: lineage,
  /**
   * The how manyth process of those that ask with this claim it is: what an earlier one sent before it died, and comes late,
   * must not take the session from a later one.
   */
  start: v.optional(count, 0),
  takeover: v.optional(v.boolean(), false),
  session_identifier: v.optional(v.nullable(label)),
  rx: v.optional(v.nullable(v.object({ epoch: lineage, offset: count, last_id: v.nullable(label) }))),
  tx: v.optional(
    v.nullable(
      v.object({
        producer_epoch: lineage,
        next_seq: positive,
        last_acked: v.nullable(v.object({ seq: positive, id: label })),
      }),
    ),
  ),
  credit: creditSchema,
})

const ackFrame = v.object({ type: v.literal('ack'), epoch: lineage, offset: positive })

/** What a `publish` must have in order to get a verdict; whatever else is wrong with it is the verdict. */
const publishEnvelope = {
  type: v.literal('publish'),
  producer_epoch: lineage,
  seq: positive,
  id: label,
}
export const publishEnvelopeFrame = v.object(publishEnvelope)

const publishFrame = v.object({
  ...publishEnvelope,
  /**
   * The hub accepted it before, and may have lost it in being put back: it must not refuse it now for want of room, or
   * because the recipient has not come back yet.
   */
  again: v.optional(v.boolean()),
  /** By name; `recipient_id` and its other spellings by number; `*` for everybody. */
  recipient_name: v.optional(name),
  recipient_id: v.optional(v.union([positive, v.pipe(v.string(), v.regex(/^[1-9][0-9]{0,15}$/))])),
  conversation_id: v.optional(v.nullable(label)),
  content: json,
  subject: v.optional(v.nullable(text)),
  message_type: v.optional(v.pipe(v.string(), v.maxLength(50)), 'text'),
  metadata: v.optional(v.nullable(metadata)),
  /** How long it is good for from now on: after that, it is given up unless its recipient has fetched it. */
  ttl_ms: v.optional(v.nullable(positive)),
})

const refreshFrame = v.object({ type: v.literal('refresh'), token: v.string() })

/** This process acts no more, and the next one of this agent need not ask for it. */
const releaseFrame = v.object({ type: v.literal('release') })

// Both ways.

const creditFrame = v.object({ type: v.literal('credit'), messages: count, bytes: count })
const pingFrame = v.object({
  type: v.literal('ping'),
  sent_ms: v.optional(v.number()),
  time: v.optional(v.string()),
})
const pongFrame = v.object({
  type: v.literal('pong'),
  sent_ms: v.optional(v.number()),
  time: v.optional(v.string()),
})

/** What an agent with a session may get after `ready`. */
export const hubFrame = v.variant('type', [
  connectedFrame,
  readyFrame,
  messageFrame,
  publishAckFrame,
  gapFrame,
  creditFrame,
  refreshedFrame,
  drainFrame,
  pingFrame,
  pongFrame,
  errorFrame,
])
export type HubFrame = v.InferOutput<typeof hubFrame>

/** What a hub may get from an agent that asked to resume. */
export const agentFrame = v.variant('type', [
  resumeFrame,
  ackFrame,
  publishFrame,
  creditFrame,
  refreshFrame,
  releaseFrame,
  pingFrame,
  pongFrame,
])
export type AgentFrame = v.InferOutput<typeof agentFrame>

export type ConnectedFrame = v.InferOutput<typeof connectedFrame>
export type ReadyFrame = v.InferOutput<typeof readyFrame>
export type ReadyReason = (typeof readyReasons)[number]
export type MessageFrame = v.InferOutput<typeof messageFrame>
export type PublishAckFrame = v.InferOutput<typeof publishAckFrame>
export type DrainFrame = v.InferOutput<typeof drainFrame>
export type GapFrame = v.InferOutput<typeof gapFrame>
export type ResumeFrame = v.InferOutput<typeof resumeFrame>
export type PublishEnvelope = v.InferOutput<typeof publishEnvelopeFrame>
export type PublishFrame = v.InferOutput<typeof publishFrame>
export type CreditFrame = v.InferOutput<typeof creditFrame>
export type ReleaseFrame = v.InferOutput<typeof releaseFrame>
export type AckFrame = v.InferOutput<typeof ackFrame>
