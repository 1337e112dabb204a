import { PerduraError, toError } from '../errors.ts'
import { ClockDoubt } from '../platform/clock-doubt.ts'
import type { Timer } from '../platform/clock.ts'
import type { HttpAddress, HttpServer } from '../platform/http.ts'
import type { Log } from '../platform/log.ts'
import type { Platform } from '../platform/platform.ts'
import type { Connection, ConnectionSink, Upgrade } from '../platform/transport.ts'
import { createAuth, type HubAuthOptions } from './auth/auth.ts'
import { sweepMessages } from './messages.ts'
import { hubParts, type HubParts } from './parts.ts'
import { LoginGuard } from './relay/login-guard.ts'
import { PlainConnection } from './relay/plain-connection.ts'
import { Registry } from './relay/registry.ts'
import { defaultRelayLimits, type Relay, type RelayLimits } from './relay/relay.ts'
import { ResumableConnection } from './relay/resumable-connection.ts'
import { TokenBuckets } from '../platform/token-bucket.ts'
import { streamOf, tokenOf } from './relay/upgrade.ts'
import { createRest } from './rest/rest.ts'
import type { HubStorage } from './storage.ts'
import { sweepSessions } from './resumable-session.ts'
import { defaultStreamLimits, type StreamLimits } from './streams.ts'
import { sweepStreams } from './sweep.ts'

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
  readonly parts?: HubParts
}

export interface Hub {
  /** Where it listens, with the ports that were found; in the order of the options. */
  readonly addresses: readonly HttpAddress[]
  /** How many agents have a session over a connection here. */
  readonly sessionCount: number
  /** Stops accepting, ends connections in a way that has them come back, and closes the storage. */
  close(graceMs?: number): Promise<void>
}

const bodyBytesMax = 1024 * 1024
const sweepEveryMs = 60_000
const sweepRows = 500

/** Starts a hub: everything that it promises is in its storage, so that any number of them can share one. */
export async function createHub(options: HubOptions): Promise<Hub> {
  const { platform, log, storage } = options
  const { clock, random, disk } = platform
  const parts = options.parts ?? hubParts
  const streamLimits = { ...defaultStreamLimits, ...options.streamLimits }
  const auth = await createAuth(
    { storage, clock, random, disk, log, keysFolder: options.keysFolder, standing: parts.standing },
    options.auth,
  )
  const limits = { ...defaultRelayLimits, ...options.limits }
  const doubt = new ClockDoubt(clock)
  const relay: Relay = {
    clock,
    random,
    log,
    storage,
    registry: new Registry(),
    parts,
    limits,
    publishRates: new TokenBuckets(clock, limits.publishRate),
    streamLimits,
    nodeId: random.uuid(),
    dueBy: () => doubt.earliest(),
    authenticate: (token) => auth.authenticate(token),
    revalidate: (who) => auth.revalidate(who),
  }
  const rest = createRest({
    storage,
    auth,
    clock,
    random,
    log,
    limits: streamLimits,
    onPublished: (recipients) => relay.registry.wake(recipients),
    present: () => relay.registry.present(),
    hasSession: (aiId) => relay.registry.session(aiId) !== undefined,
    onSessionEnded: (aiId) => relay.registry.session(aiId)?.recheck(),
    ...(options.requestsPerMinute !== undefined && { requestsPerMinute: options.requestsPerMinute }),
  })
  const sweeper = new Sweeper(options, doubt, (now) => {
    auth.rotateKeys()
    return storage.write(async (tx) => {
      const bounds = { now, countMax: sweepRows }
      const entries = await sweepStreams(tx, streamLimits, bounds)
      const lifetimes = await parts.expireEntries(tx, { ...bounds, now: doubt.earliest() })
      const messages = await sweepMessages(tx, streamLimits, bounds)
      const sessions = await sweepSessions(tx, bounds)
      return entries + lifetimes + messages + sessions + (await auth.sweep(tx, now, sweepRows))
    })
  })
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
              accept: (upgrade, connection) => accept(relay, upgrade, connection),
            },
          },
          rest,
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
    async close(graceMs = 1_000) {
      sweeper.stop()
      auth.logins.stop()
      guard.stop()
      relay.registry.drain()
      await Promise.all(servers.map((server) => server.close(graceMs)))
      await storage.close()
    },
  }
}

/** Decides what an upgrade is: a session, or one of the plain streams of v1. */
function accept(
  relay: Relay,
  upgrade: Upgrade,
  connection: Connection,
): ConnectionSink | { readonly status: number } {
  const stream = streamOf(upgrade)
  if (stream === undefined) return { status: 404 }
  const token = tokenOf(upgrade)
  if (stream === 'session.resume') return new ResumableConnection(relay, connection, token)
  return new PlainConnection(relay, connection, token, stream)
}

/** Removes what is over, in small transactions. */
class Sweeper {
  readonly #options: HubOptions
  readonly #sweep: (now: number) => Promise<number>
  readonly #doubt: ClockDoubt
  #timer: Timer | undefined
  #stopped = false

  constructor(options: HubOptions, doubt: ClockDoubt, sweep: (now: number) => Promise<number>) {
    this.#options = options
    this.#sweep = sweep
    this.#doubt = doubt
  }

  start(): void {
    const { clock } = this.#options.platform
    this.#timer = clock.setTimer(sweepEveryMs, () => void this.#run())
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** What a clock that has jumped calls old is not removed: mail would be lost that nobody read. */
  #mayTrustClock(): boolean {
    const doubt = this.#doubt.look()
    if (doubt?.isNew === true) this.#options.log.warn('hub:sweep:skipped', { clockJumpedMs: doubt.jumpedMs })
    return doubt === undefined
  }

  async #run(): Promise<void> {
    const { platform, log } = this.#options
    try {
      // Until nothing more is due.
      while (!this.#stopped && this.#mayTrustClock() && (await this.#sweep(platform.clock.now())) > 0);
    } catch (thrown) {
      const error = toError(thrown)
      const expected = error instanceof PerduraError && error.retryable
      log[expected ? 'warn' : 'error']('hub:sweep:failed', { error })
    }
    if (!this.#stopped) this.start()
  }
}
