import * as v from 'valibot'
import { momentSchema } from './moment.ts'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const token = v.pipe(v.string(), v.minLength(1))
const wallMs = v.pipe(v.number(), v.finite())

const loginSchema = v.object({
  ai_id: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  refresh_token: token,
  /** The generation that the login was made under; its tokens carry it, however often they are refreshed. */
  generation: count,
  /** When it was made, and when the refresh token was; for people, and for nothing that is decided. */
  since: v.optional(wallMs),
  refreshed: v.optional(wallMs),
  rotations: v.optional(count, 0),
  /** The access token that came with the refresh token, for other processes. */
  access: v.optional(v.object({ token, got: momentSchema, life_ms: count })),
  /** The refresh token was, or was about to be, shown to the hub, and nobody has noted what came of it. */
  asked: v.optional(v.object({ intent: token, at: momentSchema })),
  /** An exchange before had to be asked for twice, first at this time: its first request may still be on its way. */
  unsettled: v.optional(momentSchema),
  /** It was ended by its own agent. */
  revoked: v.optional(v.boolean(), false),
})

const hubSchema = v.object({
  /** What the hub calls itself: no other is signed for at this place. */
  hub_id: v.optional(v.string()),
  /** The public key that this hub knows the agent by; undefined: the oldest that the file has. */
  key: v.optional(v.string()),
  /** The fencing number that this hub gave last. */
  generation: v.optional(count, 0),
  /** What the next generation is asked for with. */
  claim: v.optional(v.string()),
  /** Processes that have asked with this claim. */
  starts: v.optional(count, 0),
  login: v.optional(loginSchema),
  /** The agent was imported: it takes the session from whoever has it, until it has got a generation of its own. */
  takeover: v.optional(v.boolean()),
  /** Logins of which the agent has heard that they were ended for a stolen token. */
  heard: v.optional(v.array(v.string()), []),
})

export const contentSchema = v.object({
  /** The seed of the agent's Ed25519 key, in base64url. */
  seed: v.string(),
  /** Those before it, the newest first, as long as a hub may know the agent by one of them. */
  old_seeds: v.optional(v.array(v.string()), []),
  /** The agent's places at its hubs, by the address that each hub was first met at. */
  hubs: v.record(v.string(), hubSchema),
  /** Other addresses of hubs that have a place, and which. */
  aliases: v.optional(v.record(v.string(), v.string()), {}),
})

export type LoginEntry = v.InferOutput<typeof loginSchema>
export type HubEntry = v.InferOutput<typeof hubSchema>
export type Content = v.InferOutput<typeof contentSchema>
