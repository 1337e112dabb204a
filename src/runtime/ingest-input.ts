import { PerduraError } from '../errors.ts'
import type { Json } from '../json.ts'
import type { InboxTable } from '../queue/inbox.ts'
import { isLabel, isParty } from '../queue/names.ts'
import { terminal } from '../queue/outbox.ts'
import type { IngestInput } from './agent.ts'

/** What was handed in as an entry of the inbox, or the error that says what is wrong with it. */
export function checkInput(input: IngestInput, payloadBytesMax: number): Parameters<InboxTable['accept']>[1] {
  const { id, payload, from = terminal, conversation = from, inReplyTo, hops = 0 } = input
  if (typeof id !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(id)) {
    throw new PerduraError('ERR_IDEMPOTENCY_KEY_INVALID', 'an id has 1 to 255 printable ASCII characters')
  }
  if (!isParty(from)) {
    throw new PerduraError(
      'ERR_PAYLOAD_INVALID',
      'from: a name of 1 to 128 characters, none of them a control character, without white space at its ends',
    )
  }
  if (!isLabel(conversation)) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'conversation: 1 to 256 characters, well-formed Unicode')
  }
  if (inReplyTo !== undefined && !isLabel(inReplyTo)) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'inReplyTo: the id of a message, 1 to 256 characters')
  }
  if (!Number.isSafeInteger(hops) || hops < 0 || hops > 1_000) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'hops: a whole number from 0 to 1000')
  }
  let text: string | undefined
  try {
    text = JSON.stringify(payload)
  } catch (cause) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'the payload cannot be written as JSON', { cause })
  }
  if (text === undefined) throw new PerduraError('ERR_PAYLOAD_INVALID', 'there is no payload')
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > payloadBytesMax) {
    throw new PerduraError(
      'ERR_PAYLOAD_TOO_LARGE',
      `the payload has ${sizeBytes} bytes, at most ${payloadBytesMax} are taken`,
      {
        details: { sizeBytes, payloadBytesMax },
      },
    )
  }
  // A copy: what the caller does to the payload until it is written is not taken in.
  const copy = JSON.parse(text) as Json
  return {
    kind: 'message',
    source: `from:${from}`,
    id,
    sender: from,
    conversation,
    payload: copy,
    hops,
    inReplyTo,
  }
}
