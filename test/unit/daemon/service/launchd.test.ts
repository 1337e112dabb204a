import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Launchd } from '../../../../src/daemon/service/launchd.ts'
import type { ServiceScope, ServiceSpec } from '../../../../src/daemon/service/spec.ts'
import { FakeLaunchdHost } from '../../../helpers/fake-launchd.ts'

const ada = { name: 'ada', uid: 501, gid: 20, home: '/Users/ada' }
const patience = { timeoutMs: 70_000, leftOverMs: 15_000 }
const job = 'gui/501/local.perdura'
const file = '/Users/ada/Library/LaunchAgents/local.perdura.plist'
const spec: ServiceSpec = {
  scope: 'user',
  name: 'perdura',
  home: '/Users/ada/.local/state/perdura',
  node: '/opt/homebrew/bin/node',
  program: '/opt/homebrew/lib/node_modules/perdura/bin/perdura.mjs',
  account: ada,
  stopSeconds: 60,
}

function mac(scope: ServiceScope = 'user'): { host: FakeLaunchdHost; launchd: Launchd } {
  const host = new FakeLaunchdHost()
  host.files.set(spec.node, '')
  return { host, launchd: new Launchd({ host, scope, name: 'perdura', account: ada }) }
}

async function installed(change: Partial<ServiceSpec> = {}): ReturnType<typeof made> {
  return await made(mac(), change)
}

async function made(
  world: ReturnType<typeof mac>,
  change: Partial<ServiceSpec> = {},
): Promise<ReturnType<typeof mac>> {
  await world.launchd.place(await world.launchd.render({ ...spec, ...change }))
  await world.launchd.start(1_000)
  world.host.commands.length = 0
  return world
}

test('a job is loaded once, and what runs is left alone', async () => {
  const { host, launchd } = mac()
  const none = await launchd.state()
  assert.deepEqual([none.state, none.running, none.enabled, none.detail], ['not loaded', false, false, ''])
  await launchd.place(await launchd.render(spec))
  assert.equal(await launchd.enable(), false)
  await launchd.start(1_000)
  await launchd.start(1_000)
  assert.deepEqual(host.changes, [`launchctl bootstrap gui/501 ${file}`])
  const { state, detail, running, pid, restarts, enabled, stale, stopSecondsMax } = await launchd.state()
  // Nothing of "(never exited)".
  assert.deepEqual(
    { state, detail, running, pid, restarts, enabled, stale, stopSecondsMax },
    {
      state: 'running',
      detail: '',
      running: true,
      pid: 1_001,
      restarts: 0,
      enabled: true,
      stale: false,
      stopSecondsMax: null,
    },
  )
})

for (const bootoutStatus of [0, 36])
  test(`a stop is over when the job is gone, though bootout ends at once with ${bootoutStatus}`, async () => {
    const { host, launchd } = await installed()
    Object.assign(host, { bootoutStatus, stopMs: 12_000 })
    await launchd.stop(patience)
    assert.equal(host.jobs.size, 0)
    assert.ok(host.nowMs >= 12_000, `returned after ${host.nowMs} ms`)
    // Nothing is loaded: bootout ends with 3, and that is what was wanted.
    await launchd.stop(patience)
    assert.equal((await launchd.state()).state, 'not loaded')
  })

test('a stop that takes too long says so, and does not call the job gone', async () => {
  const { host, launchd } = await installed()
  host.stopMs = 100_000
  await assert.rejects(launchd.stop(patience), {
    code: 'ERR_SERVICE_MANAGER',
    message: /has not ended local\.perdura within 70 s \(SIGTERMed\): wait longer/,
  })
  assert.ok(host.nowMs < 75_000)
})

test('an answer to print that says nothing of the job is not taken for its end', async () => {
  const { host, launchd } = await installed()
  host.refusals.set('bootout', { status: 0, stdout: '', stderr: '' })
  host.sleep = async (ms = 0) => {
    host.nowMs += ms
    host.refusals.set('print', { status: 5, stdout: '', stderr: 'Could not print: 5: Input/output error\n' })
  }
  await assert.rejects(launchd.stop({ ...patience, timeoutMs: 2_000 }), { code: 'ERR_SERVICE_MANAGER' })
  assert.equal(host.jobs.size, 1)
})

test('a restart loads the file as it is now, and waits for the label to be free', async () => {
  const { host, launchd } = await installed()
  host.settleMs = 2_000
  await launchd.place(await launchd.render({ ...spec, stopSeconds: 300 }))
  assert.equal((await launchd.state()).stale, true)
  await launchd.restart(70_000)
  assert.match(host.jobs.get(job)?.text ?? '', /<key>ExitTimeOut<\/key>\s*<integer>300</)
  const { stale, running } = await launchd.state()
  assert.deepEqual([stale, running], [false, true])
  // Refused with 5 while the label was taken, and tried again.
  assert.ok(host.changes.filter((line) => line.includes('bootstrap')).length > 1)
})

test('of two that start it at once, the second one finds it loaded', async () => {
  const { host, launchd } = mac()
  await launchd.place(await launchd.render(spec))
  const other = new Launchd({ host, scope: 'user', name: 'perdura', account: ada })
  await Promise.all([launchd.start(1_000), other.start(1_000)])
  assert.equal(host.changes.filter((line) => line.includes('bootstrap')).length, 2)
  assert.equal(host.nowMs, 0)
  assert.equal((await launchd.state()).running, true)
})

test('a bootstrap that is refused for good is not tried for ever', async () => {
  const { host, launchd } = mac()
  await launchd.place(await launchd.render(spec))
  host.refusals.set('bootstrap', {
    status: 5,
    stdout: '',
    stderr: 'Bootstrap failed: 5: Input/output error\n',
  })
  await assert.rejects(launchd.start(90_000), { message: /bootstrap .*\(Bootstrap failed: 5: Input/ })
  assert.ok(host.nowMs <= 6_000)
})

test('what cannot be started is started from the repaired file, at once', async () => {
  const gone = '/opt/homebrew/Cellar/node/24.1.0/bin/node'
  const { host, launchd } = await installed({ node: gone })
  const before = await launchd.state()
  assert.deepEqual(
    [before.state, before.running, before.detail],
    ['spawn scheduled', false, 'last exit code 78: EX_CONFIG'],
  )
  await launchd.place(await launchd.render(spec))
  await launchd.start(1_000)
  assert.deepEqual(host.changes, [`launchctl bootout ${job}`, `launchctl bootstrap gui/501 ${file}`])
  assert.equal((await launchd.state()).running, true)
})

test('what rests between two tries is started at once, from the file that it has', async () => {
  const { host, launchd } = await installed()
  const resting = host.jobs.get(job)
  assert.ok(resting !== undefined)
  Object.assign(resting, { pid: null, lastEnd: 'last terminating signal = Killed: 9' })
  assert.equal((await launchd.state()).detail, 'ended last by Killed: 9')
  await launchd.start(1_000)
  assert.deepEqual(host.changes, [`launchctl kickstart ${job}`])
  assert.equal((await launchd.state()).running, true)
})

test('a file that was loaded by a version that did not mark it is loaded anew', async () => {
  const { host, launchd } = mac()
  const text = await launchd.render(spec)
  await launchd.place(text.replace(/\s*<key>PERDURA_SERVICE_FILE<\/key>\s*<string>\w+<\/string>/, ''))
  await launchd.start(1_000)
  await launchd.place(text)
  assert.equal((await launchd.state()).stale, true)
  await launchd.restart(1_000)
  assert.equal((await launchd.state()).stale, false)
  assert.equal(host.jobs.size, 1)
})

test('a label that was switched off starts nothing until it is switched on', async () => {
  const { host, launchd } = await installed()
  await launchd.stop(patience)
  host.disabled.add('local.perdura')
  assert.equal((await launchd.state()).enabled, false)
  await assert.rejects(launchd.start(1_000), { message: /service install switches it on/ })
  await assert.rejects(launchd.restart(1_000), { message: /service install switches it on/ })
  assert.equal(await launchd.enable(), true)
  assert.equal(await launchd.enable(), false)
  await launchd.start(1_000)
  assert.equal((await launchd.state()).running, true)
})

for (const noDomainStatus of [112, 125] as const)
  test(`without a desktop it is a job of the background, and stays one (${noDomainStatus})`, async () => {
    const world = mac()
    const { host, launchd } = world
    host.noDomainStatus = noDomainStatus
    host.logOut()
    await made(world)
    assert.deepEqual([...host.jobs.keys()], ['user/501/local.perdura'])
    assert.equal(launchd.read(launchd.installedText() ?? '')?.session, 'Background')
    // Now somebody is at the screen: it goes on where it is, and its file is as it should be.
    host.domains.add('gui/501')
    assert.equal(await launchd.render(spec), launchd.installedText())
    await launchd.restart(1_000)
    assert.deepEqual([...host.jobs.keys()], ['user/501/local.perdura'])
    await launchd.remove(patience)
    assert.equal(host.jobs.size, 0)
  })

test('one of the screen that nobody is at says what to do', async () => {
  const { host, launchd } = await installed()
  host.logOut()
  const { state, running, enabled } = await launchd.state()
  assert.deepEqual([state, running, enabled], ['not loaded', false, true])
  await assert.rejects(launchd.start(1_000), {
    message: /125: .*not logged in at the screen: .*service install --system --run-as ada$/,
  })
  await launchd.stop(patience)
  // And what would be installed from here does not need it.
  assert.equal(launchd.read(await launchd.render(spec))?.session, 'Background')
})

test('what launchd does not permit is not waited for', async () => {
  const { host, launchd } = await installed()
  host.refusals.set('bootout', {
    status: 1,
    stdout: '',
    stderr: 'Boot-out failed: 1: Operation not permitted\n',
  })
  await assert.rejects(launchd.stop(patience), {
    message: /Operation not permitted\): run the command as ada, without sudo$/,
  })
  assert.ok(host.nowMs <= 6_000)
  const machine = await made(mac('system'), { scope: 'system' })
  machine.host.refusals.set('bootout', {
    status: 150,
    stdout: '',
    stderr: 'Boot-out failed: 150: Operation not permitted while System Integrity Protection is engaged\n',
  })
  await assert.rejects(machine.launchd.stop(patience), { message: /engaged\): run the command with sudo$/ })
  assert.deepEqual([...machine.host.jobs.keys()], ['system/local.perdura'])
})

test('a time to stop that launchd shortens is seen', async () => {
  const world = mac()
  world.host.exitTimeoutMax = 60
  await made(world, { stopSeconds: 300 })
  assert.equal((await world.launchd.state()).stopSecondsMax, 60)
})

test('takes away all that it made, and once more nothing', async () => {
  const { host, launchd } = mac()
  const before = new Map(host.files)
  await launchd.place(await launchd.render(spec))
  await launchd.start(1_000)
  await launchd.remove(patience)
  await launchd.remove(patience)
  assert.deepEqual(host.files, before)
  assert.equal(host.jobs.size, 0)
})
