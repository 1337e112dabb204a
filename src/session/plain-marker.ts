import type { Json } from '../json.ts'
import { contentProblem } from '../protocol/content.ts'
import type { PlainOutbound } from './plain-store.ts'

/*
 * Our own fields of a message, in its subject. A plain v1 server stores `metadata` and never returns it, so what is to be
 * found again in `sent`, and what the recipient is to know, has to stand in something that it does return. Messages of
 * agents have no subject, and the column holds 255 characters:
 *
 *     perdura:<sender's number>:<t|j>:<hops>:<id>[:<in reply to>[:<conversation>]]
 *
 * The sender's number is in it because others may answer under the same subject: a marker counts only in messages of
 * whoever wrote it. `j` says that the content is JSON text.
 */

export interface Marker {
  readonly id: string
  readonly isJson: boolean
  readonly hops: number
  readonly inReplyTo: string | undefined
  readonly conversation: string | undefined
}

const subjectMax = 255

export function markerOf(
  message: PlainOutbound,
  sender: { readonly id: number; readonly name: string },
): string {
  const { content, hops, id, inReplyTo = '', conversation } = message
  const kind = typeof content === 'string' ? 't' : 'j'
  const whole = `perdura:${sender.id}:${kind}:${hops}:${id}`
  // What has no room is left out: the answer's conversation is then its sender's own, as for any v1 client.
  const reply = `${whole}:${encodeURIComponent(inReplyTo)}`
  const full = `${reply}:${encodeURIComponent(conversation)}`
  if (conversation !== sender.name && full.length <= subjectMax) return full
  return inReplyTo !== '' && reply.length <= subjectMax ? reply : whole
}

const pattern = /^perdura:(\d{1,16}):([tj]):(\d{1,4}):([\w-]{1,64})(?::([^:]*)(?::([^:]+))?)?$/

/** Undefined where there is none, or somebody else's. */
export function readMarker(subject: string | null | undefined, senderId: number): Marker | undefined {
  const parts = pattern.exec(subject ?? '')
  if (parts === null || Number(parts[1]) !== senderId) return undefined
  const inReplyTo = decode(parts[5])
  const conversation = decode(parts[6])
  return { id: parts[4] as string, isJson: parts[2] === 'j', hops: Number(parts[3]), inReplyTo, conversation }
}

export function contentText(content: Json): string {
  return typeof content === 'string' ? content : JSON.stringify(content)
}

/** The content as it was given; the text itself where it is not what its marker says. */
export function contentOf(text: string, marker: Marker | undefined): Json {
  if (marker?.isJson !== true) return text
  try {
    const content = JSON.parse(text) as Json
    // One that is too deep could not be written again, and would be in the way of all that come after it.
    return contentProblem({ content }) === undefined ? content : text
  } catch {
    return text
  }
}

function decode(part: string | undefined): string | undefined {
  if (part === undefined || part === '') return undefined
  try {
    const text = decodeURIComponent(part)
    return text.length <= 256 && text.isWellFormed() ? text : undefined
  } catch {
    return undefined
  }
}
