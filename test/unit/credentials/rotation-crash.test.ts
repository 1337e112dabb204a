import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Http } from '../../../src/platform/http.ts'
import { dieAtPoint, SimulatedDeath, type SimulatedProcess } from '../../../src/testing/index.ts'
import { type Agent, createScene, hubUrl, type Scene } from './fake-hub.ts'

const { key } = hubUrl

/** Runs `scenario` once for every moment of what the process does, until one passes without a death. */
async function atEveryPoint(scenario: (scene: Scene, point: number) => Promise<boolean>): Promise<number> {
  for (let point = 0; ; point += 1) {
    assert.ok(point < 300)
    if (!(await scenario(createScene(point), point))) return point
  }
}

/** A process that is to die: at a moment of its disk, or just before or after a request of its own. */
interface Doomed extends Agent {
  /** From now on, at the n-th moment. */
  doom(point: number): void
}

function startDoomed(scene: Scene): Doomed {
  const { disk, http, start } = scene
  let left: number | undefined
  const pass = (process: SimulatedProcess): void => {
    if (left === undefined || !process.alive) return
    if (left === 0) process.dieHere('killed at a request')
    left -= 1
  }
  const killable: Http = {
    async request(...request) {
      pass(agent.process)
      const response = await http.clientFor(agent.process).request(...request)
      pass(agent.process)
      return response
    },
  }
  const agent: Agent = start({ http: killable })
  return {
    ...agent,
    doom(point) {
      left = point
      const die = (): void => pass(agent.process)
      disk.beforeOperation = die
      disk.afterOperation = die
    },
  }
}

/** A login and a refresh that is cut off at `point`; whether it was. */
async function cutOff(scene: Scene, point: number, powerCut: boolean): Promise<boolean> {
  const { clock, disk } = scene
  const { credentials, process, doom } = startDoomed(scene)
  await clock.settle(credentials.access())
  doom(point)
  credentials.access({ fresh: true }).catch(() => {})
  await clock.runFor(1_000)
  disk.beforeOperation = undefined
  disk.afterOperation = undefined
  if (process.alive) return false
  if (powerCut) disk.powerCut()
  return true
}

/** What may pass between a death and the next start. */
const absences: Record<
  string,
  { readonly loginsMax: number; readonly pass: (scene: Scene) => Promise<void>; readonly bootId?: string }
> = {
  'and a start at once': { loginsMax: 0, pass: async () => {} },
  'and 15 s': { loginsMax: 0, pass: ({ clock }) => clock.runFor(15_000) },
  'and 25 s': { loginsMax: 1, pass: ({ clock }) => clock.runFor(25_000) },
  'and an hour': { loginsMax: 1, pass: ({ clock }) => clock.runFor(3_600_000) },
  'and a clock that is set back over an hour': {
    loginsMax: 1,
    async pass({ clock }) {
      await clock.runFor(3_600_000)
      clock.jump(-3_600_000)
    },
  },
  'and a clock that jumps': { loginsMax: 1, pass: async ({ clock }) => clock.jump(40_000) },
  'and another start of the machine': { loginsMax: 1, pass: async () => {}, bootId: 'another' },
}

for (const powerCut of [false, true]) {
  const what = powerCut ? 'a power cut' : 'a kill'

  for (const [absence, { loginsMax, pass, bootId }] of Object.entries(absences)) {
    test(`${what} at any moment of a rotation, ${absence}: no alarm, and no logout`, async () => {
      const points = await atEveryPoint(async (scene, point) => {
        const cut = await cutOff(scene, point, powerCut)
        const { clock, hub, start } = scene
        await pass(scene)
        hub.calls.length = 0
        const { credentials, file } = start(bootId === undefined ? {} : { bootId })
        assert.equal((await clock.settle(credentials.access())).aiId, 7)
        for (let round = 0; round < 3; round += 1) {
          await clock.settle(credentials.access({ fresh: true }))
          await clock.runFor(1_000)
        }
        assert.equal(hub.alarms, 0)
        const logins = hub.calls.filter((path) => path === '/auth/login').length
        // Of what is got right after an exchange that had to be repeated, one login more.
        assert.ok(logins <= loginsMax + 1, `${logins} logins`)
        assert.equal(file.publicKey, hub.profiles.get('Ada')?.publicKey)
        return cut
      })
      assert.ok(points >= 20, `only ${points} moments`)
    })
  }

  test(`${what} at any moment of a rotation, and a start within the grace: the hub is asked again with the same token`, async () => {
    const calls = new Set<string>()
    await atEveryPoint(async (scene, point) => {
      const cut = await cutOff(scene, point, powerCut)
      const { clock, hub, start } = scene
      hub.calls.length = 0
      await clock.settle(start().credentials.access())
      calls.add(hub.calls.join(' '))
      return cut
    })
    // Before the note, or after the new token: what is there is good. In between: it is asked for again.
    assert.deepEqual([...calls].toSorted(), ['/auth/prove', '/auth/prove /auth/refresh'])
  })

  test(`${what} at any moment of a change of the key: the next login finds out which one the hub knows`, async () => {
    const found = new Set<string>()
    const points = await atEveryPoint(async (scene, point) => {
      const { clock, disk, hub, start } = scene
      const { credentials, file, process, doom } = startDoomed(scene)
      await clock.settle(credentials.access())
      const old = file.publicKey
      doom(point)
      credentials.rotateKey().catch(() => {})
      await clock.runFor(1_000)
      disk.beforeOperation = undefined
      disk.afterOperation = undefined
      const cut = !process.alive
      if (cut && powerCut) disk.powerCut()
      found.add(hub.profiles.get('Ada')?.publicKey === old ? 'the old one' : 'the new one')
      // So long that only a key opens anything.
      hub.revokeAll()
      await clock.runFor(3_600_000)
      const next = start()
      assert.equal((await clock.settle(next.credentials.access())).aiId, 7)
      // What was begun is brought to its end.
      assert.equal(hub.profiles.get('Ada')?.publicKey, next.file.publicKey)
      assert.equal(next.file.keysFor(key).length, 1)
      hub.revokeAll()
      await clock.settle(start().credentials.access({ fresh: true }))
      assert.equal(hub.alarms, 0)
      return cut
    })
    assert.ok(points >= 20, `only ${points} moments`)
    assert.deepEqual([...found].toSorted(), ['the new one', 'the old one'])
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
    file.recordGeneration(key, 3)
    dieAtPoint(disk, process, point)
    let recorded = false
    try {
      file.recordGeneration(key, 4)
      recorded = true
    } catch (error) {
      assert.ok(error instanceof SimulatedDeath)
    }
    disk.beforeOperation = undefined
    disk.afterOperation = undefined
    if (!recorded) disk.powerCut()
    const known = start().file.generation(key)
    assert.ok(known === 4 || (known === 3 && !recorded))
    return !recorded
  })
})
