import { DatabaseSync } from 'node:sqlite'
import { listCuts, verifyCut } from '../../../src/store/cut.ts'
import { scanChain } from '../../../src/store/chain-scan.ts'
import { readPosition } from '../../../src/store/position.ts'
import { outside, type AgentSimulation } from '../../../src/testing/index.ts'
import type { World } from './world.ts'

export type Row = Readonly<Record<string, number | string | null | Uint8Array>>

/** Rows by table, in the order of their keys. */
export type Content = Readonly<Record<string, readonly Row[]>>

export function readDatabase(simulation: AgentSimulation): Content {
  const image = simulation.database.image()
  if (image === undefined) throw new Error('there is no database')
  return withDatabase(image, contentOf)
}

/** The newest cut and the journal after it must give the content of the database, table by table. */
export function checkReplay(simulation: AgentSimulation, world: World, live: Content): void {
  const folder = `${simulation.folder}/journal`
  const disk = simulation.disk.for(outside)
  const cut = listCuts(disk, folder).at(-1)
  if (cut === undefined || !verifyCut(disk, folder, cut)) {
    world.violate('journal-equals-database', `the newest cut is not intact: ${cut?.name}`)
    return
  }
  const replayed = withDatabase(simulation.disk.content(`${folder}/${cut.name}`), (database) => {
    const from = readPosition(database)
    const scan = scanChain(disk, folder, from.chain, from, (record) => {
      if (!database.applyChangeset(record.payload)) {
        world.violate('journal-equals-database', `record ${record.sequence} does not apply to its cut`)
      }
    })
    if (scan.kind !== 'intact') world.violate('journal-equals-database', `the journal is ${scan.kind}`)
    return contentOf(database)
  })
  for (const table of new Set([...Object.keys(live), ...Object.keys(replayed)])) {
    // Where it stands is not in the journal: it is how far the database has come with it.
    if (table === 'journal_position') continue
    const one = JSON.stringify(live[table])
    const other = JSON.stringify(replayed[table])
    if (one !== other) {
      world.violate('journal-equals-database', `table ${table} is ${one}, and from the journal ${other}`)
    }
  }
}

function contentOf(database: DatabaseSync): Content {
  const tables = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
    .all() as { name: string }[]
  return Object.fromEntries(
    tables.map(({ name }) => {
      const rows = database.prepare(`SELECT * FROM ${name}`).all() as Row[]
      const keys = database
        .prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
        .all(name)
      const order = (row: Row): string => JSON.stringify(keys.map((key) => row[key['name'] as string]))
      return [name, name === 'journal_position' ? rows : sorted(rows, order)]
    }),
  )
}

function sorted(rows: readonly Row[], order: (row: Row) => string): Row[] {
  return rows.toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
}

function withDatabase<T>(image: Uint8Array, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(':memory:')
  try {
    database.deserialize(Buffer.from(image))
    return use(database)
  } finally {
    database.close()
  }
}
