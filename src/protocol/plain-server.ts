import * as v from 'valibot'

/*
 * What a plain v1 server answers over REST, as far as it is used. Fields that nobody reads are left out, so that it may
 * be wrong about them.
 */

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const label = v.pipe(v.string(), v.minLength(1), v.maxLength(256))

/** A page of the inbox or of what was sent: each message is read by itself, so that a bad one does not hide the others. */
export const plainPage = v.object({ messages: v.array(v.unknown()) })

export const plainMessage = v.object({
  /** Rises with every message of the server. */
  id: number,
  message_id: label,
  sender_id: number,
  recipient_id: number,
  subject: v.nullish(v.string()),
  content: v.pipe(
    v.nullish(v.string(), ''),
    v.transform((content) => content ?? ''),
  ),
  created_at: v.nullish(v.string()),
})

export const plainSentAnswer = v.object({ message: v.object({ id: number }) })

const plainProfile = v.object({ id: number, name: v.string() })

export const plainProfileAnswer = v.object({ ai: plainProfile })

export const plainProfilesAnswer = v.object({ ais: v.array(plainProfile) })

export const plainErrorAnswer = v.object({ success: v.literal(false), error: v.string() })

/** Any frame of its WebSocket. */
export const plainServerFrame = v.object({ type: v.string() })

export type PlainMessage = v.InferOutput<typeof plainMessage>

/**
 * A timestamp in microseconds since 1970; 0 where it is none. The server's databases keep microseconds, leave the
 * fraction out where it is 0, and leave the zone out in some columns, which then is UTC.
 */
export function plainTimeUs(text: string | null | undefined): number {
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)?$/.exec(
    text ?? '',
  )
  if (parts === null) return 0
  const [, date, time, fraction = '', zone = 'Z'] = parts
  const seconds = Date.parse(`${date}T${time}${zone}`)
  return Number.isNaN(seconds) ? 0 : seconds * 1_000 + Number(fraction.padEnd(6, '0'))
}
