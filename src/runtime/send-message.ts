import { PerduraError } from '../errors.ts'
import type { Json } from '../json.ts'
import { isLabel, isParty } from '../queue/names.ts'
import { terminal, type NewOutgoing } from '../queue/outbox.ts'
import type { Priority } from '../queue/priority.ts'
import { checkUrgency } from '../queue/urgency.ts'
import type { Tx } from '../store/store.ts'

/** A message that the agent is to send, as its owner says, without a turn. */
export interface SendInput {
  /** What the message is called: 1 to 255 printable ASCII characters. The same id again is the same message. */
  readonly id: string
  readonly to: string
  readonly content: Json
  /** Default: the agent's own name. */
  readonly conversation?: string
  /** Which goes first of what waits to be sent; within a conversation order is kept. Default `normal`. */
  readonly priority?: Priority
  /** How long it is good for, as a duration (`'30s'`, ms): not sent by then, it expires. */
  readonly ttl?: string | number
}

/** What stands for a turn where there is none. */
const noTurn = 0

/** The message as the outbox takes it, or the error that says what is wrong with it. */
export function checkSend(input: SendInput, agent: string, payloadBytesMax: number): NewOutgoing {
  const { id, to, conversation = agent } = input
  if (typeof id !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(id)) {
    throw new PerduraError('ERR_IDEMPOTENCY_KEY_INVALID', 'an id has 1 to 255 printable ASCII characters')
  }
  if (!isParty(to) || to === terminal || to === agent) {
    throw new PerduraError('ERR_RECIPIENT', 'a recipient is the name of another agent')
  }
  if (!isLabel(conversation)) {
    throw new PerduraError('ERR_PAYLOAD_INVALID', 'conversation: 1 to 256 characters, well-formed Unicode')
  }
  const text = JSON.stringify(input.content)
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > payloadBytesMax) {
    throw new PerduraError(
      'ERR_PAYLOAD_TOO_LARGE',
      `the message has ${sizeBytes} bytes, at most ${payloadBytesMax} are taken`,
      { details: { sizeBytes, payloadBytesMax } },
    )
  }
  const content = JSON.parse(text) as Json
  return {
    id,
    turn: noTurn,
    to,
    conversation,
    content,
    hops: 0,
    inReplyTo: undefined,
    ...checkUrgency(input),
  }
}

/** Where the outbox has the id already; ERR_IDEMPOTENCY_KEY_REUSED where that is another message. */
export function findSent(tx: Tx, message: NewOutgoing): number | undefined {
  const known = tx.get<{ sequence: number; recipient: string; content: string }>(
    'SELECT sequence, recipient, content FROM outbox WHERE id = ?',
    message.id,
  )
  if (known === undefined) return undefined
  if (known.recipient === message.to && known.content === JSON.stringify(message.content))
    return known.sequence
  throw new PerduraError(
    'ERR_IDEMPOTENCY_KEY_REUSED',
    `"${message.id}" is what another message was called: choose another id`,
  )
}
