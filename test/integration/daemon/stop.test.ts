import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Members } from '../../chaos/soak/members.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import { FaultProxy } from '../../helpers/fault-proxy.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 180_000 }

interface LogLine {
  readonly event: string
  readonly durationMs?: number
  readonly interruptedTurns?: number
}

async function succeeds(cli: CommandLine, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(args)
  assert.equal(code, 0, `perdura ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const online = (cli: CommandLine, name: string): Promise<void> =>
  until(`${name} is online`, async () => (await new Members(cli.home).agent(name))?.session === 'online')

function lastStop(cli: CommandLine, name: string): LogLine | undefined {
  const text = readFileSync(join(cli.home, 'agents', name, 'agent.log'), 'utf8')
  const lines = text.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as LogLine).findLast(({ event }) => event === 'agent:stop:done')
}

test('an idle agent is stopped within a second, and its hub knows why it is away', patience, () =>
  withCommandLine(async (cli) => {
    await succeeds(cli, 'start', '--port', '0')
    await online(cli, 'Bo')
    await succeeds(cli, 'stop', 'Bo')
    // By its own clock: how long the command takes is up to the machine.
    assert.ok((lastStop(cli, 'Bo')?.durationMs ?? Infinity) <= 1_000, JSON.stringify(lastStop(cli, 'Bo')))
    await until('the hub knows', async () => {
      const { agents } = await cli.json(['hub', 'agents'])
      const bo = agents.find(({ name }: { name: string }) => name === 'Bo')
      return bo.left_reason === 'the agent stops'
    })
    await succeeds(cli, 'start', 'Bo')
    await online(cli, 'Bo')
    const { agents } = await cli.json(['hub', 'agents'])
    assert.deepEqual(
      agents.map(({ left_at: leftAt }: { left_at: number | null }) => leftAt),
      [null, null],
    )
  }),
)

test(
  'a busy agent is stopped within its deadline, what runs is put back, and goes on at the next start',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const file = writeAgent(cli, 'Ben', {
        handlers: `async onMessage(message, ctx) {
        const known = await ctx.step('begun', () => { note('begun ' + message.text); return ctx.turn.attempt })
        if (message.text === 'long' && ctx.turn.attempt === 1) await new Promise((resolve) => setTimeout(resolve, 120_000))
        if (message.text.startsWith('short')) await new Promise((resolve) => setTimeout(resolve, 500))
        note('done ' + message.text)
        await ctx.reply('done ' + message.text + ', begun in attempt ' + known)
      }`,
      })
      await succeeds(cli, 'start', file, '--no-hub', '--port', '0')
      await succeeds(cli, 'send', 'Ben', 'long', '--conversation', 'a')
      for (const n of [1, 2, 3]) await succeeds(cli, 'send', 'Ben', `short ${n}`, '--conversation', `b${n}`)
      const outside = (): string[] => {
        try {
          return readFileSync(join(cli.folder, 'outside'), 'utf8').trim().split('\n')
        } catch {
          return []
        }
      }
      await until('all have begun', () => outside().filter((text) => text.startsWith('begun')).length === 4)
      await succeeds(cli, 'stop', 'Ben')
      const { durationMs = Infinity, interruptedTurns } = lastStop(cli, 'Ben') ?? {}
      assert.ok(durationMs <= 15_000, String(durationMs))
      assert.equal(interruptedTurns, 1)
      assert.deepEqual(outside().filter((text) => text.startsWith('done short')).length, 3)

      await succeeds(cli, 'start', 'Ben')
      await until('the long one is done', () => outside().includes('done long'))
      // The step was recorded before the stop: it has not run again.
      assert.equal(outside().filter((text) => text === 'begun long').length, 1)
      const { inbox } = await cli.json(['status', 'Ben'])
      assert.equal(inbox.dead + inbox.parked, 0)
    }),
)

test('an agent whose hub is not heard any more notices, says so, and loses nothing', patience, () =>
  withCommandLine(async (cli) => {
    await succeeds(cli, 'hub', 'start', '--port', '0')
    const members = new Members(cli.home)
    await using proxy = await FaultProxy.open({ target: { port: members.hubPort() ?? 1 } })
    const hub = ['--hub', `http://127.0.0.1:${proxy.port}`]
    await succeeds(cli, 'start', '--name', 'Ada', '--port', '0', ...hub, '--heartbeat-interval', '1s')
    await succeeds(cli, 'start', '--name', 'Bo', '--port', '0')
    await online(cli, 'Ada')
    await online(cli, 'Bo')
    proxy.blackHole()
    // After 30 s of silence, which is more than tests wait for elsewhere.
    const deadlineMs = performance.now() + 90_000
    while ((await members.agent('Ada'))?.session === 'online') {
      assert.ok(performance.now() < deadlineMs, 'it does not notice')
      await sleep(200)
    }
    await succeeds(cli, 'send', 'Ada', 'remember that it waited', '--to', 'Bo')
    assert.match(await succeeds(cli, 'why', 'Ada'), /connection|connected/)
    proxy.heal()
    await online(cli, 'Ada')
    await until('it has come', async () =>
      /it waited/.test(JSON.stringify(await cli.json(['turn', 'list', 'Bo']))),
    )
  }),
)

test('an agent has the time to stop that it was started with: its turns have the most of it', patience, () =>
  withCommandLine(async (cli) => {
    for (const bad of ['500ms', '2h'])
      assert.match(
        (await cli.run(['start', '--name', 'Ben', '--stop-timeout', bad])).stderr,
        /--stop-timeout is a duration from 1s to 1h/,
      )
    const file = writeAgent(cli, 'Ben', {
      handlers: `async onMessage({ text }, ctx) {
        note('begun ' + text)
        if (ctx.turn.attempt === 1) await new Promise((resolve) => setTimeout(resolve, 3_600_000))
      }`,
    })
    const deadlines = (): unknown[] => {
      const text = readFileSync(join(cli.home, 'agents', 'Ben', 'agent.log'), 'utf8')
      const lines = text.trimEnd().split('\n')
      const events = lines.map((line) => JSON.parse(line) as LogLine & { readonly deadlineMs?: number })
      return events.filter(({ event }) => event === 'agent:stop:began').map(({ deadlineMs }) => deadlineMs)
    }
    await succeeds(cli, 'start', file, '--no-hub', '--port', '0', '--stop-timeout', '3s')
    await succeeds(cli, 'send', 'Ben', 'long')
    const outside = join(cli.folder, 'outside')
    await until('it works', () => existsSync(outside) && readFileSync(outside, 'utf8').includes('begun'))
    await succeeds(cli, 'stop', 'Ben')
    // It came to its end, and was not killed in the middle of it.
    assert.equal(lastStop(cli, 'Ben')?.interruptedTurns, 1)
    await succeeds(cli, 'start', file, '--no-hub', '--port', '0', '--stop-timeout', '5m')
    await succeeds(cli, 'stop', 'Ben')
    assert.deepEqual(deadlines(), [2_000, 295_000])
  }),
)
