import type { ReadyReason, ResumeFrame } from '../protocol/frames.ts'
import type { Random } from '../platform/random.ts'
import { decideHolder, readHolder, type HolderDecision } from './holder.ts'
import { giveUpPassed } from './lifetimes.ts'
import { markSeen } from './profiles.ts'
import { idOfSeq, readProducer, renumber, type Producer } from './publishing.ts'
import { adoptSession, type AdoptedSession } from './resumable-session.ts'
import { advanceAcked, markAt, readStream, rewindAcked, type Stream } from './streams.ts'
import type { HubTx } from './storage.ts'

export interface Resumed {
  readonly kind: 'resumed'
  readonly reason: ReadyReason
  readonly generation: number
  readonly sessionId: string
  readonly sessionIdentifier: string
  readonly stream: Stream
  /** Wall-clock ms: by which this connection is told from the holder's next one. */
  readonly at: number
  /** The position that is sent first. */
  readonly next: number
  readonly producer: Producer
}

export type ResumeOutcome = Resumed | Exclude<HolderDecision, { kind: 'take' }>

export interface ResumeRequest {
  readonly aiId: number
  readonly frame: ResumeFrame
  /** The instance that was found not to answer, if one was asked. */
  readonly goneInstance: string | undefined
  readonly now: number
  readonly random: Random
}

/** Takes an agent back into its session, in one transaction: who it is, where it reads, and how it numbers. */
export async function resume(tx: HubTx, request: ResumeRequest): Promise<ResumeOutcome> {
  const { aiId, frame, goneInstance, now, random } = request
  const holder = await readHolder(tx, aiId)
  const decision = decideHolder(holder, frame, holder !== undefined && holder.instance === goneInstance)
  if (decision.kind !== 'take') return decision
  const { generation } = decision
  await markSeen(tx, aiId, now)
  const session = await adoptSession(tx, { aiId, wanted: frame.session_identifier ?? undefined, now, random })
  await tx.run(
    `INSERT INTO holders (ai_id, generation, instance, claim, start, session_id, resumed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (ai_id) DO UPDATE SET generation = excluded.generation, instance = excluded.instance,
       claim = excluded.claim, start = excluded.start, session_id = excluded.session_id, standing = 'held',
       resumed_at = excluded.resumed_at, left_at = NULL, left_reason = NULL`,
    aiId,
    generation,
    frame.instance,
    frame.claim,
    frame.start,
    session.sessionId,
    now,
  )
  const stream = await readStream(tx, aiId)
  const producer = await readProducer(tx, aiId)
  const standing =
    frame.tx === undefined || frame.tx === null ? 'fresh' : await standingOf(tx, aiId, producer, frame.tx)
  const hubRewound =
    (holder !== undefined && frame.generation > holder.generation) ||
    !(await readsSameStream(tx, aiId, stream, frame.rx ?? undefined)) ||
    standing === 'unknown'
  const { sessionId, sessionIdentifier } = session
  const shared = { kind: 'resumed', generation, sessionId, sessionIdentifier, at: now } as const
  if (hubRewound) {
    const epoch = random.uuid()
    // Everything that is kept is sent again: which part of it the agent has, it knows by the ids.
    await tx.run('UPDATE streams SET epoch = ? WHERE ai_id = ?', epoch, aiId)
    await rewindAcked(tx, aiId, stream.floor)
    return {
      ...shared,
      reason: 'hub_rewound',
      stream: { ...stream, epoch, acked: stream.floor },
      next: stream.floor + 1,
      producer: await renumber(tx, aiId, random, { rewound: true }),
    }
  }
  const read = frame.rx?.offset ?? stream.floor
  // Where it says that it stands is on its disk: an acknowledgement may have been lost with the connection before.
  if (read > stream.acked) {
    await giveUpPassed(tx, aiId, { from: stream.acked, to: read, now })
    await advanceAcked(tx, aiId, { from: stream.acked, to: read, now })
  } else if (read < stream.acked) await rewindAcked(tx, aiId, Math.max(read, stream.floor))
  const reason = reasonOf(session.outcome, { standing, first: frame.rx === undefined || frame.rx === null })
  const keepsNumbers = standing === 'alike' || (standing === 'given up' && producer.verdictSeq === 0)
  return {
    ...shared,
    reason,
    stream,
    next: read + 1,
    producer: keepsNumbers
      ? producer
      : await renumber(tx, aiId, random, { givenUp: frame.tx?.producer_epoch, rewound: producer.rewound }),
  }
}

/** Whether the reader's position is one of this stream: if not, one of the two was put back to an earlier time. */
async function readsSameStream(
  tx: HubTx,
  aiId: number,
  stream: Stream,
  rx: NonNullable<ResumeFrame['rx']> | undefined,
): Promise<boolean> {
  if (rx === undefined) return true
  if (rx.epoch !== stream.epoch || rx.offset > stream.top) return false
  if (rx.last_id === null || rx.offset < stream.floor) return true
  const mark = await markAt(tx, aiId, stream, rx.offset)
  return mark === undefined || mark === rx.last_id
}

/**
 * How the agent's numbering stands to the hub's. `alike`: they go on from each other. `behind`: the hub has verdicts for
 * numbers that the agent has yet to give, so it was put back. `given up`: it was found to be put back before, and has not
 * heard of its new numbering. `unknown`: the hub does not know what the agent does, so it is the hub that was put back.
 */
type Standing = 'fresh' | 'alike' | 'behind' | 'given up' | 'unknown'

async function standingOf(
  tx: HubTx,
  aiId: number,
  producer: Producer,
  sent: NonNullable<ResumeFrame['tx']>,
): Promise<Standing> {
  if (sent.producer_epoch === producer.givenUp) return 'given up'
  if (sent.producer_epoch !== producer.epoch) return 'unknown'
  const { last_acked: lastAcked } = sent
  if (lastAcked !== null) {
    if (lastAcked.seq > producer.verdictSeq) return 'unknown'
    const id = await idOfSeq(tx, aiId, lastAcked.seq)
    if (id !== undefined && id !== lastAcked.id) return 'unknown'
  }
  return sent.next_seq <= producer.verdictSeq ? 'behind' : 'alike'
}

function reasonOf(
  session: AdoptedSession['outcome'],
  { standing, first }: { readonly standing: Standing; readonly first: boolean },
): ReadyReason {
  if (session === 'expired') return 'session_expired'
  if (session === 'ended') return 'session_ended'
  if (session === 'unknown') return 'session_unknown'
  if (standing === 'behind' || standing === 'given up') return 'agent_rewound'
  return session === 'new' || standing === 'fresh' || first ? 'new' : 'resumed'
}
