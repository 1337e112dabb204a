import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }
const onLinux = process.platform === 'linux'

/** Hangs as often as there is a file to be removed. */
const hangs = (marker: string): string => `
  onMessage: () => {
    if (!existsSync('${marker}')) return
    rmSync('${marker}')
    spinForEver()
  },`

/** Settings under which trouble is noticed soon. */
function hasty({ cli }: DaemonWorld, supervision: object): void {
  mkdirSync(cli.home, { recursive: true, mode: 0o700 })
  writeFileSync(join(cli.home, 'config.json'), JSON.stringify({ supervision }), { mode: 0o600 })
}

async function startFile(world: DaemonWorld, file: string): Promise<void> {
  await world.ok('start', file, '--no-hub', '--port', '0')
}

test('a busy loop is noticed, and where it was is told before the process is killed', patience, () =>
  withDaemonWorld(async (world) => {
    hasty(world, { hang_after: '3s' })
    const marker = join(world.cli.folder, 'marker')
    const file = world.agentFile('Zoe', hangs(marker))
    const head = "import { existsSync, rmSync } from 'node:fs'; function spinForEver() { for (;;) {} }\n"
    writeFileSync(file, head + readFileSync(file, 'utf8'))
    await startFile(world, file)
    for (const takenOver of [false, true]) {
      if (takenOver) await world.ok('daemon', 'restart')
      // One that was taken over has some time to find its new daemon.
      await world.untilChild('agent:Zoe', 'was heard', ({ beat }) => beat !== null)
      const pid = world.pidOf('Zoe') ?? 0
      writeFileSync(marker, '')
      const sent = world.cli.run(['send', 'Zoe', 'spin'])
      const child = await world.untilChild(
        'agent:Zoe',
        'is back',
        ({ state, pid: now }) => state === 'running' && now !== pid,
      )
      const last = (child['last_ends'] as { reason: string }[]).at(-1)
      assert.equal(last?.reason, 'hung')
      // The message was taken in once, and the next process handles it.
      assert.equal((await sent).code, 0)
      if (!onLinux) continue
      const evidence = child['evidence'] as { text: string; reason: string }
      assert.match(evidence.text, /^the process was running, in spinForEver \(.*zoe\.ts:1:\d+\) ← /)
      assert.equal(evidence.reason, 'hung')
    }
    // What it was asked under is not left open to anybody.
    assert.doesNotMatch(JSON.stringify(await world.child('agent:Zoe')), /ws:\/\//)
  }),
)

test(
  'a process that was stopped by a signal is noticed, and told apart',
  { ...patience, skip: !onLinux },
  () =>
    withDaemonWorld(async (world) => {
      hasty(world, { hang_after: '3s' })
      await world.start('Zoe')
      const pid = world.pidOf('Zoe') ?? 0
      process.kill(pid, 'SIGSTOP')
      const child = await world.untilChild(
        'agent:Zoe',
        'is back',
        ({ state, pid: now }) => state === 'running' && now !== pid,
      )
      const evidence = child['evidence'] as { text: string }
      assert.equal(evidence.text, 'the process was stopped by a signal')
      assert.ok(!isAlive(pid))
    }),
)

test('a crash loop leads to safe mode, which ends when the code is mended', patience, () =>
  withDaemonWorld(async (world) => {
    hasty(world, { failures_max: 3, safe_mode_first: '1h' })
    const file = world.agentFile('Zoe', '')
    await startFile(world, file)
    const good = readFileSync(file, 'utf8')
    writeFileSync(file, `process.abort()\n${good}`)
    process.kill(world.pidOf('Zoe') ?? 0, 'SIGKILL')
    const safe = await world.untilChild(
      'agent:Zoe',
      'is in safe mode',
      ({ state, mode }) => state === 'running' && mode === 'safe',
    )
    assert.notEqual(safe['safe_mode'], null)
    // It takes what comes, and keeps it.
    await world.ok('send', 'Zoe', 'hello')
    writeFileSync(file, good)
    await world.untilChild(
      'agent:Zoe',
      'is out of it',
      ({ state, mode }) => state === 'running' && mode === 'normal',
    )
  }),
)

test('start says why an agent does not start, in its own words', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    const missing = await cli.run(['start', './nowhere.ts'])
    assert.deepEqual([missing.code, /ERR_DEFINITION_LOAD: there is no file/.test(missing.stderr)], [78, true])
    const wrong = await cli.run(['start', 'Nobody'])
    assert.equal(wrong.code, 4)
    const usage = await cli.run(['start', 'Ada', '--memory-max', '3'])
    assert.equal(usage.code, 2)
    const both = await cli.run(['start', 'Ada', '--all'])
    assert.equal(both.code, 2)

    // Its code loads, and its state does not fit: it refuses by itself, with 78.
    const file = world.agentFile('Zoe', 'state: { version: 22, schema, initial: {} }')
    const schema =
      "const schema = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }\n"
    writeFileSync(file, schema + readFileSync(file, 'utf8'))
    await startFile(world, file)
    await world.ok('stop', 'Zoe')
    writeFileSync(file, readFileSync(file, 'utf8').replace('version: 22', 'version: 21'))
    const refused = await cli.run(['start', 'Zoe'])
    assert.equal(refused.code, 78)
    assert.match(refused.stderr, /ERR_STATE_NEWER/)
    const child = await world.child('agent:Zoe')
    assert.deepEqual([child?.['state'], child?.['wanted']], ['failed', 'running'])
    writeFileSync(file, readFileSync(file, 'utf8').replace('version: 21', 'version: 22'))
    await world.ok('start', 'Zoe')
  }),
)

test('what up runs is not taken by the daemon, and the other way round', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    const up = await cli.up(['--name', 'Zoe', '--no-hub'])
    const start = await cli.run(['start', 'Zoe'])
    assert.equal(start.code, 78)
    assert.match(start.stderr, new RegExp(`ERR_HOME_IN_USE: Zoe is run by process ${up.child.pid}`))
    up.kill('SIGTERM')
    await up.ended

    await world.ok('start', 'Zoe')
    const pid = world.pidOf('Zoe') ?? 0
    const refused = await cli.run(['up', 'Zoe'])
    assert.equal(refused.code, 78)
    assert.match(refused.stderr, /ERR_HOME_IN_USE: .*the daemon/)
    // Also where the daemon is dead: its agent is nobody's orphan.
    process.kill(world.daemonPid ?? 0, 'SIGKILL')
    const alone = await cli.run(['up', 'Zoe'])
    assert.equal(alone.code, 78)
    assert.match(alone.stderr, /ERR_HOME_IN_USE: .*perdura daemon start/)
    assert.ok(isAlive(pid))
    // A stop holds for the next daemon too.
    await world.ok('stop', 'Zoe')
    assert.ok(!isAlive(pid))
    await world.ok('daemon', 'start')
    assert.equal((await world.child('agent:Zoe'))?.['state'], 'stopped')
  }),
)

test('a restart during a drain is a restart', patience, () =>
  withDaemonWorld(async (world) => {
    const file = world.agentFile(
      'Zoe',
      `onMessage: async (message, ctx) => {
        if (message.text === 'slow') await new Promise((resolve) => setTimeout(resolve, 3_000))
      }`,
    )
    await startFile(world, file)
    await world.ok('send', 'Zoe', 'slow')
    const pid = world.pidOf('Zoe') ?? 0
    const stop = world.cli.start(['stop', 'Zoe'])
    await world.untilChild('agent:Zoe', 'is stopping', ({ state }) => state === 'stopping')
    await world.ok('restart', 'Zoe')
    assert.notEqual(world.pidOf('Zoe'), pid)
    const { code, stderr } = await stop.ended
    assert.deepEqual([code, /started by somebody else/.test(stderr)], [3, true])
  }),
)

test('what an agent prints is in its log, and a file gives it its environment', patience, () =>
  withDaemonWorld(async (world) => {
    const { cli } = world
    const file = world.agentFile(
      'Zoe',
      'onStart: () => { console.log(process.env.GREETING); console.error("to you") }',
    )
    const environment = join(cli.folder, 'zoe.env')
    writeFileSync(environment, 'GREETING="good morning"\n', { mode: 0o644 })
    const told = await world.ok('start', file, '--no-hub', '--port', '0', '--environment-file', environment)
    assert.match(told, /others on this machine can read/)
    const log = (): string => readFileSync(join(cli.home, 'agents', 'Zoe', 'agent.log'), 'utf8')
    await until(
      'both lines are there',
      () => /"line":"good morning"/.test(log()) && /"line":"to you"/.test(log()),
    )
    // Read at each start, and no part of the record.
    writeFileSync(environment, 'GREETING=again\n')
    await world.ok('restart', 'Zoe')
    await until('the new one is there', () => /"line":"again"/.test(log()))
    const record = readFileSync(join(cli.home, 'agents', 'Zoe', 'supervision.json'), 'utf8')
    assert.doesNotMatch(record, /again|good morning/)
  }),
)
