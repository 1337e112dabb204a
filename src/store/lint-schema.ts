import { createHash } from 'node:crypto'
import { PerduraError } from '../errors.ts'
import type { Database } from '../platform/database.ts'

interface TableRow {
  readonly name: string
  readonly type: string
  readonly strict: number
}

interface ObjectRow {
  readonly type: string
  readonly name: string
  readonly tbl_name: string
  readonly sql: string | null
}

/** What in the schema lies outside the closed world that change sets carry faithfully; empty when all is well. */
function lintSchema(database: Database): string[] {
  const problems: string[] = []
  for (const object of schemaObjects(database)) {
    if (object.type === 'trigger')
      problems.push(`trigger ${object.name}: triggers run again when changes are replayed`)
    if (object.type === 'view')
      problems.push(`view ${object.name}: views have no place in the journaled file`)
  }
  for (const table of database.prepare('PRAGMA table_list').all() as TableRow[]) {
    if (table.name.startsWith('sqlite_') || table.type === 'view') continue
    if (table.type !== 'table')
      problems.push(`table ${table.name}: ${table.type} tables have no place in the journaled file`)
    else problems.push(...lintTable(database, table))
  }
  return problems
}

/** ERR_STORE_SCHEMA naming everything that the lint refuses. */
export function assertSchema(database: Database): void {
  const problems = lintSchema(database)
  if (problems.length === 0) return
  throw new PerduraError(
    'ERR_STORE_SCHEMA',
    `the agent's database holds what its journal could not replay: ${problems.join('; ')}. ` +
      'Something other than Perdura changed state.db: drop those objects, or move the file away to rebuild it',
  )
}

/** 8 bytes that stand for the schema: records of another schema are never applied. */
export function schemaHash(database: Database): Buffer {
  const hash = createHash('sha256')
  for (const { type, name, sql } of schemaObjects(database)) hash.update(JSON.stringify([type, name, sql]))
  return hash.digest().subarray(0, 8)
}

function schemaObjects(database: Database): ObjectRow[] {
  const sql = `SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY type, name`
  return database.prepare(sql).all() as ObjectRow[]
}

function lintTable(database: Database, table: TableRow): string[] {
  const problems: string[] = []
  const say = (problem: string): void => void problems.push(`table ${table.name}: ${problem}`)
  if (table.strict !== 1) say('not STRICT, so that a value may come back as another type')
  const sql = database.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').get(table.name) as {
    sql: string
  }
  if (/\bAUTOINCREMENT\b/i.test(sql.sql)) say('AUTOINCREMENT keeps a counter outside the change sets')

  const columns = database
    .prepare('SELECT name, "notnull", pk, hidden FROM pragma_table_xinfo(?)')
    .all(table.name)
  const keys = (columns as { name: string; notnull: number; pk: number; hidden: number }[]).filter(
    (row) => row.pk > 0,
  )
  if (keys.length === 0) say('no PRIMARY KEY, so that its rows are missing from change sets')
  for (const key of keys) if (key.notnull !== 1) say(`primary key ${key.name} may be NULL`)
  if ((columns as { hidden: number }[]).some((row) => row.hidden > 1))
    say('generated columns are not replayed')

  if (database.prepare('SELECT 1 FROM pragma_foreign_key_list(?)').get(table.name) !== undefined) {
    say('foreign keys can be deferred or cascade, which changes the order of a replay')
  }
  const indexes = database.prepare('SELECT name, "unique", origin FROM pragma_index_list(?)').all(table.name)
  for (const index of indexes as { name: string; unique: number; origin: string }[]) {
    if (index.origin !== 'pk' && index.unique === 1)
      say(`unique index ${index.name} may conflict while replaying`)
    const collations = database
      .prepare('SELECT coll FROM pragma_index_xinfo(?) WHERE key = 1')
      .all(index.name)
    if (index.origin === 'pk' && (collations as { coll: string }[]).some((row) => row.coll !== 'BINARY')) {
      say('the primary key has a collation other than BINARY')
    }
  }
  return problems
}
