import { PerduraError } from '../errors.ts'
import type { Database } from '../platform/database.ts'
import type { JournalPosition } from './chain-scan.ts'
import { chainSeed, type Chain } from './journal-record.ts'
import { assertSchema, schemaHash } from './lint-schema.ts'

interface PositionRow {
  readonly chain: number
  readonly chain_id: Uint8Array
  readonly base_sequence: number
  readonly sequence: number
  readonly hash: Uint8Array
}

export function schemaVersion(database: Database): number {
  return (database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
}

/** Where the database stands, and in which chain; `base` is the sequence at which the chain began. */
export function readPosition(
  database: Database,
): JournalPosition & { readonly chain: Chain; readonly base: number } {
  const row = database.prepare('SELECT * FROM journal_position').get() as PositionRow | undefined
  if (row === undefined)
    throw new PerduraError('ERR_STORE_CORRUPT', 'the database does not say where it stands')
  const schema = schemaHash(database)
  return {
    chain: { number: row.chain, id: row.chain_id, schema },
    base: row.base_sequence,
    sequence: row.sequence,
    hash: Buffer.from(row.hash),
  }
}

export function writePosition(database: Database): (position: JournalPosition) => void {
  const statement = database.prepare('UPDATE journal_position SET sequence = ?, hash = ?')
  return (position) => void statement.run(position.sequence, position.hash)
}

/** Refuses what this version cannot read, before anything is changed. */
export function assertReadable(database: Database, known: number): void {
  const version = schemaVersion(database)
  if (version > known) {
    throw new PerduraError(
      'ERR_STORE_NEWER',
      `the agent's database has schema ${version}, this Perdura knows up to ${known}: ` +
        'it was written by a newer Perdura, so install that version or a later one',
      { details: { found: version, known } },
    )
  }
  if (version > 0) assertSchema(database)
}

/**
 * Brings the schema up to date and puts the database at the start of a new chain, in one transaction. Records of the
 * old chain do not apply to the new schema, and the other way round.
 */
export function beginChain(
  database: Database,
  migrations: readonly string[],
  number: number,
  id: Uint8Array,
): { chain: Chain; base: JournalPosition } {
  database.exec('BEGIN IMMEDIATE')
  try {
    const version = schemaVersion(database)
    for (const migration of migrations.slice(version)) database.exec(migration)
    database.exec(`PRAGMA user_version = ${migrations.length}`)
    const sequence = version === 0 ? 0 : readPosition(database).sequence
    const chain: Chain = { number, id, schema: schemaHash(database) }
    const hash = chainSeed(chain)
    database
      .prepare(
        `INSERT INTO journal_position (id, chain, chain_id, base_sequence, sequence, hash) VALUES (1, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET chain = excluded.chain, chain_id = excluded.chain_id,
           base_sequence = excluded.base_sequence, sequence = excluded.sequence, hash = excluded.hash`,
      )
      .run(number, id, sequence, sequence, hash)
    database.exec('COMMIT')
    return { chain, base: { sequence, hash } }
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}
