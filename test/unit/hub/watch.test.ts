import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PerduraError } from '../../../src/errors.ts'
import type { Admission, Admitted } from '../../../src/hub/admission/admission.ts'
import { watchedAdmission, watchedStorage, type HubWatch } from '../../../src/hub/watch.ts'
import { HubWorld } from './auth/world.ts'

function recorder() {
  const told: unknown[] = []
  const watch: HubWatch = {
    wrote: (durationMs) => told.push(['wrote', durationMs]),
    operated: (failed) => told.push(['operated', failed]),
    answered: ({ kind }) => told.push(['answered', kind]),
  }
  return { told, watch }
}

test('what is written and read is told of, and a failure is whose it is', async () => {
  const { told, watch } = recorder()
  const world = new HubWorld()
  const storage = watchedStorage(world.storage, world.ports.clock, watch)
  assert.equal(await world.settle(storage.write(async () => 1)), 1)
  assert.deepEqual(told.splice(0), [
    ['operated', false],
    ['wrote', 0],
  ])
  await world.settle(storage.read(async (reader) => await reader.all('SELECT * FROM meta')))
  assert.deepEqual(told.splice(0), [['operated', false]])
  const failing = async (error: Error) => {
    await assert.rejects(
      world.settle(
        storage.write(async () => {
          throw error
        }),
      ),
      error,
    )
    return told.splice(0)
  }
  // Who asked for what there is not, has only himself to blame.
  assert.deepEqual(await failing(new PerduraError('ERR_NO_SUCH_PROFILE', '')), [['operated', false]])
  assert.deepEqual(await failing(new PerduraError('ERR_HUB_STORAGE', '')), [['operated', true]])
  assert.deepEqual(await failing(new Error('a bug')), [['operated', true]])
})

test('admission decides as before, and is told of', () => {
  const { told, watch } = recorder()
  const refusal: Admitted = { kind: 'refused', why: 'crowded', waitMs: 5 }
  const entry: Admitted = { kind: 'admitted', settled: () => undefined }
  const admission: Admission = { admit: () => refusal, admitLogin: () => entry, spread: (count) => [count] }
  const watched = watchedAdmission(admission, watch)
  assert.equal(watched.admit({ address: '', agent: undefined }), refusal)
  assert.equal(watched.admitLogin({ address: '', subject: '', free: false }), entry)
  assert.deepEqual(watched.spread(3), [3])
  assert.deepEqual(told, [
    ['answered', 'refused'],
    ['answered', 'admitted'],
  ])
})
