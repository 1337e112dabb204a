import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Members } from '../../chaos/soak/members.ts'
import { online } from '../../helpers/at-hub.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import { leftoversOf, livingLeftoversOf, processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

// How a daemon with a hub and two agents, one of which works for ever, ends when it is told to be quick about it.

const patience = { timeout: 120_000, skip: process.platform === 'linux' ? false : 'there is no /proc' }

interface LogLine {
  readonly event: string
  readonly child?: string
  readonly reason?: string
  readonly state?: string
  readonly previous?: string
}

function logged(cli: CommandLine, file: readonly string[], event: string): LogLine[] {
  const lines = readFileSync(join(cli.home, ...file), 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map((line) => JSON.parse(line) as LogLine).filter((line) => line.event === event)
}

const ofAgent = (cli: CommandLine, name: string, event: string): LogLine[] =>
  logged(cli, ['agents', name, 'agent.log'], event)

const ofHub = (cli: CommandLine, event: string): LogLine[] => logged(cli, ['hub', 'hub.log'], event)

const outside = (cli: CommandLine): string[] =>
  readFileSync(join(cli.folder, 'outside'), 'utf8').trim().split('\n')

async function succeeds(cli: CommandLine, ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await cli.run(args)
  assert.equal(code, 0, `perdura ${args.join(' ')}: ${stdout}${stderr}`)
}

/** Returns the daemon's process once Ada works and Bo is idle, both at the hub of the home. */
async function working(cli: CommandLine): Promise<number> {
  const file = writeAgent(cli, 'Ada', {
    handlers: `async onMessage({ text }, ctx) {
      note(text + ' ' + ctx.turn.attempt)
      if (ctx.turn.attempt === 1) await new Promise(() => setTimeout(() => {}, 3_600_000))
    }`,
  })
  await succeeds(cli, 'hub', 'start', '--port', '0')
  await succeeds(cli, 'start', file, '--port', '0')
  await succeeds(cli, 'start', '--name', 'Bo', '--port', '0')
  await online(cli, 'Ada')
  await online(cli, 'Bo')
  await cli.json(['send', 'Ada', 'work'])
  await until('it works', () => processesOf(cli.home).length >= 4 && outside(cli).includes('work 1'))
  const pid = new Members(cli.home).pidOf('daemon')
  assert.ok(pid !== undefined)
  return pid
}

const nobody = (cli: CommandLine): Promise<void> =>
  until(
    'all are gone',
    () => processesOf(cli.home).length === 0,
    () => JSON.stringify(processesOf(cli.home)),
  )

/** How often the daemon started a process of the hub. */
const hubStarts = (cli: CommandLine): number =>
  logged(cli, ['daemon', 'daemon.log'], 'supervisor:child:state').filter(
    ({ child, state }) => child === 'hub' && state === 'starting',
  ).length

test(
  'SIGQUIT to a daemon stops all of it in order, without waiting for turns, and leaves nothing',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const pid = await working(cli)
      process.kill(pid, 'SIGQUIT')
      await nobody(cli)
      assert.deepEqual(leftoversOf(cli.home), [])
      for (const name of ['Ada', 'Bo']) {
        assert.equal(ofAgent(cli, name, 'agent:stop:began').at(-1)?.reason, 'SIGQUIT')
        assert.equal(ofAgent(cli, name, 'agent:stop:done').length, 1)
      }
      assert.equal(ofHub(cli, 'hub:stop:done').at(-1)?.reason, 'SIGQUIT')
      assert.equal(hubStarts(cli), 1)
      const { agents } = await cli.json(['hub', 'agents'])
      assert.deepEqual(
        agents.map(({ left_reason: reason }: { left_reason: string }) => reason),
        ['the agent stops', 'the agent stops'],
      )
      await succeeds(cli, 'daemon', 'start')
      await until('it is handled again', () => outside(cli).includes('work 2'))
      assert.equal(ofAgent(cli, 'Ada', 'agent:start:ready').at(-1)?.previous, 'clean')
    }),
)

test('a second signal to a daemon waits for nothing, and leaves no process and no lock', patience, () =>
  withCommandLine(async (cli) => {
    const pid = await working(cli)
    process.kill(pid, 'SIGTERM')
    await until('Ada stops', () => ofAgent(cli, 'Ada', 'agent:stop:began').length === 1)
    // Another one than the first, which would be taken for its echo.
    process.kill(pid, 'SIGINT')
    await nobody(cli)
    assert.deepEqual(livingLeftoversOf(cli.home), [])
    // What was killed is known by its record, and by the socket that it could not remove; the daemon has cleaned up.
    for (const text of leftoversOf(cli.home))
      assert.match(text, /(agents\/(Ada|Bo)\/(agent\.pid|control\.sock)|hub\/(hub\.pid|control\.sock))$/)
    assert.deepEqual(ofAgent(cli, 'Ada', 'agent:stop:done'), [])
    assert.equal(hubStarts(cli), 1)
    await succeeds(cli, 'daemon', 'start')
    await until('it is handled again', () => outside(cli).includes('work 2'))
    assert.equal(ofAgent(cli, 'Ada', 'agent:start:ready').at(-1)?.previous, 'killed')
    await succeeds(cli, 'daemon', 'stop')
    assert.deepEqual(leftoversOf(cli.home), [])
  }),
)
