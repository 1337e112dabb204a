import type { HubParts } from '../../../src/hub/parts.ts'
import { hubParts } from '../../../src/hub/parts.ts'
import type { HubStorage, HubTx } from '../../../src/hub/storage.ts'
import type { Connection } from '../../../src/platform/transport.ts'
import { agentParts } from '../../../src/runtime/parts.ts'
import { StoredSession, type StoredSessionOptions } from '../../../src/runtime/hub/session-store.ts'
import type { Begun, IncomingPage } from '../../../src/session/position.ts'
import type { Invariant } from '../wire/judge.ts'
import { operatorMutants } from './operator-mutants.ts'
import type { WireSwaps } from '../wire/machines.ts'
import type { Mishaps } from '../wire/mishaps.ts'
import { moveMutants } from './move-mutants.ts'

/** A hub or a session with one part replaced by a broken one, and what must notice. */
export interface WireMutant {
  readonly name: string
  /** One of these is violated within the bounded number of seeds. */
  readonly caughtBy: readonly Invariant[]
  /** Mishaps that it takes, where those that a seed draws would bring it out too rarely. */
  readonly mishaps?: Partial<Mishaps>
  /** Made anew for every seed. */
  readonly swaps: () => WireSwaps
}

const withHub = (broken: Partial<HubParts>): WireSwaps => ({ hub: broken })

export const wireMutants: readonly WireMutant[] = [
  ...moveMutants,
  {
    name: 'a hub that gives its verdict before the message is on disk',
    caughtBy: ['verdict-after-commit'],
    swaps: () => ({ storage: answerEarly }),
  },
  {
    name: 'a hub that knows repeats by their number alone',
    caughtBy: ['delivered-once'],
    mishaps: { agentRestores: 3 },
    swaps: () =>
      withHub({
        async publishInOrder(tx, limits, sender, place, publication, context) {
          const { verdict_seq: verdictSeq } = (await tx.get<{ verdict_seq: number }>(
            'SELECT verdict_seq FROM producers WHERE ai_id = ?',
            sender.aiId,
          )) as { verdict_seq: number }
          if (place.seq > verdictSeq) {
            return hubParts.publishInOrder(tx, limits, sender, place, publication, context)
          }
          const known = {
            result: 'ok',
            duplicate: true,
            code: undefined,
            error: undefined,
            recipients: [],
          } as const
          return { kind: 'verdict', verdict: known }
        },
        resume: (tx, request) =>
          hubParts.resume(tx, {
            ...request,
            frame: { ...request.frame, tx: request.frame.tx && { ...request.frame.tx, next_seq: 1e9 } },
          }),
      }),
  },
  {
    name: 'a hub that forgets the ids of what was published',
    caughtBy: ['delivered-once'],
    swaps: () =>
      withHub({
        async publishInOrder(tx, limits, sender, place, publication, context) {
          await tx.run('DELETE FROM publishes WHERE sender_id = ?', sender.aiId)
          return hubParts.publishInOrder(tx, limits, sender, place, publication, context)
        },
      }),
  },
  {
    name: 'a hub that refuses a message now and then',
    caughtBy: ['refusals-justified'],
    mishaps: { waitingMax: 10_000 },
    swaps() {
      let count = 0
      return withHub({
        publishInOrder(tx, limits, sender, place, publication, context) {
          const recipient = (count += 1) % 7 === 0 ? { aiId: 0 } : publication.recipient
          return hubParts.publishInOrder(tx, limits, sender, place, { ...publication, recipient }, context)
        },
      })
    },
  },
  {
    name: 'a hub without fencing',
    caughtBy: ['fenced-changes-nothing'],
    mishaps: { clones: 2, partitions: 6, cuts: 10, halfOpenRate: 1, hubNodes: 2, hubRestores: 0 },
    swaps: () =>
      withHub({
        publishInOrder: (tx, limits, sender, place, publication, context) =>
          hubParts.publishInOrder(tx, limits, unfenced(sender), place, publication, context),
        acknowledge: (tx, actor, position, now) => hubParts.acknowledge(tx, unfenced(actor), position, now),
      }),
  },
  {
    name: 'a hub that takes generations from a cache',
    caughtBy: ['fenced-changes-nothing'],
    mishaps: { clones: 2, partitions: 6, cuts: 10, halfOpenRate: 1, hubNodes: 2, hubRestores: 0 },
    swaps() {
      const checkedAt = new Map<string, number>()
      const recently = (actor: { aiId: number; generation: number | undefined }, now: number): boolean => {
        const key = `${actor.aiId} ${actor.generation}`
        const at = checkedAt.get(key)
        if (at !== undefined && now - at < 20_000) return true
        checkedAt.set(key, now)
        return false
      }
      return withHub({
        publishInOrder: (tx, limits, sender, place, publication, context) => {
          const actor = recently(sender, context.now) ? unfenced(sender) : sender
          return hubParts.publishInOrder(tx, limits, actor, place, publication, context)
        },
        acknowledge: (tx, actor, position, now) =>
          hubParts.acknowledge(tx, recently(actor, now) ? unfenced(actor) : actor, position, now),
      })
    },
  },
  {
    name: 'a hub whose offsets come from a sequence, which also counts what was undone',
    caughtBy: ['offsets-without-holes', 'converges'],
    swaps() {
      let count = 0
      return withHub({
        async publishInOrder(tx, limits, sender, place, publication, context) {
          const outcome = await hubParts.publishInOrder(tx, limits, sender, place, publication, context)
          if (outcome.kind === 'verdict' && (count += 1) % 13 === 0) {
            await tx.run(
              'UPDATE streams SET top = top + 1 WHERE ai_id = ?',
              outcome.verdict.recipients[0] ?? 0,
            )
          }
          return outcome
        },
      })
    },
  },
  {
    name: 'an agent whose credit is not cumulative',
    caughtBy: ['converges'],
    swaps: () => ({
      transport: (transport) => ({
        connect: (url, options, sink) =>
          rewriting(transport.connect(url, options, sink), (frame) =>
            frame.startsWith('{"type":"credit"') ? '{"type":"credit","messages":2,"bytes":2000}' : frame,
          ),
      }),
    }),
  },
  {
    name: 'an agent that never hears that it may publish more',
    caughtBy: ['converges'],
    mishaps: { publishMax: 2 },
    swaps: () => ({
      transport: (transport) => ({
        connect: (url, options, sink) =>
          transport.connect(url, options, {
            onOpen: () => sink.onOpen(),
            onFrame: (frame) => {
              if (!frame.startsWith('{"type":"credit"')) sink.onFrame(frame)
            },
            onClose: (close) => sink.onClose(close),
          }),
      }),
    }),
  },
  {
    name: 'a hub that begins a new session after a time-out',
    caughtBy: ['one-session'],
    mishaps: { partitions: 4 },
    swaps: () =>
      withHub({
        async resume(tx, request) {
          await tx.run(
            "UPDATE sessions SET status = 'ended' WHERE ai_id = ? AND seen_at < ?",
            request.aiId,
            request.now - 5_000,
          )
          return hubParts.resume(tx, request)
        },
      }),
  },
  {
    name: 'a hub that does not notice that it was put back',
    caughtBy: ['delivered-once', 'converges'],
    mishaps: { hubNodes: 1, hubRestores: 2 },
    swaps: () =>
      withHub({
        async resume(tx, request) {
          const { frame, aiId } = request
          const stream = await one<{ epoch: string; top: number }>(tx, 'SELECT epoch, top FROM streams', aiId)
          const producer = await one<{ epoch: string; verdict_seq: number }>(
            tx,
            'SELECT epoch, verdict_seq FROM producers',
            aiId,
          )
          const rx = frame.rx && {
            epoch: stream.epoch,
            offset: Math.min(frame.rx.offset, stream.top),
            last_id: null,
          }
          const sent = frame.tx && { ...frame.tx, producer_epoch: producer.epoch, last_acked: null }
          return hubParts.resume(tx, { ...request, frame: { ...frame, rx, tx: sent } })
        },
      }),
  },
  {
    name: 'a hub that does not see a resume as an acknowledgement',
    caughtBy: ['converges'],
    mishaps: { agentDeaths: 6 },
    swaps: () =>
      withHub({
        async resume(tx, request) {
          const before = await one<{ acked: number; waiting_count: number; waiting_bytes: number }>(
            tx,
            'SELECT acked, waiting_count, waiting_bytes FROM streams',
            request.aiId,
          )
          const outcome = await hubParts.resume(tx, request)
          if (outcome.kind === 'resumed' && outcome.reason === 'resumed') {
            await tx.run(
              'UPDATE streams SET acked = ?, waiting_count = ?, waiting_bytes = ? WHERE ai_id = ?',
              before.acked,
              before.waiting_count,
              before.waiting_bytes,
              request.aiId,
            )
          }
          return outcome
        },
      }),
  },
  {
    name: 'a hub that knows no claims',
    caughtBy: ['converges'],
    mishaps: { agentDeaths: 6, boundaryMax: 30 },
    swaps: () =>
      withHub({
        resume: (tx, request) =>
          hubParts.resume(tx, { ...request, frame: { ...request.frame, claim: String(request.now) } }),
      }),
  },
  {
    name: 'a session that acknowledges before it has committed',
    caughtBy: ['ack-after-commit'],
    swaps: () => withStore((options) => new AcceptsEarly(options)),
  },
  {
    name: 'a session that moves its position before the messages are in the inbox',
    caughtBy: ['delivered-once'],
    mishaps: { agentDeaths: 8, boundaryMax: 100 },
    swaps: () => withStore((options) => new MovesFirst(options)),
  },
  {
    name: 'a session that keeps to itself what a hub may have lost',
    caughtBy: ['delivered-once'],
    mishaps: { hubNodes: 1, hubRestores: 2 },
    swaps: () => withStore((options) => new KeepsWindow(options)),
  },
  {
    name: 'an agent that believes that offsets make ids needless',
    caughtBy: ['delivered-once'],
    mishaps: { hubNodes: 1, hubRestores: 2 },
    swaps() {
      let count = 0
      const accept: typeof agentParts.inbox.accept = (tx, entry, now) => {
        const isMessage = entry.source !== 'from:you'
        return agentParts.inbox.accept(
          tx,
          isMessage ? { ...entry, id: `${entry.id}~${(count += 1)}` } : entry,
          now,
        )
      }
      return { agent: { inbox: { ...agentParts.inbox, accept } } }
    },
  },
  {
    name: 'a hub that refuses for want of room what it had accepted before it was put back',
    caughtBy: ['refusals-final', 'delivered-once'],
    mishaps: { hubNodes: 1, hubRestores: 2, waitingMax: 3, clones: 0, agentRestores: 0 },
    swaps: () =>
      withHub({
        publishInOrder: (tx, limits, sender, place, publication, context) =>
          hubParts.publishInOrder(tx, limits, sender, place, { ...publication, again: false }, context),
      }),
  },
  ...operatorMutants,
]

class Rehearsed extends Error {
  readonly result: unknown

  constructor(result: unknown) {
    super('rehearsed')
    this.result = result
  }
}

/** Finds out what the result will be, answers with it, and writes afterwards. */
function answerEarly(storage: HubStorage): HubStorage {
  return {
    read: (operation) => storage.read(operation),
    close: () => storage.close(),
    async write(operation) {
      try {
        return await storage.write(async (tx) => {
          throw new Rehearsed(await operation(tx))
        })
      } catch (thrown) {
        if (!(thrown instanceof Rehearsed)) throw thrown
        const isVerdict = (thrown.result as { kind?: unknown } | undefined)?.kind === 'verdict'
        if (!isVerdict) return storage.write(operation)
        storage.write(operation).catch(() => undefined)
        return thrown.result as never
      }
    },
  }
}

function unfenced<T extends { readonly generation: number | undefined }>(actor: T): T {
  return { ...actor, generation: undefined }
}

async function one<Row>(tx: HubTx, select: string, aiId: number): Promise<Row> {
  return (await tx.get<Row>(`${select} WHERE ai_id = ?`, aiId)) as Row
}

function rewriting(connection: Connection, rewrite: (frame: string) => string): Connection {
  return {
    get bufferedBytes() {
      return connection.bufferedBytes
    },
    send: (frame) => connection.send(rewrite(frame)),
    ping: () => connection.ping(),
    close: (code, reason) => connection.close(code, reason),
    terminate: () => connection.terminate(),
  }
}

function withStore(createSessionStore: (options: StoredSessionOptions) => StoredSession): WireSwaps {
  return { agent: { createSessionStore } }
}

class AcceptsEarly extends StoredSession {
  override async accept(page: IncomingPage): Promise<void> {
    super.accept(page).catch(() => undefined)
  }
}

class MovesFirst extends StoredSession {
  readonly #options: StoredSessionOptions

  constructor(options: StoredSessionOptions) {
    super(options)
    this.#options = options
  }

  override async accept(page: IncomingPage): Promise<void> {
    const { store, hub } = this.#options
    await super.accept({ ...page, messages: [] })
    // Once more from where the page began, now with what is in it: dead in between, it has lost that.
    await store.write((tx) => tx.run('SELECT 1'))
    const moved = store.write((tx) =>
      tx.run('UPDATE session SET rx_offset = ? WHERE hub = ?', page.after, hub),
    )
    await Promise.all([moved, super.accept(page)])
  }
}

class KeepsWindow extends StoredSession {
  override begin(begun: Begun): Promise<void> {
    return super.begin(begun.reason === 'hub_rewound' ? { ...begun, reason: 'new' } : begun)
  }
}
