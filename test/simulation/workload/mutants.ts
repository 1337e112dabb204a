import type { Disk, DiskFile } from '../../../src/platform/disk.ts'
import { agentParts, type AgentParts } from '../../../src/runtime/assemble.ts'
import type { Database, DatabaseFiles } from '../../../src/store/database.ts'
import type { Store, Tx } from '../../../src/store/store.ts'
import { createSeededRandom, type Swaps } from '../../../src/testing/index.ts'
import type { Invariant } from './world.ts'

/** A Perdura with one part replaced by a broken one, and what must notice. */
export interface Mutant {
  readonly name: string
  /** One of these is violated within the bounded number of seeds. */
  readonly caughtBy: readonly Invariant[]
  /** Made anew for every seed. */
  readonly swaps: () => Swaps
}

const parts = agentParts

const withParts = (broken: Partial<AgentParts>): Swaps => ({ parts: broken })

/** Stands in front of the store that the agent gets. */
function withStore(change: (store: Store) => Store): Swaps {
  return withParts({
    async openStore(options) {
      const { store, recovered } = await parts.openStore(options)
      return { store: change(store), recovered }
    },
  })
}

function delegate(store: Store, write: Store['write']): Store {
  return {
    reader: store.reader,
    get position() {
      return store.position
    },
    close: () => store.close(),
    write,
  }
}

class Rehearsed extends Error {
  readonly result: unknown
  constructor(result: unknown) {
    super("rehearsed")
    this.result = result
  }
}

/** Says what the result will be, and writes afterwards. */
async function promiseBeforeCommit<T>(store: Store, operation: (tx: Tx) => T): Promise<T> {
  try {
    await store.write((tx) => {
      // oxlint-disable-next-line typescript/only-throw-error -- undoes the rehearsal
      throw new Rehearsed(operation(tx))
    })
  } catch (thrown) {
    const result = (thrown as { cause?: unknown }).cause ?? thrown
    if (!(result instanceof Rehearsed)) throw thrown
    store.write(operation).catch(() => undefined)
    return result.result as T
  }
  throw new Error('a rehearsal does not commit')
}

function isSegment(path: string): boolean {
  return path.endsWith('.segment')
}

function withFiles(change: (file: DiskFile, path: string) => Partial<DiskFile>): Swaps {
  return { disk: (disk) => brokenFiles(disk, change) }
}

function brokenFiles(disk: Disk, change: (file: DiskFile, path: string) => Partial<DiskFile>): Disk {
  return {
    ...disk,
    open(path) {
      const file = disk.open(path)
      const whole: DiskFile = {
        get sizeBytes() {
          return file.sizeBytes
        },
        read: (offset, length) => file.read(offset, length),
        write: (offset, bytes) => file.write(offset, bytes),
        sync: () => file.sync(),
        close: () => file.close(),
      }
      return Object.defineProperties(whole, Object.getOwnPropertyDescriptors(change(file, path)))
    },
  }
}

function withDatabase(change: (database: Database) => Partial<Database>): Swaps {
  return {
    files(files): DatabaseFiles {
      return {
        ...files,
        open() {
          const database = files.open()
          const whole: Database = {
            get isTransaction() {
              return database.isTransaction
            },
            exec: (sql) => database.exec(sql),
            prepare: (sql) => database.prepare(sql),
            createSession: () => database.createSession(),
            applyChangeset: (changes) => database.applyChangeset(changes),
            close: () => database.close(),
          }
          return Object.defineProperties(whole, Object.getOwnPropertyDescriptors(change(database)))
        },
        checkpoint: () => files.checkpoint(undefined as unknown as Database),
      }
    },
  }
}

export const mutants: readonly Mutant[] = [
  {
    name: 'acknowledges before it commits',
    caughtBy: ['acknowledged-durable', 'nothing-lost', 'positions'],
    swaps: () => withStore((store) => delegate(store, (operation) => promiseBeforeCommit(store, operation))),
  },
  {
    name: 'does not recognise repeats',
    caughtBy: ['state-once', 'positions'],
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          accept(tx, entry, now) {
            tx.run('DELETE FROM inbox_seen WHERE source = ? AND id = ?', entry.source, entry.id)
            return parts.inbox.accept(tx, entry, now)
          },
        },
      }),
  },
  {
    name: 'fdatasync does nothing',
    caughtBy: ['acknowledged-durable', 'opens-again', 'journal-equals-database', 'nothing-lost'],
    swaps: () => withFiles((_file, path) => (isSegment(path) ? { sync: () => undefined } : {})),
  },
  {
    name: 'believes the tail of the journal without syncing it',
    caughtBy: ['acknowledged-durable', 'opens-again', 'journal-equals-database', 'nothing-lost'],
    swaps: () => ({
      disk(disk) {
        // Until the first record is appended, nothing that opening does to the segments gets to them.
        let resumed = 0
        return brokenFiles(disk, (file, path) =>
          isSegment(path) && resumed < 3
            ? { write: () => undefined, sync: () => void (resumed += 1), read: (...range) => file.read(...range) }
            : {},
        )
      },
    }),
  },
  {
    name: 'does not record steps',
    caughtBy: ['steps-once'],
    swaps: () => withParts({ steps: { ...parts.steps, record: () => undefined } }),
  },
  {
    name: 'records a step under the next occurrence',
    caughtBy: ['steps-once'],
    swaps: () =>
      withParts({
        steps: {
          ...parts.steps,
          record: (tx, step, result, timing) =>
            parts.steps.record(tx, { ...step, occurrence: step.occurrence + 100 }, result, timing),
        },
      }),
  },
  {
    name: 'does not mark an effect before it runs it',
    caughtBy: ['unkeyed-at-most-once', 'effects-once'],
    swaps: () => withParts({ effects: { ...parts.effects, start: () => undefined } }),
  },
  {
    name: 'repeats an unkeyed effect whose outcome is unknown',
    caughtBy: ['unkeyed-at-most-once'],
    swaps: () =>
      withParts({
        effects: {
          ...parts.effects,
          load(reader, turn) {
            const rows = [...parts.effects.load(reader, turn)]
            const open = (status: string): boolean => status === 'started' || status === 'unknown'
            return new Map(rows.map(([key, row]) => [key, open(row.status) ? { ...row, status: 'intended' } : row]))
          },
        },
      }),
  },
  {
    name: 'gives an effect another key at each attempt',
    caughtBy: ['effects-once', 'unkeyed-at-most-once'],
    swaps: () => {
      let keys = 0
      return withParts({
        effects: {
          ...parts.effects,
          load: (reader, turn) =>
            new Map(
              [...parts.effects.load(reader, turn)].map(([name, row]) => [name, { ...row, key: `key ${(keys += 1)}` }]),
            ),
        },
      })
    },
  },
  {
    name: 'forgets that an effect is done',
    caughtBy: ['effects-once', 'unkeyed-at-most-once', 'refusals-final', 'converges'],
    swaps: () =>
      withParts({
        effects: {
          ...parts.effects,
          settle: (tx, effect, outcome, now) =>
            outcome.status === 'done'
              ? tx.run('DELETE FROM effects WHERE turn = ? AND name = ?', effect.turn, effect.name)
              : parts.effects.settle(tx, effect, outcome, now),
        },
      }),
  },
  {
    name: 'takes a refusal for a failure',
    caughtBy: ['unkeyed-at-most-once', 'effects-once', 'refusals-final', 'converges', 'nothing-lost'],
    swaps: () =>
      withParts({
        effects: {
          ...parts.effects,
          settle: (tx, effect, outcome, now) =>
            parts.effects.settle(tx, effect, outcome.status === 'failed' ? { ...outcome, status: 'intended' } : outcome, now),
        },
      }),
  },
  {
    name: 'blames everything that ran when the process died',
    caughtBy: ['innocent-not-blamed'],
    swaps: () =>
      withParts({
        inbox: { ...parts.inbox, interrupted: (tx) => parts.inbox.interrupted(tx).map((entry) => ({ ...entry, alone: true })) },
      }),
  },
  {
    name: 'does not count deaths',
    caughtBy: ['converges', 'nothing-lost'],
    swaps: () =>
      withParts({ inbox: { ...parts.inbox, markSuspect: (tx, position) => parts.inbox.markSuspect(tx, position, false) } }),
  },
  {
    name: 'does not run suspects alone',
    caughtBy: ['suspects-alone'],
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          markSuspect(tx, position, blamed) {
            parts.inbox.markSuspect(tx, position, blamed)
            tx.run('UPDATE inbox SET suspect = 0 WHERE position = ?', position)
          },
        },
      }),
  },
  {
    name: 'does not write down that a turn has begun',
    caughtBy: ['suspects-alone', 'converges', 'nothing-lost'],
    swaps: () =>
      withParts({
        inbox: {
          ...parts.inbox,
          begin: (tx, position) => void tx.run('UPDATE inbox SET attempts = attempts + 1 WHERE position = ?', position),
        },
      }),
  },
  {
    name: 'removes a fired timer in another transaction',
    caughtBy: ['timers-once'],
    swaps: () => {
      let later: string[] = []
      return withParts({
        timers: {
          ...parts.timers,
          fire(tx, inbox, now, countMax) {
            for (const id of later) tx.run('DELETE FROM timers WHERE id = ?', id)
            later = tx.all<{ id: string }>('SELECT id FROM timers WHERE due_at <= ?', now).map(({ id }) => id)
            const rows = tx.all<Record<string, string | number>>('SELECT * FROM timers WHERE due_at <= ?', now)
            const fired = parts.timers.fire(tx, { ...inbox, accept: acceptAgain(inbox) }, now, countMax)
            for (const row of rows) {
              const columns = Object.keys(row)
              tx.run(
                `INSERT INTO timers (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
                ...Object.values(row),
              )
            }
            return fired
          },
        },
      })
    },
  },
  {
    name: 'loses timers that fire while nobody looks',
    caughtBy: ['timers-once', 'converges'],
    swaps: () =>
      withParts({
        timers: {
          ...parts.timers,
          fire(tx, inbox, now, countMax) {
            tx.run('DELETE FROM timers WHERE due_at < ?', now - 5_000)
            return parts.timers.fire(tx, inbox, now, countMax)
          },
        },
      }),
  },
  {
    name: 'does not write the position with the commit',
    caughtBy: ['journal-equals-database', 'opens-again', 'state-once'],
    swaps: () =>
      withDatabase((database) => ({
        prepare: (sql) =>
          sql.startsWith('UPDATE journal_position') ? database.prepare('SELECT 1 WHERE ? = ?') : database.prepare(sql),
      })),
  },
  {
    name: 'skips a record while catching up',
    caughtBy: ['journal-equals-database', 'acknowledged-durable', 'opens-again', 'nothing-lost', 'state-once'],
    swaps: () => {
      const random = createSeededRandom('skip')
      return withDatabase((database) => ({
        applyChangeset: (changes) => random.chance(0.1) || database.applyChangeset(changes),
      }))
    },
  },
  {
    name: 'removes segments that no checkpoint covers',
    caughtBy: ['opens-again'],
    swaps: () => ({
      files: (files) => ({ ...files, checkpoint: () => true }),
    }),
  },
  {
    name: 'gives a message another id at each attempt',
    caughtBy: ['messages-once'],
    swaps: () => {
      let ids = 0
      return { deliver: (deliver) => (message) => deliver({ ...message, id: `id ${(ids += 1)}` }) }
    },
  },
  {
    name: 'delivers what is not committed yet',
    caughtBy: ['messages-once'],
    swaps: () => ({}),
  },
]

function acceptAgain(inbox: AgentParts['inbox']): AgentParts['inbox']['accept'] {
  return (tx, entry, now) => {
    tx.run('DELETE FROM inbox_seen WHERE source = ? AND id = ?', entry.source, entry.id)
    return inbox.accept(tx, entry, now)
  }
}
