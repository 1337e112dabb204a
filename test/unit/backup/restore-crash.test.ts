import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listBackups } from '../../../src/backup/backups.ts'
import { finishRestore, prepareRestore } from '../../../src/backup/restore.ts'
import { backups, count, createPlace, done, folder, inProcess, take, type Place } from './backup-world.ts'

const pointsMax = 2_000

async function lived(seed: number, changes: number): Promise<Place> {
  const place = createPlace(seed)
  await count(place, 5)
  await take(place)
  await count(place, 5 + changes)
  return place
}

function restore(place: Place, dieAt?: number): Promise<unknown> {
  return inProcess(
    place,
    async (parts) => {
      const source = `${backups}/${listBackups(parts.disk, backups).backups[0]?.name}`
      const prepared = await prepareRestore(parts, { source, key: undefined, folder })
      const lock = parts.files.lock()
      const quarantine = finishRestore(parts, { prepared, folder })
      lock.release()
      return { quarantine }
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
        // Also right after it has been reported as done.
        if (powerCut) {
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
    const taken = await take(place, { dieAt: points })
    const listed = await inProcess(place, async ({ disk }) => listBackups(disk, backups))
    assert.deepEqual(listed?.unreadable, [])
    if (taken !== undefined) {
      assert.equal(listed.backups.length, 1)
      break
    }
    await take(place)
    await count(place, 9)
    await restore(place)
    assert.equal(await done(place), 5)
  }
  assert.ok(points > 40, `${points} moments`)
})
