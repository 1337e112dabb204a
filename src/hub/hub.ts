import { PerduraError } from '../errors.ts'
import { ClockDoubt } from '../platform/clock-doubt.ts'
import type { HttpAddress, HttpRequest, HttpResponse, HttpServer } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Platform } from '../platform/platform.ts'
import { admissionLimits, type AdmissionLimits } from './admission/limits.ts'
import { createAuth, type HubAuthOptions } from './auth/auth.ts'
import { readBacklog, type Backlog } from './backlog.ts'
import { sweepMessages } from './messages.ts'
import { hubParts, type HubParts } from './parts.ts'
import { drain } from './relay/drain.ts'
import { Door } from './relay/door.ts'
import { LoginGuard } from './relay/login-guard.ts'
import { activityLimits, type ActivityLimits } from './relay/plain-activity.ts'
import { Registry } from './relay/registry.ts'
import { defaultSendQueuesBytesMax, SendQueues } from './relay/send-queues.ts'
import { defaultRelayLimits, type Relay, type RelayLimits } from './relay/relay.ts'
import { TokenBuckets } from '../platform/token-bucket.ts'
import { createRest } from './rest/rest.ts'
import type { HubStorage } from './storage.ts'
import { sweepSessions } from './resumable-session.ts'
import { defaultStreamLimits, type StreamLimits } from './streams.ts'
import { sweepStreams } from './sweep.ts'
import { Sweeper } from './sweeper.ts'
import { watchedAdmission, watchedStorage, type HubWatch } from './watch.ts'

export interface HubOptions {
  readonly platform: Pick<Platform, 'clock' | 'random' | 'disk' | 'listener'>
  readonly log: Log
  /** Taken over: `close` closes it. */
  readonly storage: HubStorage
  /** Where the signing keys are. */
  readonly keysFolder: string
  /** REST and WebSockets are served on each of them. */
  readonly addresses: readonly HttpAddress[]
  readonly auth?: HubAuthOptions
  readonly limits?: Partial<RelayLimits>
  readonly streamLimits?: Partial<StreamLimits>
  readonly requestsPerMinute?: number
  /** How much is let in at a time; what is left out is as in `AdmissionLimits`. */
  readonly admission?: Partial<AdmissionLimits>
  /** What may have been sent and not been read, over all connections; beyond it, those with most are ended. Default 256 MiB. */
  readonly sendQueuesBytesMax?: number
  /** When clients of v1 that do nothing are asked, put to sleep and sent away. */
  readonly activity?: Partial<ActivityLimits>
  readonly watch?: HubWatch
  /** What is served beside the interface of the hub; undefined for a path that is not among them. */
  readonly pages?: (request: HttpRequest) => Promise<HttpResponse> | undefined
  readonly parts?: HubParts
}

export type ProbeDepth = 'queue' | 'disk'

export interface Hub {
  /** Where it listens, with the ports that were found; in the order of the options. */
  readonly addresses: readonly HttpAddress[]
  /** How many agents have a session over a connection here. */
  readonly sessionCount: number
  /** How many WebSockets there are here. */
  readonly connectionCount: number
  /**
   * Rejects where nothing can be written. It takes its turn behind what waits: with `queue` it costs nothing else, with
   * `disk` it is a commit, with a sync, of one row that is always the same.
   */
  probe(depth: ProbeDepth): Promise<void>
  backlog(): Promise<Backlog>
  /**
   * Stops accepting, and sends everybody away: what is under way is answered, connections end one after the other, and their
   * peers are told when to come back. Resolves when all are gone, after `graceMs` (default 1,000) at the latest.
   */
  close(graceMs?: number): Promise<void>
}

const bodyBytesMax = 1024 * 1024
const sweepRows = 500
const writeProbe = `
  INSERT INTO counters (name, value) VALUES ('probes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1`

/** Starts a hub: everything that it promises is in its storage, so that any number of them can share one. */
export async function createHub(options: HubOptions): Promise<Hub> {
  const { platform, log, watch } = options
  const { clock, random, disk } = platform
  const storage = watch === undefined ? options.storage : watchedStorage(options.storage, clock, watch)
  const parts = options.parts ?? hubParts
  const streamLimits = { ...defaultStreamLimits, ...options.streamLimits }
  const auth = await createAuth(
    { storage, clock, random, disk, log, keysFolder: options.keysFolder, standing: parts.standing },
    options.auth,
  )
  const limits = { ...defaultRelayLimits, ...options.limits }
  const registry = new Registry()
  const { sendQueuesBytesMax = defaultSendQueuesBytesMax } = options
  if (!(sendQueuesBytesMax >= 2 ** 20 && sendQueuesBytesMax <= 2 ** 40))
    throw new PerduraError('ERR_USAGE', 'sendQueuesBytesMax: bytes, from 1 MiB to 1 TiB')
  const doubt = new ClockDoubt(clock)
  const decided = parts.createAdmission({ clock, random, limits: admissionLimits(options.admission) })
  const admission = watch === undefined ? decided : watchedAdmission(decided, watch)
  const relay: Relay = {
    clock,
    random,
    log,
    storage,
    registry,
    sendQueues: new SendQueues({ bytesMax: sendQueuesBytesMax, members: () => registry.members(), log }),
    parts,
    limits,
    publishRates: new TokenBuckets(clock, limits.publishRate),
    streamLimits,
    activity: activityLimits(options.activity),
    nodeId: random.uuid(),
    dueBy: () => doubt.earliest(),
    authenticate: (token) => auth.authenticate(token),
    revalidate: (who) => auth.revalidate(who),
  }
  const door = new Door({ relay, admission, peek: (token) => auth.peek(token) })
  const rest = createRest({
    storage,
    auth,
    clock,
    random,
    log,
    limits: streamLimits,
    onPublished: (recipients) => relay.registry.wake(recipients),
    present: () => registry.present(),
    isAsleep: (aiId) => registry.isAsleep(aiId),
    onActive: (aiId) => registry.active(aiId),
    admitLogin: (caller) => admission.admitLogin(caller),
    hasSession: (aiId) => relay.registry.session(aiId) !== undefined,
    onSessionEnded: (aiId) => relay.registry.session(aiId)?.recheck(),
    ...(options.requestsPerMinute !== undefined && { requestsPerMinute: options.requestsPerMinute }),
  })
  const sweep = (now: number): Promise<number> => {
    auth.rotateKeys()
    return storage.write(async (tx) => {
      const bounds = { now, countMax: sweepRows }
      const entries = await sweepStreams(tx, streamLimits, bounds)
      const lifetimes = await parts.expireEntries(tx, bounds)
      const messages = await sweepMessages(tx, streamLimits, bounds)
      const sessions = await sweepSessions(tx, bounds)
      return entries + lifetimes + messages + sessions + (await auth.sweep(tx, now, sweepRows))
    })
  }
  const sweeper = new Sweeper({ clock, log, doubt, sweep })
  const servers: HttpServer[] = []
  try {
    for (const address of options.addresses) {
      servers.push(
        await platform.listener.listen(
          address,
          {
            bodyBytesMax,
            onError: (error) => log.error('hub:request:failed', { error }),
            upgrade: {
              frameBytesMax: relay.limits.frameBytesMax,
              accept: (upgrade, connection) => door.accept(upgrade, connection),
            },
          },
          async (request) => (await options.pages?.(request)) ?? (await rest(request)),
        ),
      )
    }
  } catch (error) {
    await Promise.all(servers.map((server) => server.close(0)))
    await storage.close()
    throw error
  }
  sweeper.start()
  const guard = new LoginGuard(relay)
  auth.logins.start({ log, onChange: (change) => guard.changed(change) })
  return {
    addresses: servers.map(({ address }) => address),
    get sessionCount() {
      return relay.registry.sessionCount
    },
    get connectionCount() {
      return relay.registry.connectionCount
    },
    // Not watched: nobody has asked for it.
    probe: (depth) =>
      options.storage.write(async (tx) => {
        // SQLite writes nothing for a transaction that changes nothing: then a disk that is full goes unnoticed.
        if (depth === 'disk') await tx.run(writeProbe)
      }),
    backlog: () => options.storage.read(readBacklog),
    async close(graceMs = 1_000) {
      sweeper.stop()
      door.shut()
      const closed = servers.map((server) => server.close(graceMs))
      drain({ registry, admission, random, graceMs })
      await Promise.all(closed)
      auth.logins.stop()
      guard.stop()
      await storage.close()
    },
  }
}
