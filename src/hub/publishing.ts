import { createHash } from 'node:crypto'
import { PerduraError, type ErrorCode } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Random } from '../platform/random.ts'
import { expiredType } from '../protocol/frames.ts'
import type { Holder } from './holder.ts'
import { tellAgain } from './lifetimes.ts'
import { expectProfile } from './profiles.ts'
import { appendEntry, type StreamLimits } from './streams.ts'
import type { HubReader, HubTx } from './storage.ts'

/** Who asks for something, as the token or the session says. */
export interface Actor {
  readonly aiId: number
  readonly name: string
  /** What the asker believes to be its generation; plain v1 clients have none, and are never fenced. */
  readonly generation: number | undefined
}

export type Recipient = { readonly name: string } | { readonly aiId: number } | 'everybody'

export interface Publication {
  /** What the sender calls it: the same one again is the same message, for ever. */
  readonly id: string
  readonly recipient: Recipient
  readonly conversationId: string | undefined
  readonly subject: string | undefined
  readonly content: Json
  readonly messageType: string
  readonly metadata: JsonObject | undefined
  /** How long it is good for, ms: then it is given up, unless its recipient has fetched it. */
  readonly ttlMs?: number
  /** It was accepted before the hub was put back to an earlier time: there is room for it, and a recipient. */
  readonly again?: boolean
  /** Why nobody could take it: it is refused, and the verdict kept, so that it does not block what comes after it. */
  readonly problem?: string
}

export interface Verdict {
  readonly result: 'ok' | 'refused'
  readonly duplicate: boolean
  readonly code: ErrorCode | undefined
  readonly error: string | undefined
  /** Whose streams have got a new entry. */
  readonly recipients: readonly number[]
}

/** Where a publication stands in the numbering of its sender. */
export interface SequencePlace {
  readonly producerEpoch: string
  readonly seq: number
}

export type PublishOutcome =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  /** There is a hole before it. */
  | { readonly kind: 'expected'; readonly seq: number }
  /** Its numbering is not the one that the hub knows: the sender has to resume, and gets a new one. */
  | { readonly kind: 'resume_again' }

/** Pairs of (seq, id) that are kept of a numbering: more than an outbox can hold that has not heard of its verdicts. */
const seqsKept = 20_000

/**
 * Whether this one may act: ERR_FENCED where another instance has a higher generation, or where this one has let go, and
 * ERR_SESSION_ENDED where its session was ended. Always asked in the transaction of what it guards: from a cache, a write
 * could pass that was on its way while the generation rose.
 */
export async function assertNotFenced(tx: HubReader, actor: Actor): Promise<void> {
  const standing = await assertNotReplaced(tx, actor)
  if (standing === 'ended') {
    throw new PerduraError(
      'ERR_SESSION_ENDED',
      'the session was ended: start the agent again for another one',
    )
  }
  if (standing !== 'released') return
  throw new PerduraError(
    'ERR_FENCED',
    'this process has handed its session over: the next one of the agent has it',
    {
      details: { generation: actor.generation ?? 0 },
    },
  )
}

/**
 * The same for what the owner of an agent may do without being the process that acts for it. Resolves to the standing of
 * the actor's own generation; undefined where it is not the current one, or has none.
 */
export async function assertNotReplaced(
  tx: HubReader,
  { aiId, generation }: Actor,
): Promise<Holder['standing'] | undefined> {
  if (generation === undefined) return undefined
  const holder = await tx.get<Pick<Holder, 'generation' | 'standing'>>(
    'SELECT generation, standing FROM holders WHERE ai_id = ?',
    aiId,
  )
  if (holder === undefined || holder.generation < generation) return undefined
  if (holder.generation === generation) return holder.standing
  throw new PerduraError(
    'ERR_FENCED',
    `another process of this agent has taken over (generation ${holder.generation}, this one has ${generation}): stop ` +
      'this one, or take over on purpose with `perdura start <agent> --takeover`',
    { details: { generation: holder.generation } },
  )
}

/**
 * Who numbers or acknowledges has its generation on its disk: the claim that it came with has done its work. Left standing,
 * a copy of its folder that has the same claim could take the session back, and would not be fenced.
 */
export async function settleClaim(tx: HubTx, { aiId }: Actor): Promise<void> {
  await tx.run("UPDATE holders SET claim = '' WHERE ai_id = ? AND claim <> ''", aiId)
}

interface KnownPublish {
  readonly content_hash: string
  readonly result: Verdict['result']
  readonly code: ErrorCode | null
  readonly error: string | null
}

/** 128 bits that stand for what a message says, and to whom. */
function hashOf({ recipient, conversationId, subject, content, messageType }: Publication): string {
  const text = JSON.stringify([recipient, conversationId ?? null, subject ?? null, messageType, content])
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** Takes a message in under the id that its sender gave it, or tells what became of it before. */
export async function publishOnce(
  tx: HubTx,
  limits: StreamLimits,
  sender: Actor,
  publication: Publication,
  now: number,
): Promise<Verdict> {
  await assertNotFenced(tx, sender)
  const contentHash = hashOf(publication)
  const known = await tx.get<KnownPublish>(
    'SELECT content_hash, result, code, error FROM publishes WHERE sender_id = ? AND id = ?',
    sender.aiId,
    publication.id,
  )
  if (known !== undefined) {
    const { content_hash: knownHash, result, code, error } = known
    // An agent that was put back may decide otherwise the second time; only the first was sent, and it must hear of it.
    if (knownHash !== contentHash && publication.problem === undefined) {
      return refused(
        'ERR_IDEMPOTENCY_KEY_REUSED',
        'this id was used for another message already, which stands',
      )
    }
    // Its sender may have been put back to before it heard of that.
    if (publication.ttlMs !== undefined) await tellAgain(tx, sender.aiId, publication.id, now)
    return { result, duplicate: true, code: code ?? undefined, error: error ?? undefined, recipients: [] }
  }
  const verdict = await append(tx, limits, sender, publication, now)
  await tx.run(
    `INSERT INTO publishes (sender_id, id, content_hash, result, code, error, published_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    sender.aiId,
    publication.id,
    contentHash,
    verdict.result,
    verdict.code ?? null,
    verdict.error ?? null,
    now,
  )
  return verdict
}

/**
 * The same for a sender that numbers what it publishes: in order, without holes, each number with one verdict. A number
 * that comes with another id than before shows that the sender's outbox was rewound; it then gets another numbering, and
 * what it publishes again is known by its id.
 */
export async function publishInOrder(
  tx: HubTx,
  limits: StreamLimits,
  sender: Actor,
  { producerEpoch, seq }: SequencePlace,
  publication: Publication,
  { now, random }: { readonly now: number; readonly random: Random },
): Promise<PublishOutcome> {
  await assertNotFenced(tx, sender)
  await settleClaim(tx, sender)
  const producer = await readProducer(tx, sender.aiId)
  if (producer.epoch !== producerEpoch) return { kind: 'resume_again' }
  if (seq > producer.verdictSeq + 1) return { kind: 'expected', seq: producer.verdictSeq + 1 }
  if (seq <= producer.verdictSeq && (await idOfSeq(tx, sender.aiId, seq)) !== publication.id) {
    await renumber(tx, sender.aiId, random, { givenUp: producer.epoch, rewound: producer.rewound })
    return { kind: 'resume_again' }
  }
  // Believed only where this hub knows itself that it was put back.
  const again = publication.again === true && producer.rewound
  const { problem, recipient } = publication
  // It has been put back to before this one registered, who will be back.
  if (again && problem === undefined && recipient !== 'everybody' && 'name' in recipient) {
    await expectProfile(tx, random, recipient.name, now)
  }
  const verdict = await publishOnce(tx, limits, sender, { ...publication, again }, now)
  if (seq > producer.verdictSeq) {
    await tx.run('UPDATE producers SET verdict_seq = ? WHERE ai_id = ?', seq, sender.aiId)
    await tx.run(
      'INSERT INTO published_seqs (sender_id, seq, id) VALUES (?, ?, ?)',
      sender.aiId,
      seq,
      publication.id,
    )
    await tx.run('DELETE FROM published_seqs WHERE sender_id = ? AND seq <= ?', sender.aiId, seq - seqsKept)
  }
  return { kind: 'verdict', verdict }
}

export interface Producer {
  readonly epoch: string
  readonly verdictSeq: number
  /** The epoch that was given up because the agent had been put back, which it may not have heard of yet. */
  readonly givenUp: string | undefined
  /** It was begun because the hub had been put back. */
  readonly rewound: boolean
}

export async function readProducer(reader: HubReader, aiId: number): Promise<Producer> {
  const row = await reader.get<{
    epoch: string
    verdict_seq: number
    given_up: string | null
    rewound: number
  }>('SELECT epoch, verdict_seq, given_up, rewound FROM producers WHERE ai_id = ?', aiId)
  if (row === undefined) throw new PerduraError('ERR_NO_SUCH_PROFILE', 'the agent is not registered here')
  return {
    epoch: row.epoch,
    verdictSeq: row.verdict_seq,
    givenUp: row.given_up ?? undefined,
    rewound: row.rewound === 1,
  }
}

/** What was published under a number, where that is still known. */
export async function idOfSeq(reader: HubReader, aiId: number, seq: number): Promise<string | undefined> {
  const row = await reader.get<{ id: string }>(
    'SELECT id FROM published_seqs WHERE sender_id = ? AND seq = ?',
    aiId,
    seq,
  )
  return row?.id
}

/** Begins a new numbering: seq 1 comes next. */
export async function renumber(
  tx: HubTx,
  aiId: number,
  random: Random,
  { givenUp, rewound = false }: { readonly givenUp?: string | undefined; readonly rewound?: boolean },
): Promise<Producer> {
  const epoch = random.uuid()
  await tx.run(
    'UPDATE producers SET epoch = ?, verdict_seq = 0, given_up = ?, rewound = ? WHERE ai_id = ?',
    epoch,
    givenUp ?? null,
    rewound ? 1 : 0,
    aiId,
  )
  await tx.run('DELETE FROM published_seqs WHERE sender_id = ?', aiId)
  return { epoch, verdictSeq: 0, givenUp, rewound }
}

async function append(
  tx: HubTx,
  limits: StreamLimits,
  sender: Actor,
  publication: Publication,
  now: number,
): Promise<Verdict> {
  const { problem, recipient } = publication
  if (problem !== undefined) return refused('ERR_REQUEST_INVALID', problem)
  if (publication.messageType === expiredType) {
    return refused(
      'ERR_REQUEST_INVALID',
      `message_type: "${expiredType}" is what the hub says, choose another`,
    )
  }
  const recipients = await resolveRecipients(tx, sender, publication, now)
  if (recipients.length === 0 && recipient !== 'everybody') {
    const who = 'name' in recipient ? `"${recipient.name}"` : `the id ${recipient.aiId}`
    return refused('ERR_RECIPIENT', `no agent at this hub has ${who}: perdura hub agents lists them`)
  }
  const content = JSON.stringify(publication.content)
  const metadata = publication.metadata === undefined ? null : JSON.stringify(publication.metadata)
  const sizeBytes = Buffer.byteLength(content) + Buffer.byteLength(metadata ?? '') + envelopeBytes
  if (sizeBytes > limits.messageBytesMax) {
    const most = `${sizeBytes} bytes, and at most ${limits.messageBytesMax} are taken`
    return refused('ERR_PAYLOAD_TOO_LARGE', `the message has ${most}: send less at once`)
  }
  const room = publication.again === true ? roomAgain(limits) : limits
  const reached: number[] = []
  const expiresAt = publication.ttlMs === undefined ? undefined : now + publication.ttlMs
  const entry = { messageId: publication.id, sizeBytes, now, expiresAt }
  for (const aiId of recipients) {
    const taken = await appendEntry(tx, room, aiId, entry, () =>
      insertMessage(tx, sender, aiId, publication, { content, metadata, now }),
    )
    if (taken) reached.push(aiId)
  }
  const full = recipients.length - reached.length
  if (full === 0)
    return { result: 'ok', duplicate: false, code: undefined, error: undefined, recipients: reached }
  if (reached.length === 0) {
    // It was accepted once, so it is not refused now: the sender tries again until the recipient has taken some.
    if (publication.again === true)
      throw new PerduraError('ERR_HUB_STORAGE', 'the inbox of the recipient is full')
    return refused(
      'ERR_RECIPIENT_FULL',
      'the inbox of the recipient at the hub is full: try again with a new id later',
    )
  }
  const error = `not taken by ${full} of ${recipients.length}, whose inboxes at the hub are full`
  return { result: 'ok', duplicate: false, code: 'ERR_RECIPIENT_FULL', error, recipients: reached }
}

/** What was accepted once has been within its bounds; what has come since may have filled them once more. */
function roomAgain(limits: StreamLimits): Pick<StreamLimits, 'waitingMax' | 'waitingBytesMax'> {
  return { waitingMax: 2 * limits.waitingMax, waitingBytesMax: 2 * limits.waitingBytesMax }
}

/** What a message costs besides its content: identifiers, the row, the frame. */
const envelopeBytes = 256

/** How long a name that is only expected to come back is as good as one that is there. */
const expectedForMs = 3_600_000

async function resolveRecipients(
  tx: HubTx,
  sender: Actor,
  { recipient, again }: Publication,
  now: number,
): Promise<number[]> {
  // In ascending order, so that two broadcasts at two hubs never wait for each other.
  if (recipient === 'everybody') {
    const rows = await tx.all<{ id: number }>(
      'SELECT id FROM profiles WHERE is_active = 1 AND id <> ? ORDER BY id',
      sender.aiId,
    )
    return rows.map(({ id }) => id)
  }
  // After an hour it is rather a name that nobody ever had: what was accepted once is kept for it, and nothing else.
  const expectedSince = again === true ? 0 : now - expectedForMs
  const row = await tx.get<{ id: number }>(
    `SELECT id FROM profiles WHERE is_active = 1 AND ${'name' in recipient ? 'name' : 'id'} = ?
       AND (credential_kind <> 'expected' OR created_at >= ?)`,
    'name' in recipient ? recipient.name : recipient.aiId,
    expectedSince,
  )
  return row === undefined ? [] : [row.id]
}

async function insertMessage(
  tx: HubTx,
  sender: Actor,
  recipientId: number,
  publication: Publication,
  {
    content,
    metadata,
    now,
  }: { readonly content: string; readonly metadata: string | null; readonly now: number },
): Promise<number> {
  const row = await tx.get<{ id: number }>(
    `INSERT INTO messages (message_id, sender_id, recipient_id, conversation_id, subject, content, message_type,
       metadata, status, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'unread', ?) RETURNING id`,
    publication.id,
    sender.aiId,
    recipientId,
    publication.conversationId ?? null,
    publication.subject ?? null,
    content,
    publication.messageType,
    metadata,
    now,
  )
  return (row as { id: number }).id
}

function refused(code: ErrorCode, error: string): Verdict {
  return { result: 'refused', duplicate: false, code, error, recipients: [] }
}
