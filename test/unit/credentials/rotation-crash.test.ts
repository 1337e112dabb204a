import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dieAtPoint, SimulatedDeath } from '../../../src/testing/index.ts'
import { createScene, hubUrl, type Scene } from './fake-hub.ts'

/** Runs `scenario` once for every moment of what the process does on its disk, until one passes without a death. */
async function atEveryPoint(scenario: (scene: Scene, point: number) => Promise<boolean>): Promise<number> {
  for (let point = 0; ; point += 1) {
    assert.ok(point < 200)
    if (!(await scenario(createScene(point), point))) return point
  }
}

/** A login and a refresh that is cut off at `point`; whether it was. */
async function cutOff({ clock, disk, start }: Scene, point: number, powerCut: boolean): Promise<boolean> {
  const { credentials, process } = start()
  await clock.settle(credentials.access())
  dieAtPoint(disk, process, point)
  credentials.access({ fresh: true }).catch(() => {})
  await clock.runFor(1_000)
  if (process.alive) {
    disk.beforeOperation = undefined
    disk.afterOperation = undefined
    return false
  }
  if (powerCut) disk.powerCut()
  return true
}

for (const powerCut of [false, true]) {
  const what = powerCut ? 'a power cut' : 'a kill'

  test(`${what} at any moment of a rotation leaves a refresh token that the hub takes`, async () => {
    const points = await atEveryPoint(async (scene, point) => {
      const cut = await cutOff(scene, point, powerCut)
      const { clock, hub, start } = scene
      hub.calls.length = 0
      const { credentials, file } = start()
      assert.equal((await clock.settle(credentials.access())).aiId, 7)
      assert.deepEqual(hub.calls, ['/auth/refresh'])
      assert.equal(file.publicKey, hub.profiles.get('Ada')?.publicKey)
      return cut
    })
    assert.ok(points >= 12, `only ${points} moments`)
  })

  test(`${what} at any moment of a rotation, and a long absence: the key takes over`, async () => {
    const calls = new Set<string>()
    await atEveryPoint(async (scene, point) => {
      const cut = await cutOff(scene, point, powerCut)
      const { clock, hub, start } = scene
      await clock.runFor(60_000)
      hub.calls.length = 0
      const { credentials } = start()
      assert.equal((await clock.settle(credentials.access())).aiId, 7)
      calls.add(hub.calls.join(' '))
      assert.equal((await clock.settle(credentials.access({ fresh: true }))).aiId, 7)
      return cut
    })
    assert.deepEqual([...calls].toSorted(), ['/auth/refresh', '/auth/refresh /auth/challenge /auth/login'])
  })

  test(`${what} at any moment of a first start leaves an agent that can start`, async () => {
    await atEveryPoint(async (scene, point) => {
      const { clock, disk, hub, start } = scene
      let passed = 0
      let cut = false
      const die = (): void => {
        passed += 1
        if (passed > point) throw new SimulatedDeath('killed')
      }
      disk.beforeOperation = die
      disk.afterOperation = die
      try {
        start()
      } catch (error) {
        assert.ok(error instanceof SimulatedDeath)
        cut = true
      }
      disk.beforeOperation = undefined
      disk.afterOperation = undefined
      if (cut && powerCut) disk.powerCut()
      const { credentials, file } = start()
      assert.equal((await clock.settle(credentials.access())).aiId, 7)
      assert.equal(hub.profiles.get('Ada')?.publicKey, file.publicKey)
      assert.equal(start().file.publicKey, file.publicKey)
      return cut
    })
  })
}

test('a generation that was recorded is still known after a power cut', async () => {
  await atEveryPoint(async (scene, point) => {
    const { disk, start } = scene
    const { file, process } = start()
    file.recordGeneration(hubUrl.key, 3)
    dieAtPoint(disk, process, point)
    let recorded = false
    try {
      file.recordGeneration(hubUrl.key, 4)
      recorded = true
    } catch (error) {
      assert.ok(error instanceof SimulatedDeath)
    }
    disk.beforeOperation = undefined
    disk.afterOperation = undefined
    if (!recorded) disk.powerCut()
    const known = start().file.generation(hubUrl.key)
    assert.ok(known === 4 || (known === 3 && !recorded))
    return !recorded
  })
})
