import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { createNodeProcessTable } from '../../../src/platform/node/process-table.ts'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withDaemonWorld, type DaemonWorld } from '../../helpers/daemon-world.ts'
import { processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }
const skip = process.platform === 'linux' ? false : 'there is no /proc'
const own = { pid: process.pid, identity: createNodeProcessTable().identify(process.pid) ?? '' }
const hello = {
  type: 'hello',
  protocol: 1,
  child: 'agent:Zoe',
  ...own,
  instance: 'x',
  version: '0.0.0',
  node: process.version,
}

/** Says it on the link; resolves to whether it was cut off for that. */
function say({ cli }: DaemonWorld, text: string): Promise<'cut' | 'heard'> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(cli.home, 'daemon', 'link.sock'))
    const heard = setTimeout(() => socket.end(() => resolve('heard')), 1_000)
    socket.on('error', () => undefined)
    socket.once('connect', () => socket.write(text))
    socket.once('close', () => {
      clearTimeout(heard)
      resolve('cut')
    })
    socket.setTimeout(20_000, () => reject(new Error('nothing happened')))
  })
}

test('who does not say who it is, or says it wrongly, is cut off, and the daemon goes on', patience, () =>
  withDaemonWorld(async (world) => {
    await world.start('Zoe')
    const line = (value: object): string => `${JSON.stringify(value)}\n`
    assert.equal(await say(world, 'GET / HTTP/1.1\r\n\r\n'), 'cut')
    assert.equal(await say(world, line({ type: 'ready' })), 'cut')
    assert.equal(await say(world, line({ ...hello, protocol: 2 })), 'cut')
    // The number of a process that lives, and that says something else of itself.
    assert.equal(await say(world, line({ ...hello, identity: 'another boot:1' })), 'cut')
    assert.equal(await say(world, line({ ...hello, pid: world.pidOf('Zoe') })), 'cut')
    assert.equal(await say(world, `"${'x'.repeat(2 * 1024 * 1024)}`), 'cut')
    // A stranger is heard, and is no part of the child that runs already: not even its last word.
    const pid = world.pidOf('Zoe')
    assert.equal(await say(world, line(hello) + line({ type: 'exit', code: 78 })), 'heard')
    const child = await world.child('agent:Zoe')
    assert.deepEqual([child?.['state'], child?.['pid']], ['running', pid])
    await world.ok('stop', 'Zoe')
  }),
)

for (const [what, isMute] of [
  ['that was started by a daemon that died before it could write that down', false],
  ['that was suspended as soon as it was started, of which the record says nothing,', true],
] as const) {
  test(`a process ${what} is not started twice`, { ...patience, skip }, () =>
    withDaemonWorld(async (world) => {
      const { cli } = world
      // It takes its time: only the process table and the link know of it meanwhile.
      const file = world.agentFile('Zoe', '')
      const slow = `await new Promise((resolve) => setTimeout(resolve, 3_000))\n${readFileSync(file, 'utf8')}`
      const agents = () => processesOf(cli.home).filter(({ command }) => command.includes('perdura.mjs run '))
      await world.ok('start', file, '--no-hub', '--port', '0')
      await world.ok('stop', 'Zoe')
      writeFileSync(file, slow)
      const start = cli.start(['start', 'Zoe', '--timeout', '60s'])
      await until('its process is there', () => agents().length === 1)
      const [first] = agents()
      if (isMute) process.kill(first?.pid ?? 0, 'SIGSTOP')
      process.kill(world.daemonPid ?? 0, 'SIGKILL')
      const record = join(cli.home, 'agents', 'Zoe', 'supervision.json')
      const kept = JSON.parse(readFileSync(record, 'utf8')) as { process: object }
      // As one is that could not be written since: the disk was full.
      const old = isMute ? null : { ...kept.process, pid: null, identity: null }
      writeFileSync(record, JSON.stringify({ ...kept, process: old }))
      await world.ok('daemon', 'start')
      if (isMute) {
        const child = await world.untilChild('agent:Zoe', 'is known', ({ pid }) => pid !== null)
        assert.deepEqual([child['pid'], child['state']], [first?.pid, 'starting'])
        process.kill(first?.pid ?? 0, 'SIGCONT')
      }
      const child = await world.untilChild('agent:Zoe', 'runs', ({ state }) => state === 'running')
      // It was waited for until it was ready, and no other one was started.
      assert.deepEqual([child['pid'], world.pidOf('Zoe')], [first?.pid, first?.pid])
      assert.deepEqual(agents(), [first])
      await start.ended
    }),
  )
}

test('the last word of a process that was taken over is known to its new daemon', patience, () =>
  withDaemonWorld(async (world) => {
    const file = world.agentFile(
      'Zoe',
      "onMessage: (message) => { if (message.text === 'end') process.exit(78) }",
    )
    await world.ok('start', file, '--no-hub', '--port', '0')
    await world.ok('daemon', 'restart')
    await world.untilChild('agent:Zoe', 'was heard', ({ beat }) => beat !== null)
    const pid = world.pidOf('Zoe') ?? 0
    const sent = world.cli.run(['send', 'Zoe', 'end', '--timeout', '1s'])
    const child = await world.untilChild('agent:Zoe', 'has failed', ({ state }) => state === 'failed')
    const last = (child['last_ends'] as { code: number; reason: string }[]).at(-1)
    assert.deepEqual([last?.reason, last?.code], ['refused', 78])
    assert.ok(!isAlive(pid))
    await sent
  }),
)
