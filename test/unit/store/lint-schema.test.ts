import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { assertSchema, schemaHash } from '../../../src/store/lint-schema.ts'
import { migrations } from '../../../src/store/schema.ts'
import { code } from '../../helpers/store-folder.ts'

function withSchema<T>(sql: string, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false })
  try {
    database.exec(sql)
    return use(database)
  } finally {
    database.close()
  }
}

const good = 'CREATE TABLE good (id INTEGER PRIMARY KEY NOT NULL, value TEXT) STRICT;'

test('our own schema is clean', () => {
  withSchema(migrations.join('\n'), assertSchema)
})

const allowed = {
  'a STRICT table with an integer key': good,
  'a table without rowid and with a key of several columns':
    'CREATE TABLE t (a TEXT NOT NULL, b BLOB NOT NULL, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID',
  'a plain and a partial index': `${good} CREATE INDEX i ON good (value); CREATE INDEX p ON good (value) WHERE id > 3`,
  'a collation beside the key':
    'CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, name TEXT COLLATE NOCASE) STRICT',
}

for (const [what, sql] of Object.entries(allowed)) {
  test(`${what} is fine`, () => withSchema(sql, assertSchema))
}

const refused: Record<string, [sql: string, problem: RegExp]> = {
  'a table that is not STRICT': ['CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL)', /table t: not STRICT/],
  'a table without a key': ['CREATE TABLE t (a TEXT NOT NULL) STRICT', /table t: no PRIMARY KEY/],
  'a key that may be NULL': ['CREATE TABLE t (a TEXT PRIMARY KEY)', /primary key a may be NULL/],
  'one column of a key that may be NULL': [
    'CREATE TABLE t (a TEXT NOT NULL, b TEXT, PRIMARY KEY (a, b))',
    /primary key b may be NULL/,
  ],
  'a trigger': [
    `${good} CREATE TRIGGER tr AFTER INSERT ON good BEGIN DELETE FROM good WHERE id = 0; END`,
    /trigger tr: triggers run again/,
  ],
  'a view': [`${good} CREATE VIEW v AS SELECT * FROM good`, /view v/],
  AUTOINCREMENT: [
    'CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL) STRICT',
    /AUTOINCREMENT keeps a counter outside/,
  ],
  'a virtual table': [
    'CREATE VIRTUAL TABLE v USING fts5(text)',
    /table v: virtual tables have no place in the journaled file/,
  ],
  'a foreign key': [
    `${good} CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL REFERENCES good (id)) STRICT`,
    /foreign keys can be deferred/,
  ],
  'a unique index': [`${good} CREATE UNIQUE INDEX u ON good (value)`, /unique index u may conflict/],
  'a unique column': [
    'CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, name TEXT UNIQUE) STRICT',
    /unique index sqlite_autoindex_t_1 may conflict/,
  ],
  'a stored generated column': [
    'CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, two INTEGER AS (id * 2) STORED) STRICT',
    /generated columns are not replayed/,
  ],
  'a virtual generated column': [
    'CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, two INTEGER AS (id * 2) VIRTUAL) STRICT',
    /generated columns are not replayed/,
  ],
  'a key with another collation': [
    'CREATE TABLE t (name TEXT COLLATE NOCASE PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID',
    /a collation other than BINARY/,
  ],
}

for (const [what, [sql, problem]] of Object.entries(refused)) {
  test(`${what} is refused`, () => {
    withSchema(sql, (database) => {
      assert.throws(() => assertSchema(database), code('ERR_STORE_SCHEMA', problem))
      assert.throws(
        () => assertSchema(database),
        code('ERR_STORE_SCHEMA', /drop those objects, or move the file away/),
      )
    })
  })
}

test('everything that is refused is named at once', () => {
  const sql = `CREATE TABLE one (a); ${good} CREATE UNIQUE INDEX u ON good (value)`
  withSchema(sql, (database) => {
    const all = /table one: not STRICT.*; table one: no PRIMARY KEY|table good: unique index u.*; table one/
    assert.throws(() => assertSchema(database), code('ERR_STORE_SCHEMA', all))
  })
})

test('the hash of a schema changes with each of its objects, and not with what is in them', () => {
  const hashOf = (sql: string): string => withSchema(sql, (database) => schemaHash(database).toString('hex'))
  const hash = hashOf(good)
  assert.equal(hashOf(`${good} INSERT INTO good VALUES (1, 'a'); ANALYZE`), hash)
  assert.notEqual(hashOf(`${good} CREATE INDEX i ON good (value)`), hash)
  assert.notEqual(hashOf(good.replace('value TEXT', 'value TEXT NOT NULL')), hash)
})

// What the lint guards against, as node:sqlite does it.

function changesOf(sql: string, change: string): Uint8Array {
  return withSchema(sql, (database) => {
    const session = database.createSession()
    database.exec(change)
    return session.changeset()
  })
}

test('rows of a table without a key are missing from change sets', () => {
  assert.equal(changesOf('CREATE TABLE t (a TEXT) STRICT', "INSERT INTO t VALUES ('a')").length, 0)
  assert.notEqual(changesOf(good, "INSERT INTO good VALUES (1, 'a')").length, 0)
})

test('a row whose key is NULL is missing from change sets', () => {
  const sql = 'CREATE TABLE t (a TEXT PRIMARY KEY)'
  assert.equal(changesOf(sql, 'INSERT INTO t VALUES (NULL)').length, 0)
})

test('applying a change set says true although the table is missing, and drops the rows', () => {
  const changes = changesOf(good, "INSERT INTO good VALUES (1, 'a')")
  withSchema('CREATE TABLE another (id INTEGER PRIMARY KEY NOT NULL) STRICT', (database) => {
    assert.equal(database.applyChangeset(changes), true)
    assert.equal(database.prepare('SELECT count(*) AS n FROM another').get()?.['n'], 0)
  })
})

test('applying a change set says true although the table has too few columns, and drops the rows', () => {
  const changes = changesOf(good, "INSERT INTO good VALUES (1, 'a')")
  withSchema('CREATE TABLE good (id INTEGER PRIMARY KEY NOT NULL) STRICT', (database) => {
    assert.equal(database.applyChangeset(changes), true)
    assert.equal(database.prepare('SELECT count(*) AS n FROM good').get()?.['n'], 0)
  })
})

test('applying a change set that conflicts says false and throws nothing', () => {
  const changes = changesOf(good, "INSERT INTO good VALUES (1, 'a')")
  withSchema(`${good} INSERT INTO good VALUES (1, 'b')`, (database) => {
    assert.equal(database.applyChangeset(changes), false)
  })
})

test('a trigger runs again when its effect is replayed', () => {
  const sql = `${good} CREATE TABLE log (id INTEGER PRIMARY KEY NOT NULL) STRICT;
    CREATE TRIGGER tr AFTER INSERT ON good BEGIN INSERT INTO log SELECT coalesce(max(id), 0) + 1 FROM log; END;`
  const changes = changesOf(sql, "INSERT INTO good VALUES (1, 'a')")
  withSchema(sql, (database) => {
    database.applyChangeset(changes)
    const count = database.prepare('SELECT count(*) AS n FROM log').get()?.['n']
    assert.notEqual(count, 1)
  })
})

test('a change of a virtual table is one of its shadow tables in a change set', () => {
  const sql = 'CREATE VIRTUAL TABLE v USING fts5(text)'
  const changes = changesOf(sql, "INSERT INTO v VALUES ('hello')")
  assert.ok(Buffer.from(changes).includes('v_content'))
  assert.equal(Buffer.from(changes).includes('v\0'), false)
})
