import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCredentialFile } from '../../../src/credentials/credential-file.ts'
import { HubCredentials } from '../../../src/credentials/hub-credentials.ts'
import type { Http } from '../../../src/platform/http.ts'
import { createSeededRandom, outside } from '../../../src/testing/index.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { bootClockOf, createSimulation, credentialParts } from '../../helpers/simulated-machine.ts'
import { RestWorld } from '../hub/rest/rest-world.ts'
import { addressesOf, credentialPath, hasCode, hubUrl } from './fake-hub.ts'

test('gets its tokens of our own hub', async () => {
  const world = await RestWorld.start()
  const calls: string[] = []
  const http: Http = {
    async request(_address, { method, path, headers, body: raw }) {
      calls.push(path.replace('/api/v1', ''))
      const { status, body } = await world.call(method, path.replace('/api/v1', ''), { raw, headers })
      return { status, headers: {}, body: Buffer.from(JSON.stringify(body)) }
    },
  }
  const start = (seed: string) => {
    const { clock, disk } = createSimulation(seed)
    const random = createSeededRandom(seed)
    const file = openCredentialFile({ ...credentialParts(disk, random, outside), path: credentialPath })
    const hub = { addresses: addressesOf(hubUrl), pathPrefix: '' }
    const log = createSimulatedLog(new Trace())
    const boot = bootClockOf(clock)
    return new HubCredentials({ file, http, clock: clock.for(outside), boot, random, log, hub, name: 'Ada' })
  }
  const verify = async (token: string) => (await world.call('POST', '/auth/verify', { token })).body.ai_name

  const credentials = start('Ada')
  const first = await credentials.access()
  assert.equal(await verify(first.token), 'Ada')
  const second = await credentials.access({ fresh: true })
  assert.equal(await verify(second.token), 'Ada')
  credentials.recordGeneration(3)
  const third = await credentials.access()
  assert.equal(third.aiId, first.aiId)
  await world.call('POST', '/auth/logout', { token: third.token })
  const fourth = await credentials.access({ fresh: true })
  assert.equal(await verify(fourth.token), 'Ada')
  assert.deepEqual(calls, [
    '/auth/challenge',
    '/auth/login',
    '/ai/register',
    '/auth/challenge',
    '/auth/login',
    '/auth/refresh',
    '/auth/challenge',
    '/auth/login',
    '/auth/refresh',
    '/auth/challenge',
    '/auth/login',
  ])
  await assert.rejects(start('another').access(), hasCode('ERR_NAME_TAKEN', false))
  assert.deepEqual(world.failures, [])
})

test('in ninety days the hub goes through several keys, forgets the oldest, and logs nobody out', async () => {
  const world = await RestWorld.start()
  const http: Http = {
    async request(_address, { method, path, headers, body: raw }) {
      const { status, body } = await world.call(method, path.replace('/api/v1', ''), { raw, headers })
      return { status, headers: {}, body: Buffer.from(JSON.stringify(body)) }
    },
  }
  const { clock } = world
  const random = createSeededRandom('Ada')
  const { disk } = createSimulation('Ada')
  const events: string[] = []
  const log = createSimulatedLog(new Trace(), (event) => events.push(event))
  const start = (): HubCredentials =>
    new HubCredentials({
      file: openCredentialFile({ ...credentialParts(disk, random, outside), path: credentialPath }),
      http,
      clock: clock.for(outside),
      boot: bootClockOf(clock),
      random,
      log,
      hub: { addresses: addressesOf(hubUrl), pathPrefix: '' },
      name: 'Ada',
    })
  const first = await start().access()
  const used = new Set<string>()
  for (let day = 0; day < 90; day += 1) {
    // A process a day, and an exchange at its start and half-way: also right after a key was made.
    const credentials = start()
    for (let half = 0; half < 2; half += 1) {
      const { token, aiId } = await credentials.access({ fresh: true })
      assert.equal(aiId, first.aiId)
      assert.equal((await world.call('GET', '/ai/list', { token })).status, 200)
      used.add(String(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid))
      await clock.runFor(43_200_000)
      world.hubAuth.rotateKeys()
    }
    await credentials.close()
  }
  assert.ok(used.size >= 3, `${used.size} keys`)
  assert.ok(world.host.for(outside).list('/hub/keys').length < used.size + 1)
  assert.equal(events.filter((event) => event === 'credentials:login:done').length, 1)
  assert.deepEqual(
    world.told.filter(({ event }) => event === 'hub:token:replayed'),
    [],
  )
})
