import { generateKeyPairSync, sign } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { type Auth, createAuth, type HubAuthOptions } from '../../../../src/hub/auth/auth.ts'
import { SqliteStorage } from '../../../../src/hub/storage/sqlite-storage.ts'
import type { Clock } from '../../../../src/platform/clock.ts'
import type { Disk } from '../../../../src/platform/disk.ts'
import type { Log, LogFields } from '../../../../src/platform/log.ts'
import { loginText } from '../../../../src/protocol/rest.ts'
import {
  createSeededRandom,
  outside,
  type SeededRandom,
  SimulatedClock,
  SimulatedDisk,
  SimulatedProcess,
} from '../../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../../src/testing/simulated-log.ts'
import { Trace } from '../../../../src/testing/trace.ts'

export const keysFolder = '/hub/keys'

/** A hub's storage and authentication, in virtual time. */
export class HubWorld {
  readonly clock = new SimulatedClock()
  readonly random: SeededRandom
  readonly host: SimulatedDisk
  readonly database = new DatabaseSync(':memory:')
  readonly storage: SqliteStorage
  /** What was logged. */
  readonly told: LogFields[] = []
  readonly ports: { readonly clock: Clock; readonly disk: Disk; readonly log: Log }

  constructor(seed = 1) {
    this.random = createSeededRandom(seed)
    this.host = new SimulatedDisk({ clock: this.clock, random: this.random.fork('disk') })
    const log = createSimulatedLog(new Trace(), (event, fields) => this.told.push({ event, ...fields }))
    this.ports = { clock: this.clock.for(outside), disk: this.host.for(outside), log }
    this.storage = new SqliteStorage({
      database: this.database,
      clock: this.ports.clock,
      process: new SimulatedProcess(),
    })
  }

  async auth(options?: HubAuthOptions): Promise<Auth> {
    const { random, storage } = this
    return this.settle(createAuth({ ...this.ports, random, storage, keysFolder }, options))
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.clock.settle(promise)
  }
}

/** An Ed25519 key as an agent has it. */
export class AgentKey {
  readonly #pair = generateKeyPairSync('ed25519')

  get publicKey(): string {
    return this.#pair.publicKey.export({ format: 'jwk' }).x ?? ''
  }

  sign(hubId: string, name: string, nonce: string): string {
    return this.signText(loginText(hubId, name, nonce))
  }

  signText(text: string): string {
    return sign(null, Buffer.from(text), this.#pair.privateKey).toString('base64url')
  }
}
