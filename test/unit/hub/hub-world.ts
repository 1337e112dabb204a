import type { Json } from '../../../src/json.ts'
import type { ResumeFrame } from '../../../src/protocol/frames.ts'
import { createProfile, profileDefaults } from '../../../src/hub/profiles.ts'
import {
  publishInOrder,
  publishOnce,
  type Actor,
  type Publication,
  type PublishOutcome,
  type SequencePlace,
  type Verdict,
} from '../../../src/hub/publishing.ts'
import { resume, type Resumed, type ResumeOutcome } from '../../../src/hub/resume.ts'
import type { HubReader, HubTx } from '../../../src/hub/storage.ts'
import {
  defaultStreamLimits,
  readPage,
  readStream,
  type Page,
  type Stream,
} from '../../../src/hub/streams.ts'
import { HubWorld } from './auth/world.ts'

/** A hub's decisions on a real database in memory, one transaction each. */
export class DecisionWorld extends HubWorld {
  limits = defaultStreamLimits

  write<T>(operation: (tx: HubTx) => Promise<T>): Promise<T> {
    return this.settle(this.storage.write(operation))
  }

  read<T>(operation: (reader: HubReader) => Promise<T>): Promise<T> {
    return this.settle(this.storage.read(operation))
  }

  get now(): number {
    return this.ports.clock.now()
  }

  /** Registers an agent: who acts for it, without a session. */
  async join(name: string): Promise<Actor> {
    const fields = { ...profileDefaults, name, nickname: name }
    const profile = await this.write((tx) =>
      createProfile(tx, this.random, fields, { kind: 'none' }, this.now),
    )
    return { aiId: profile!.id, name, generation: undefined }
  }

  publish(sender: Actor, id: string, fields: Partial<Publication> = {}): Promise<Verdict> {
    return this.write((tx) => publishOnce(tx, this.limits, sender, publicationOf(id, fields), this.now))
  }

  publishAt(
    sender: Actor,
    place: SequencePlace,
    id: string,
    fields: Partial<Publication> = {},
  ): Promise<PublishOutcome> {
    const { random, now } = this
    return this.write((tx) =>
      publishInOrder(tx, this.limits, sender, place, publicationOf(id, fields), { now, random }),
    )
  }

  tryResume(
    { aiId }: Actor,
    fields: Partial<ResumeFrame> = {},
    goneInstance?: string,
  ): Promise<ResumeOutcome> {
    const { random, now } = this
    const frame = resumeOf(fields)
    return this.write((tx) => resume(tx, { aiId, frame, goneInstance, now, random }))
  }

  async resume(actor: Actor, fields: Partial<ResumeFrame> = {}): Promise<Resumed> {
    const outcome = await this.tryResume(actor, fields)
    if (outcome.kind !== 'resumed') throw new Error(`not resumed: ${outcome.kind}`)
    return outcome
  }

  stream({ aiId }: Actor): Promise<Stream> {
    return this.read((reader) => readStream(reader, aiId))
  }

  page({ aiId }: Actor, after = 0, limits = { countMax: 1_000, bytesMax: 1_000_000 }): Promise<Page> {
    return this.read((reader) => readPage(reader, aiId, after, limits))
  }

  /** What the reader names that stands there. */
  async mark(actor: Actor, position: number): Promise<string> {
    const { items } = await this.page(actor, position - 1)
    const [item] = items
    if (item === undefined) throw new Error(`nothing at ${position}`)
    return item.kind === 'message' ? item.mark : item.lastId
  }

  /** What counts as waiting, as the stream says and as the entries say. */
  async waiting({ aiId }: Actor): Promise<{ count: number; bytes: number }> {
    const row = this.database
      .prepare('SELECT waiting_count AS count, waiting_bytes AS bytes FROM streams WHERE ai_id = ?')
      .get(aiId) as { count: number; bytes: number }
    return { count: row.count, bytes: row.bytes }
  }

  /** Puts the database back to how it was when `take` was called. */
  backup(): { restore(): void } {
    const tables = this.#tables().map((table) => ({
      table,
      rows: this.database.prepare(`SELECT * FROM ${table}`).all(),
    }))
    return {
      restore: () => {
        for (const { table, rows } of tables) {
          this.database.exec(`DELETE FROM ${table}`)
          for (const row of rows) {
            const names = Object.keys(row)
            const places = names.map(() => '?').join(', ')
            this.database
              .prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`)
              .run(...Object.values(row))
          }
        }
      },
    }
  }

  #tables(): string[] {
    const rows = this.database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all()
    return rows.map(({ name }) => String(name)).filter((name) => name !== 'sqlite_sequence')
  }
}

/** What an agent notes of a `ready`, as it says it the next time. */
export function noted(resumed: Resumed): Partial<ResumeFrame> {
  const { stream, next, producer } = resumed
  return {
    generation: resumed.generation,
    session_identifier: resumed.sessionIdentifier,
    rx: { epoch: stream.epoch, offset: next - 1, last_id: null },
    tx: { producer_epoch: producer.epoch, next_seq: 1, last_acked: null },
  }
}

/** Ada and Bo, of whom Ada has resumed once. */
export async function meet() {
  const world = new DecisionWorld()
  const ada = await world.join('Ada')
  const bo = await world.join('Bo')
  const first = await world.resume(ada)
  return { world, ada, bo, first, position: noted(first) }
}

export function publicationOf(id: string, fields: Partial<Publication> = {}): Publication {
  return {
    id,
    recipient: { name: 'Bo' },
    conversationId: undefined,
    subject: undefined,
    content: `content of ${id}` as Json,
    messageType: 'text',
    metadata: undefined,
    ...fields,
  }
}

export function resumeOf(fields: Partial<ResumeFrame> = {}): ResumeFrame {
  return {
    type: 'resume',
    instance: 'one',
    generation: 0,
    claim: 'claim',
    start: 1,
    takeover: false,
    credit: { messages: 100, bytes: 1_000_000 },
    ...fields,
  }
}
