import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import { processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }
const skip = process.platform === 'linux' ? false : 'there is no /proc'

const daemonsOf = ({ cli }: DaemonWorld) =>
  processesOf(cli.home).filter(({ command }) => command.includes(' daemon run'))

test('of ten daemons that are started at once one stays, and the others name it', patience, () =>
  withDaemonWorld(async (world) => {
    const starts = Array.from({ length: 10 }, () => world.cli.start(['daemon', 'run']))
    let running: number[] = []
    await until('nine have ended', async () => {
      running = starts.flatMap(({ child }) => (child.exitCode === null ? [child.pid ?? 0] : []))
      return running.length <= 1
    })
    const [only] = running
    assert.equal(world.daemonPid, only)
    for (const start of starts) {
      if (start.child.pid === only) continue
      const { code, stderr } = await start.ended
      assert.equal(code, 78)
      assert.match(stderr, /ERR_DAEMON_RUNNING: the daemon of this home runs already, in process \d+/)
    }
    await world.ok('daemon', 'status')
  }),
)

test('ten starts at once all succeed, with one daemon', { ...patience, skip }, () =>
  withDaemonWorld(async (world) => {
    const documents = await Promise.all(
      Array.from({ length: 10 }, () => world.cli.json(['daemon', 'start', '--timeout', '60s'])),
    )
    const pids = new Set(documents.map(({ pid }) => pid))
    assert.deepEqual([...pids], [world.daemonPid])
    await until('one daemon is left', () => daemonsOf(world).length === 1)
  }),
)

test('a record left behind names nobody, also where another program has the number now', patience, () =>
  withDaemonWorld(async (world) => {
    await world.ok('daemon', 'start')
    const record = join(world.cli.home, 'daemon', 'daemon.pid')
    const left = JSON.parse(readFileSync(record, 'utf8')) as { pid: number }
    process.kill(left.pid, 'SIGKILL')
    await until('it is gone', () => !isAlive(left.pid))
    // Its number belongs to this very process now, which must not be taken for it, asked, or ended.
    writeFileSync(record, JSON.stringify({ ...left, pid: process.pid }))
    assert.equal((await world.cli.run(['daemon', 'status'])).code, 3)
    assert.equal((await world.cli.json(['daemon', 'stop'])).was_running, false)
    assert.equal((await world.cli.json(['daemon', 'start'])).was_running, false)
    assert.notEqual(world.daemonPid, process.pid)

    process.kill(world.daemonPid ?? 0, 'SIGKILL')
    await until('it is gone, too', () => daemonsOf(world).length === 0)
    writeFileSync(record, 'this is no record')
    assert.equal((await world.cli.json(['daemon', 'start'])).was_running, false)
  }),
)

test(
  'a daemon whose record was removed writes it again, and one whose lock was removed is not joined',
  patience,
  () =>
    withDaemonWorld(async (world) => {
      await world.ok('daemon', 'start')
      const pid = world.daemonPid
      const folder = join(world.cli.home, 'daemon')
      rmSync(join(folder, 'lock.db'))
      const { code, stderr } = await world.cli.run(['daemon', 'run'])
      assert.deepEqual([code, stderr.includes('ERR_DAEMON_RUNNING')], [78, true])
      rmSync(join(folder, 'daemon.pid'))
      await until('the record is there again', () => world.daemonPid === pid)
      // Sockets are found to be missing, too, by commands and by agents.
      await world.start('Zoe')
      for (const socket of ['control.sock', 'link.sock']) rmSync(join(folder, socket))
      await world.untilChild(
        'agent:Zoe',
        'is heard',
        ({ state, beat }) => state === 'running' && beat !== null,
      )
      const agent = world.pidOf('Zoe') ?? 0
      await world.ok('daemon', 'restart')
      assert.equal(world.pidOf('Zoe'), agent)
      await world.untilChild('agent:Zoe', 'is heard again', ({ beat }) => beat !== null)
    }),
)

test('a daemon of another protocol can be looked at and replaced, and nothing else', patience, () =>
  withDaemonWorld(async (world) => {
    await world.ok('daemon', 'start')
    const folder = join(world.cli.home, 'daemon')
    const record = readFileSync(join(folder, 'daemon.pid'), 'utf8')
    // What a daemon of tomorrow would answer; the real one steps aside.
    process.kill(world.daemonPid ?? 0, 'SIGTERM')
    await until('it is gone', () => world.daemonPid === undefined)
    const asked: string[] = []
    const tomorrow = createServer((request, answer) => {
      asked.push(`${request.method} ${request.url} ${String(request.headers['perdura-protocol'])}`)
      const known = request.url === '/v1/daemon'
      answer.writeHead(known ? 200 : 409, { 'content-type': 'application/json', 'perdura-protocol': '2' })
      const refusal = { success: false, error: 'perdura daemon restart', code: 'ERR_DAEMON_PROTOCOL' }
      answer.end(JSON.stringify(known ? { pid: process.pid, children: 0 } : refusal))
    })
    mkdirSync(folder, { recursive: true })
    await new Promise<void>((resolve) => tomorrow.listen(join(folder, 'control.sock'), resolve))
    try {
      const { createNodeProcessTable } = await import('../../../src/platform/node/process-table.ts')
      const own = { pid: process.pid, identity: createNodeProcessTable().identify(process.pid), protocol: 2 }
      writeFileSync(join(folder, 'daemon.pid'), JSON.stringify({ ...JSON.parse(record), ...own }))
      await world.ok('daemon', 'status')
      const { code, stderr } = await world.cli.run(['start', '--name', 'Zoe', '--no-hub'])
      assert.equal(code, 1)
      assert.match(stderr, /ERR_DAEMON_PROTOCOL: .*perdura daemon restart/)
      assert.ok(
        asked.every((line) => line.endsWith(' 1')),
        asked.join(),
      )
    } finally {
      tomorrow.closeAllConnections()
      await new Promise((resolve) => tomorrow.close(resolve))
      rmSync(join(folder, 'daemon.pid'))
    }
  }),
)

test('a daemon that is about to end is waited for by the next start', patience, () =>
  withDaemonWorld(async (world) => {
    const file = world.agentFile(
      'Zoe',
      "onMessage: (message) => message.text === 'slow' && new Promise((resolve) => setTimeout(resolve, 2_000))",
    )
    await world.ok('start', file, '--no-hub', '--port', '0')
    const [daemon, agent] = [world.daemonPid, world.pidOf('Zoe')]
    await world.ok('send', 'Zoe', 'slow')
    const stop = world.cli.start(['daemon', 'stop'])
    await until('it is stopping', async () => (await world.ask('GET', '/v1/daemon'))['stopping'] === true)
    const started = await world.cli.json(['daemon', 'start'])
    assert.equal((await stop.ended).code, 0)
    assert.equal(started.was_running, false)
    assert.notEqual(started.pid, daemon)
    await world.untilChild(
      'agent:Zoe',
      'runs again',
      ({ state, pid }) => state === 'running' && pid !== agent,
    )
  }),
)

test('a daemon that hangs is named, and killing it does no harm', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe')
    const [daemon, agent] = [world.daemonPid ?? 0, world.pidOf('Zoe')]
    process.kill(daemon, 'SIGSTOP')
    const { code, stderr } = await world.cli.run(['daemon', 'start', '--timeout', '1s'])
    assert.equal(code, 1)
    assert.match(
      stderr,
      new RegExp(`ERR_TIMEOUT: the daemon \\(process ${daemon}\\) does not answer.*kill -9 ${daemon}`),
    )
    process.kill(daemon, 'SIGKILL')
    await world.ok('daemon', 'start')
    assert.equal(world.pidOf('Zoe'), agent)
  }),
)

test('SIGQUIT ends a daemon and its agents without waiting for what they do', patience, () =>
  withDaemonWorld(async (world) => {
    const file = world.agentFile('Zoe', 'onMessage: () => new Promise(() => {})')
    await world.ok('start', file, '--no-hub', '--port', '0')
    await world.ok('send', 'Zoe', 'hello')
    const daemon = world.daemonPid ?? 0
    process.kill(daemon, 'SIGQUIT')
    await until('it is gone', () => !isAlive(daemon))
    assert.equal(world.pidOf('Zoe'), undefined)
    const [, ms] = /"event":"daemon:stop:done".*"durationMs":(\d+)/.exec(world.log()) ?? []
    assert.ok(Number(ms) < 8_000, `it took ${ms} ms`)
  }),
)
