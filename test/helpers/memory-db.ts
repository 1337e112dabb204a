import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue } from 'node:sqlite'
import { migrations } from '../../src/store/schema.ts'
import type { Reader, Tx } from '../../src/store/store.ts'

/** A real database in memory with the agent's schema, without journal or batches. */
export interface MemoryDb {
  readonly reader: Reader
  /** One operation in one transaction: undone as a whole if it throws. */
  write<T>(operation: (tx: Tx) => T): T
  /** Another identity, or another chain of the journal, as a restore makes it. */
  setOrigin(agentId: string, chain: number): void
  close(): void
}

export function openMemoryDb(): MemoryDb {
  const db = new DatabaseSync(':memory:')
  for (const migration of migrations) db.exec(migration)
  const reader: Reader = {
    get: <Row>(sql: string, ...parameters: SQLInputValue[]) =>
      db.prepare(sql).get(...parameters) as Row | undefined,
    all: <Row>(sql: string, ...parameters: SQLInputValue[]) => db.prepare(sql).all(...parameters) as Row[],
  }
  const memoryDb: MemoryDb = {
    reader,
    write(operation) {
      const committed: (() => void)[] = []
      const undo: (() => void)[] = []
      db.exec('BEGIN')
      try {
        const result = operation({
          ...reader,
          run: (sql, ...parameters) => ({ changes: Number(db.prepare(sql).run(...parameters).changes) }),
          onUndo: (run) => void undo.push(run),
          onCommit: (run) => void committed.push(run),
        })
        db.exec('COMMIT')
        for (const run of committed) run()
        return result
      } catch (thrown) {
        db.exec('ROLLBACK')
        for (const run of undo.reverse()) run()
        throw thrown
      }
    },
    setOrigin(agentId, chain) {
      db.exec('DELETE FROM identity; DELETE FROM journal_position')
      db.prepare("INSERT INTO identity VALUES (1, ?, 'Ada', 0)").run(agentId)
      db.prepare("INSERT INTO journal_position VALUES (1, ?, ?, 0, 0, x'')").run(
        chain,
        new Uint8Array([chain]),
      )
    },
    close: () => db.close(),
  }
  memoryDb.setOrigin('agent-1', 1)
  return memoryDb
}

/** Runs `use` with a database that is closed afterwards. */
export async function withMemoryDb(use: (db: MemoryDb) => Promise<void> | void): Promise<void> {
  const db = openMemoryDb()
  try {
    await use(db)
  } finally {
    db.close()
  }
}
