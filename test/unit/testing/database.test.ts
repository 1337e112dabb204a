import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Database } from '../../../src/platform/database.ts'
import type { DatabaseFiles } from '../../../src/store/database.ts'
import { SimulatedDatabase, SimulatedDeath, type SimulatedProcess } from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'

interface Fixture {
  readonly database: SimulatedDatabase
  readonly boot: () => { readonly process: SimulatedProcess; readonly files: DatabaseFiles }
}

function createFixture(seed: number, imageRate?: number): Fixture {
  const { random, clock, disk, boot } = createSimulation(seed)
  const database = new SimulatedDatabase({
    clock,
    random: random.fork('database'),
    ...(imageRate !== undefined && { imageRate }),
  })
  return {
    database,
    boot() {
      const process = boot()
      const port = disk.for(process)
      port.makeFolder('/home')
      return { process, files: database.for(process, port) }
    },
  }
}

const count = (connection: Database): unknown =>
  connection.prepare('SELECT count(*) AS count FROM notes').get()

const rows = (connection: Database): number => (count(connection) as { count: number }).count

function createTable(files: DatabaseFiles): Database {
  const connection = files.open()
  connection.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY NOT NULL) STRICT')
  return connection
}

function insert(connection: Database, id: number): void {
  connection.exec('BEGIN IMMEDIATE')
  connection.prepare('INSERT INTO notes (id) VALUES (?)').run(id)
  connection.exec('COMMIT')
}

test('a process that dies leaves what it had committed, and nothing of what it had not', () => {
  const { boot } = createFixture(1)
  const { process, files } = boot()
  const connection = createTable(files)
  insert(connection, 1)
  connection.exec('BEGIN IMMEDIATE')
  connection.prepare('INSERT INTO notes (id) VALUES (2)').run()
  process.kill()
  assert.throws(() => connection.exec('COMMIT'), SimulatedDeath)
  assert.throws(() => count(connection), SimulatedDeath)
  assert.equal(rows(boot().files.openReader()), 1)
})

test('it can die at every boundary, before and after', () => {
  for (const when of ['before', 'after'] as const) {
    const { database, boot } = createFixture(1)
    const { process, files } = boot()
    const connection = createTable(files)
    database.onBoundary = (boundary) => {
      if (boundary.kind === 'commit' && boundary.when === when) process.dieHere()
    }
    assert.throws(() => insert(connection, 1), SimulatedDeath)
    database.onBoundary = undefined
    assert.equal(rows(boot().files.openReader()), when === 'before' ? 0 : 1)
    assert.equal(database.reached.get(`death:${when}:commit`), 1)
  }
})

test('a power cut brings back an earlier image, none older than the last checkpoint', () => {
  const seen = new Set<number>()
  for (let seed = 1; seed <= 60; seed++) {
    const { database, boot } = createFixture(seed, 1)
    const { process, files } = boot()
    const connection = createTable(files)
    insert(connection, 1)
    files.checkpoint(connection)
    insert(connection, 2)
    insert(connection, 3)
    process.kill()
    database.powerCut()
    seen.add(rows(boot().files.openReader()))
  }
  assert.deepEqual(seen, new Set([1, 2, 3]))
})

test('only one living process has the lock', () => {
  const { boot } = createFixture(1)
  const first = boot()
  const second = boot()
  first.files.lock()
  assert.throws(() => second.files.lock(), { code: 'ERR_HOME_IN_USE' })
  first.process.kill()
  second.files.lock().release()
})

test('what was damaged says so, and a copy restores it', () => {
  const { database, boot } = createFixture(1)
  const { files, process } = boot()
  const connection = createTable(files)
  insert(connection, 1)
  files.copyNow(connection, '/home/copy')
  assert.equal(rows(files.openCopy('/home/copy')), 1)
  process.kill()
  database.corrupt()
  const next = boot()
  assert.throws(() => rows(next.files.open()), { errcode: 26 })
  next.files.quarantine('/home/quarantine')
  assert.equal(next.files.exists(), false)
  next.files.restoreFrom('/home/copy')
  assert.equal(rows(next.files.open()), 1)
})

test('a copy beside the writer is of one moment', async () => {
  const { random, clock, disk, boot } = createSimulation(1)
  const database = new SimulatedDatabase({ clock, random: random.fork('database') })
  const process = boot()
  const port = disk.for(process)
  port.makeFolder('/home')
  const files = database.for(process, port)
  const connection = createTable(files)
  insert(connection, 1)
  const copied = files.copyTo('/home/copy')
  await clock.settle(copied)
  insert(connection, 2)
  assert.equal(rows(files.openCopy('/home/copy')), 1)
})

test('a write that finds no room may undo the whole transaction', () => {
  const outcomes = new Set<boolean>()
  for (let seed = 1; seed <= 20; seed++) {
    const { database, boot } = createFixture(seed)
    const connection = createTable(boot().files)
    database.fullRate = 1
    connection.exec('BEGIN IMMEDIATE')
    assert.throws(() => connection.prepare('INSERT INTO notes (id) VALUES (1)').run(), { errcode: 13 })
    outcomes.add(connection.isTransaction)
  }
  assert.deepEqual(outcomes, new Set([false, true]))
})
