import assert from 'node:assert/strict'
import { test } from 'node:test'
import { code } from '../../helpers/store-folder.ts'
import {
  count,
  createPlace,
  done,
  folder,
  take,
  withStore,
  type OpenOptions,
  type Place,
} from './backup-world.ts'

const pointsMax = 2_000

/** Files of the agent whose names end so. */
const files = ({ machine }: Place, end: string): string[] =>
  machine.disk.files().filter((path) => path.startsWith(folder) && path.endsWith(end))

/** Each copy beside the journal has a byte that is another. */
function damageCuts(place: Place): void {
  for (const path of files(place, '.cut')) place.machine.disk.corrupt(path, { offset: 100, length: 4_000 })
}

function removeJournal({ machine }: Place): void {
  const disk = machine.disk.for(machine.boot())
  for (const name of disk.list(`${folder}/journal`)) disk.remove(`${folder}/journal/${name}`)
}

/** In many processes, so that the journal is looked after at each point. */
async function grow(place: Place, to: number, options?: OpenOptions): Promise<void> {
  for (let next = 20; next < to; next += 20) await count(place, next, options)
  await count(place, to, options)
}

/** An agent with a backup and a history after it. */
async function lived(
  seed: number,
  options: { readonly prove: boolean; readonly changes: number },
): Promise<Place> {
  const place = createPlace(seed)
  await count(place, 5)
  await take(place, options)
  await grow(place, 5 + options.changes)
  return place
}

test('a backup and the journal give back everything, where the database and every copy beside the journal are lost', async () => {
  const place = await lived(1, { prove: true, changes: 60 })
  place.database.lose()
  damageCuts(place)
  const found = await withStore(place, async ({ recovered }) => recovered)
  assert.deepEqual([found?.database, found?.newChain], ['rebuilt', undefined])
  assert.equal(await done(place), 65)
  assert.ok(place.events.includes('store:backup:restored'))
})

test('a damaged database goes the same way, and is kept', async () => {
  const place = await lived(2, { prove: true, changes: 60 })
  place.database.corrupt()
  damageCuts(place)
  assert.equal(await done(place), 65)
  assert.ok(files(place, 'state.db').some((path) => path.includes('/quarantine/')))
})

test('a journal that does not lead on from any backup is not cut off: the start is refused, and nothing is deleted', async () => {
  const place = await lived(3, { prove: false, changes: 200 })
  place.database.lose()
  damageCuts(place)
  const before = files(place, '')
  await assert.rejects(done(place), code('ERR_STORE_GAP', /no backup reaches into it/))
  assert.deepEqual(files(place, ''), before)
  assert.ok(place.events.includes('store:backup:short'))
})

test('where only backups are left, the agent is what the newest of them is, and no new one', async () => {
  for (const lose of [
    (place: Place) => place.database.lose(),
    // As after a crash of the file system: there is a file, and nothing in it.
    (place: Place) => place.database.putBack(new Uint8Array()),
  ]) {
    const place = await lived(4, { prove: true, changes: 60 })
    lose(place)
    removeJournal(place)
    const found = await withStore(place, async ({ recovered }) => recovered)
    assert.deepEqual([found?.database, found?.newChain], ['rebuilt', 'journal-lost'])
    assert.equal(await done(place), 5)
  }
})

test('a backup that is damaged is passed over for an older one', async () => {
  const place = await lived(5, { prove: true, changes: 3 })
  await take(place)
  await count(place, 20)
  const newest = files(place, '.backup').at(-1) as string
  place.machine.disk.corrupt(newest, { offset: 2_000, length: 10 })
  place.database.lose()
  damageCuts(place)
  assert.equal(await done(place), 20)
  assert.deepEqual(
    place.events.filter((event) => event.startsWith('store:backup')),
    ['store:backup:unusable', 'store:backup:restored'],
  )
})

test('the journal reaches back to the newest proven backup, and no further than its bound for it', async () => {
  const place = await lived(6, { prove: true, changes: 200 })
  const kept = files(place, '.segment').length
  assert.ok(kept > 5, `${kept} segments`)
  await grow(place, 400, { segmentsForBackupsMax: 4 })
  assert.ok(files(place, '.segment').length < kept, 'the bound holds')
  const another = await lived(6, { prove: false, changes: 200 })
  assert.ok(files(another, '.segment').length < kept, 'a backup that is not proven keeps nothing')
})

for (const powerCut of [false, true]) {
  test(`${powerCut ? 'a power cut' : 'a kill'} at any moment of a recovery from a backup: the next one gives back everything`, async () => {
    let points = 0
    for (; ; points += 5) {
      assert.ok(points < pointsMax)
      const place = await lived(points, { prove: true, changes: 30 })
      place.database.lose()
      damageCuts(place)
      const recovered = await done(place, { dieAt: points })
      if (recovered === undefined && powerCut) {
        place.machine.disk.powerCut()
        place.database.powerCut()
      }
      assert.equal(await done(place), 35, `killed at ${points}`)
      if (recovered !== undefined) break
    }
    assert.ok(points > 50, `${points} moments`)
  })
}
