import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listBackups } from '../../../src/backup/backups.ts'
import { restoreBackup } from '../../../src/backup/restore.ts'
import { takeBackup, type BackupParts } from '../../../src/backup/take.ts'
import { nextCount, readCount } from '../../../src/store/counters.ts'
import { openStore } from '../../../src/store/open-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { SimulatedDatabase } from '../../../src/testing/database.ts'
import { isDeath } from '../../../src/testing/death.ts'
import type { SimulatedProcess } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { createSimulation, type SimulatedMachine } from '../../helpers/simulated-machine.ts'

const folder = '/agent'
const software = { perdura: '0.1.0', node: '24.0.0' }
const pointsMax = 2_000

interface Place {
  readonly machine: SimulatedMachine
  readonly database: SimulatedDatabase
}

function createPlace(seed: number): Place {
  const machine = createSimulation(seed)
  const { clock, random } = machine
  return {
    machine,
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
    folder: `${folder}/backups`,
  }
}

/** Runs `act` in a process of its own, which dies at the `dieAt`-th boundary; undefined where it did. */
async function inProcess<T>(
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

const limits = { segmentBytes: 4_096, cutEverySegments: 1 }

/** Opens the store as the agent does, and lets go of it. */
function withStore<T>(place: Place, use: (store: Store) => Promise<T>): Promise<T | undefined> {
  return inProcess(place, async (parts, process) => {
    const log = createSimulatedLog(new Trace())
    const { store } = await openStore({ ...parts, folder, process, log, limits })
    const result = await use(store)
    await store.close()
    return result
  })
}

/** Counts up; more of it than fits into a few segments, so that old ones are retired. */
async function count(place: Place, to: number): Promise<void> {
  await withStore(place, async (store) => {
    while (readCount(store.reader, 'done') < to) await store.write((tx) => nextCount(tx, 'done'))
  })
}

const done = (place: Place): Promise<number | undefined> =>
  withStore(place, async (store) => {
    const before = readCount(store.reader, 'done')
    // It also goes on from there.
    await store.write((tx) => nextCount(tx, 'afterwards'))
    return before
  })

async function lived(seed: number, changes: number): Promise<Place> {
  const place = createPlace(seed)
  await count(place, 5)
  await inProcess(place, (parts) => takeBackup(parts, { reason: 'asked', key: undefined, software }))
  await count(place, 5 + changes)
  return place
}

function restore(place: Place, dieAt?: number): Promise<unknown> {
  return inProcess(
    place,
    async (parts) => {
      const { backups } = listBackups(parts.disk, parts.folder)
      const source = `${parts.folder}/${backups[0]?.name}`
      const lock = parts.files.lock()
      const restored = await restoreBackup(parts, { source, key: undefined, folder, agent: '', agentId: '' })
      lock.release()
      return restored
    },
    dieAt,
  )
}

for (const [history, changes] of [
  ['with its journal back to the backup', 3],
  ['whose journal does not reach back to the backup', 60],
] as const) {
  for (const powerCut of [false, true]) {
    test(`${powerCut ? 'a power cut' : 'a kill'} at any moment of a restore, ${history}: wholly, or not at all`, async () => {
      const found = new Set<number | undefined>()
      let points = 0
      for (; ; points += 7) {
        assert.ok(points < pointsMax)
        const place = await lived(points, changes)
        const restored = await restore(place, points)
        if (powerCut && restored === undefined) {
          place.machine.disk.powerCut()
          place.database.powerCut()
        }
        const after = await done(place)
        found.add(after)
        const either = restored === undefined ? [5, 5 + changes] : [5]
        assert.ok(either.includes(after ?? -1), `killed at ${points}, and then there were ${after}`)
        if (restored !== undefined) break
        // What it was made from is still there, so that it can be done again.
        await restore(place)
        assert.equal(await done(place), 5, `again after ${points}`)
      }
      assert.deepEqual(found, new Set([5 + changes, 5]))
      assert.ok(points > 50, `${points} moments`)
    })
  }
}

test('a backup that is cut off at any moment leaves none of its name, and the next one is whole', async () => {
  let points = 0
  for (; ; points += 1) {
    assert.ok(points < pointsMax)
    const place = createPlace(points)
    await count(place, 5)
    const take = (dieAt?: number): Promise<unknown> =>
      inProcess(place, (parts) => takeBackup(parts, { reason: 'asked', key: undefined, software }), dieAt)
    const taken = await take(points)
    const { backups, unreadable } = (await inProcess(place, async ({ disk }) =>
      listBackups(disk, `${folder}/backups`),
    )) ?? {
      backups: [],
      unreadable: [],
    }
    assert.deepEqual(unreadable, [])
    if (taken !== undefined) {
      assert.equal(backups.length, 1)
      break
    }
    await take()
    await count(place, 9)
    await restore(place)
    assert.equal(await done(place), 5)
  }
  assert.ok(points > 40, `${points} moments`)
})
