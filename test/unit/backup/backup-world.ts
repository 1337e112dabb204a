import { proveBackup, type Backup } from '../../../src/backup/backups.ts'
import { takeBackup, type BackupParts } from '../../../src/backup/take.ts'
import { backupsAsCopies } from '../../../src/backup/copy-source.ts'
import { nextCount, readCount } from '../../../src/store/counters.ts'
import { openStore, type StoreRecovery } from '../../../src/store/open-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { SimulatedDatabase } from '../../../src/testing/database.ts'
import { isDeath } from '../../../src/testing/death.ts'
import type { SimulatedProcess } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { createSimulation, type SimulatedMachine } from '../../helpers/simulated-machine.ts'

export const folder = '/agent'
export const backups = `${folder}/backups`
const software = { perdura: '0.1.0', node: '24.0.0' }

export interface Place {
  readonly machine: SimulatedMachine
  readonly database: SimulatedDatabase
  /** What the store has logged. */
  readonly events: string[]
}

export function createPlace(seed: number): Place {
  const machine = createSimulation(seed)
  const { clock, random } = machine
  return {
    machine,
    events: [],
    database: new SimulatedDatabase({ clock, random: random.fork('database'), imageRate: 1 }),
  }
}

function partsOf({ machine, database }: Place, process: SimulatedProcess): BackupParts {
  const { clock, disk, random } = machine
  const own = disk.for(process)
  return {
    disk: own,
    clock: clock.for(process),
    random: random.fork(`process ${process.pid}`),
    files: database.for(process, own),
    folder: backups,
  }
}

/** Runs `act` in a process of its own, which dies at the `dieAt`-th boundary; undefined where it did. */
export async function inProcess<T>(
  place: Place,
  act: (parts: BackupParts, process: SimulatedProcess) => Promise<T>,
  dieAt = Infinity,
): Promise<T | undefined> {
  const { machine, database } = place
  const process = machine.boot()
  let left = dieAt
  const boundary = (): void => {
    if (process.alive && (left -= 1) < 0) process.dieHere('killed at a boundary')
  }
  machine.disk.beforeOperation = boundary
  machine.disk.afterOperation = boundary
  database.onBoundary = boundary
  const died = new Promise<undefined>((resolve) => process.onDeath(() => resolve(undefined)))
  const acted = act(partsOf(place, process), process).catch((error: unknown) => {
    if (isDeath(error)) return new Promise<undefined>(() => undefined)
    throw error
  })
  try {
    return await machine.clock.settle(Promise.race([acted, died]), { withinMs: 600_000 })
  } finally {
    machine.disk.beforeOperation = undefined
    machine.disk.afterOperation = undefined
    database.onBoundary = undefined
    if (process.alive) process.kill('it has ended')
  }
}

export interface Opened {
  readonly store: Store
  readonly recovered: StoreRecovery
}

export interface OpenOptions {
  readonly dieAt?: number
  readonly segmentsForBackupsMax?: number
}

/** Opens the store as the agent does, and lets go of it. */
export function withStore<T>(
  place: Place,
  use: (opened: Opened) => Promise<T>,
  { dieAt, segmentsForBackupsMax = 256 }: OpenOptions = {},
): Promise<T | undefined> {
  const limits = { segmentBytes: 4_096, cutEverySegments: 1, segmentsForBackupsMax }
  return inProcess(
    place,
    async (parts, process) => {
      const log = createSimulatedLog(new Trace(), (event) => place.events.push(event))
      const copies = backupsAsCopies(parts.disk, backups)
      const opened = await openStore({ ...parts, folder, process, log, limits, copies })
      const result = await use(opened)
      await opened.store.close()
      return result
    },
    dieAt,
  )
}

/** Counts up; sixty fill a few segments, so that old ones are retired. */
export async function count(place: Place, to: number, options?: OpenOptions): Promise<void> {
  await withStore(
    place,
    async ({ store }) => {
      await store.write((tx) =>
        tx.run("INSERT OR IGNORE INTO identity (id, agent_id, name, created_at) VALUES (1, 'a', 'Ada', 0)"),
      )
      while (readCount(store.reader, 'done') < to) await store.write((tx) => nextCount(tx, 'done'))
    },
    options,
  )
}

/** What had been counted, as the next start finds it, which also goes on from there. */
export function done(place: Place, options?: OpenOptions): Promise<number | undefined> {
  return withStore(
    place,
    async ({ store }) => {
      const before = readCount(store.reader, 'done')
      await store.write((tx) => nextCount(tx, 'afterwards'))
      return before
    },
    options,
  )
}

/** Takes a backup; proves it where that is asked for. */
export function take(
  place: Place,
  options: { readonly prove?: boolean; readonly dieAt?: number } = {},
): Promise<Backup | undefined> {
  return inProcess(
    place,
    async (parts) => {
      const taken = await takeBackup(parts, { reason: 'asked', key: undefined, software })
      const path = `${backups}/${taken.name}`
      if (options.prove === true)
        await proveBackup({ ...parts, path, key: undefined, scratch: `${backups}/proof.tmp` })
      return taken
    },
    options.dieAt,
  )
}
