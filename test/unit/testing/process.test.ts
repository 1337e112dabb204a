import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Platform } from '../../../src/platform/platform.ts'
import {
  SimulatedDeath,
  SimulatedHttp,
  SimulatedProcess,
  SimulatedTransport,
  createSimulatedPlatform,
} from '../../../src/testing/index.ts'
import { createSimulation } from '../../helpers/simulated-machine.ts'

test('dies once, of the first reason', () => {
  const process = new SimulatedProcess({ name: 'ada', pid: 7 })
  let deaths = 0
  process.onDeath(() => (deaths += 1))
  assert.throws(() => process.crash(new Error('disk broken')), SimulatedDeath)
  assert.throws(() => process.crash(new Error('again')), SimulatedDeath)
  process.kill()
  assert.equal(process.alive, false)
  assert.equal(process.reason?.message, 'disk broken')
  assert.equal(deaths, 1)
})

test('answers nothing on any port once it is dead', async () => {
  const { clock, disk, random, boot } = createSimulation(1)
  const http = new SimulatedHttp({ clock, random })
  const transport = new SimulatedTransport({ clock, random })
  const process = boot()
  const platform = createSimulatedPlatform({ clock, disk, http, transport, random, process })
  platform.disk.makeFolder('/home')
  platform.disk.replaceFile('/home/file', Buffer.from('x'))
  const file = platform.disk.open('/home/file')
  process.kill()

  const request = { method: 'GET', path: '/', headers: {}, body: new Uint8Array() }
  const sink = { onOpen: () => {}, onFrame: () => {}, onClose: () => {} }
  const calls: ((platform: Platform) => unknown)[] = [
    ({ clock: own }) => own.now(),
    ({ clock: own }) => own.monotonicMs(),
    ({ clock: own }) => own.setTimer(1, () => {}),
    ({ clock: own }) => own.defer(() => {}),
    ({ random: own }) => own.bytes(1),
    ({ random: own }) => own.uuid(),
    ({ random: own }) => own.fraction(),
    ({ disk: own }) => own.list('/home'),
    ({ disk: own }) => own.exists('/home'),
    ({ disk: own }) => own.makeFolder('/home/x'),
    ({ disk: own }) => own.open('/home/file'),
    ({ disk: own }) => own.readFile('/home/file'),
    ({ disk: own }) => own.replaceFile('/home/file', Buffer.from('y')),
    ({ disk: own }) => own.rename('/home/file', '/home/g'),
    ({ disk: own }) => own.remove('/home/file'),
    ({ disk: own }) => own.syncFolder('/home'),
    ({ disk: own }) => own.prepareZeros('/home/z', 1),
    ({ disk: own }) => own.prepareZerosNow('/home/z', 1),
    ({ disk: own }) => own.freeBytes('/home'),
    () => file.read(0, 1),
    () => file.write(0, Buffer.from('z')),
    () => file.sync(),
    () => file.close(),
    () => file.sizeBytes,
    ({ process: own }) => own.crash(new Error('late')),
    ({ http: own }) => own.request({ host: '127.0.0.1', port: 1 }, request, { timeoutMs: 1 }),
    ({ transport: own }) => own.connect('ws://hub', { headers: {}, frameBytesMax: 1 }, sink),
  ]
  for (const call of calls) assert.throws(() => call(platform), SimulatedDeath, String(call))
  await assert.rejects(
    platform.listener.listen({ host: '127.0.0.1', port: 1 }, { bodyBytesMax: 1 }, () =>
      Promise.reject(new Error()),
    ),
    SimulatedDeath,
  )
  assert.equal(disk.content('/home/file').toString(), 'x')
})

test('leaves the promises of its ports open for ever', async () => {
  const { clock, disk, random, boot } = createSimulation(2)
  const process = boot()
  const platform = createSimulatedPlatform({
    clock,
    disk,
    http: new SimulatedHttp({ clock, random }),
    transport: new SimulatedTransport({ clock, random }),
    random,
    process,
  })
  platform.disk.makeFolder('/home')
  let settled = 0
  const settle = (): void => void (settled += 1)
  const request = { method: 'GET', path: '/', headers: {}, body: new Uint8Array() }
  platform.disk.prepareZeros('/home/segment', 100_000).then(settle, settle)
  platform.http.request({ host: '127.0.0.1', port: 1 }, request, { timeoutMs: 10 }).then(settle, settle)
  clock.schedule(1, () => process.kill())
  await clock.runUntilQuiet()
  assert.equal(settled, 0)
})

test('draws anew in each incarnation, and the same in each run', () => {
  const identities = (): string[] => {
    const { clock, disk, random, boot } = createSimulation(3)
    const http = new SimulatedHttp({ clock, random })
    const transport = new SimulatedTransport({ clock, random })
    return Array.from({ length: 3 }, () =>
      createSimulatedPlatform({ clock, disk, http, transport, random, process: boot() }).random.uuid(),
    )
  }
  assert.deepEqual(identities(), identities())
  assert.equal(new Set(identities()).size, 3)
})
