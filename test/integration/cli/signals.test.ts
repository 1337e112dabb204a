import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hubOf, online } from '../../helpers/at-hub.ts'
import { noTerminal, startAtTerminal } from '../../helpers/at-terminal.ts'
import {
  isAlive,
  until,
  withCommandLine,
  type CommandLine,
  type Running,
} from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 90_000 }

/** Waits as long as a message says, or for ever, and ends early only where its signal says so. */
const patient = `import { defineAgent } from 'perdura'
  import { setTimeout as delay } from 'node:timers/promises'
  export default defineAgent({
    name: 'Ada',
    async onMessage({ payload: { ms, to = 'you', deaf } }, ctx) {
      await delay(ms, undefined, deaf ? {} : { signal: ctx.signal })
      await ctx.send(to, 'waited ' + ms)
    },
  })`

interface LogLine {
  readonly event: string
  readonly stage?: string
  readonly durationMs?: number
  readonly reason?: string
}

async function logged(cli: CommandLine, event: string): Promise<LogLine[]> {
  const { lines } = await cli.json(['logs', 'Ada', '-n', '400'])
  return (lines as LogLine[]).filter((line) => line.event === event)
}

async function ada(cli: CommandLine, ...args: string[]): Promise<Running> {
  writeFileSync(join(cli.folder, 'ada.ts'), patient)
  const hub = args.includes('--hub') ? [] : ['--no-hub']
  const running = cli.start(['run', './ada.ts', '--port', '0', ...hub, ...args])
  await running.says(/Ada is ready/)
  return running
}

/** Gives it a message and returns once its turn runs. */
async function busy(cli: CommandLine, message: object): Promise<void> {
  const { ingressPort } = cli.record()
  const answer = await fetch(`http://127.0.0.1:${ingressPort}/agents/Ada/inbox`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `m-${JSON.stringify(message)}` },
    body: JSON.stringify(message),
  })
  assert.equal(answer.status, 202)
  const status = async (): Promise<string> =>
    (await cli.json(['turn', 'list', 'Ada', '--limit', '1'])).turns[0].status
  await until('the turn runs', async () => (await status()) === 'running')
}

async function previous(cli: CommandLine): Promise<string> {
  const again = await ada(cli)
  const [line] = (await logged(cli, 'agent:start:ready')).slice(-1) as unknown as { previous: string }[]
  again.kill('SIGKILL')
  await again.ended
  return line?.previous ?? ''
}

test('the first signal lets a turn finish, and the next start says that the end was clean', patience, () =>
  withCommandLine(async (cli) => {
    const running = await ada(cli)
    await busy(cli, { ms: 5_000 })
    running.kill('SIGTERM')
    const { code, stdout, stderr } = await running.ended
    assert.equal(code, 0)
    assert.match(stdout, /waited 5000/)
    assert.match(stderr, /Ada stopped in [\d.]+ ?m?s\n/)
    assert.equal(await previous(cli), 'clean')
  }),
)

test('at the deadline a turn is put back without blame, and it is said what is left', patience, () =>
  withCommandLine(async (cli) => {
    const running = await ada(cli, '--drain', '400ms')
    await busy(cli, { ms: 3_600_000 })
    running.kill('SIGINT')
    const { code, stderr } = await running.ended
    assert.equal(code, 0)
    assert.match(stderr, /kept for the next start: 1 turn interrupted/)
    const { turns } = await cli.json(['turn', 'list', 'Ada'])
    assert.deepEqual([turns[0].status, turns[0].failures, turns[0].crashes], ['pending', 0, 0])
    assert.equal(await previous(cli), 'clean')
  }),
)

test(
  'a second signal ends it at once: exit code 1, the turn without blame, nothing to recover',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const running = await ada(cli)
      await busy(cli, { ms: 3_600_000 })
      running.kill('SIGTERM')
      await running.says(/is stopping/)
      running.kill('SIGINT')
      const { code, stderr } = await running.ended
      assert.equal(code, 1)
      assert.match(stderr, /1 turn interrupted/)
      const { turns } = await cli.json(['turn', 'list', 'Ada'])
      assert.deepEqual([turns[0].status, turns[0].crashes], ['pending', 0])
      assert.equal(await previous(cli), 'clean')
    }),
)

test('a second signal ends it within a second also where a turn does not heed its signal', patience, () =>
  withCommandLine(async (cli) => {
    writeFileSync(join(cli.folder, 'config.json'), '{}')
    const running = await ada(cli)
    await busy(cli, { ms: 3_600_000, deaf: true })
    running.kill('SIGTERM')
    await running.says(/is stopping/)
    running.kill('SIGINT')
    assert.equal((await running.ended).code, 1)
    assert.equal(isAlive(running.child.pid ?? 0), false)
  }),
)

test('SIGQUIT does not wait for turns, and is a clean end', patience, () =>
  withCommandLine(async (cli) => {
    const running = await ada(cli)
    await busy(cli, { ms: 3_600_000 })
    running.kill('SIGQUIT')
    assert.equal((await running.ended).code, 0)
    const [done] = await logged(cli, 'agent:stop:done')
    assert.ok((done?.durationMs ?? Infinity) < 5_000)
    assert.equal(await previous(cli), 'clean')
  }),
)

test('SIGHUP reads the settings again, those in force stay where the new ones are wrong', patience, () =>
  withCommandLine(async (cli) => {
    const running = await ada(cli)
    writeFileSync(join(cli.home, 'config.json'), '{ "supervision": { "stop_timeout": "1200ms" } }')
    running.kill('SIGHUP')
    await until('it has read them', async () => (await logged(cli, 'settings:reload:done')).length === 1)
    writeFileSync(join(cli.home, 'config.json'), '{ "supervision": { "stop_timeout": "soon" } }')
    running.kill('SIGHUP')
    await until('it has refused them', async () => (await logged(cli, 'settings:load:failed')).length === 1)
    await busy(cli, { ms: 3_600_000 })
    running.kill('SIGTERM')
    assert.equal((await running.ended).code, 0)
    const began = await logged(cli, 'agent:stop:began')
    assert.deepEqual(
      began.map((line) => (line as unknown as { deadlineMs: number }).deadlineMs),
      [800],
    )
  }),
)

test('what the last turn says is at the hub before the process ends', patience, () =>
  withCommandLine(async (cli) => {
    const { url } = await hubOf(cli)
    const bo = cli.start(['run', '--name', 'Bo', '--port', '0', '--hub', url])
    await bo.says(/Bo is ready/)
    const running = await ada(cli, '--hub', url)
    await online(cli, 'Ada')
    await online(cli, 'Bo')
    await busy(cli, { ms: 5_000, to: 'Bo' })
    running.kill('SIGTERM')
    const { code, stderr } = await running.ended
    assert.equal(code, 0)
    assert.doesNotMatch(stderr, /not sent/)
    const { turns } = await cli.json(['turn', 'list', 'Ada', '--limit', '1'])
    const { sent } = await cli.json(['turn', 'show', 'Ada', String(turns[0].turn)])
    assert.deepEqual(
      sent.map(({ to, status }: { to: string; status: string }) => [to, status]),
      [['Bo', 'delivered']],
    )
  }),
)

test('a clean stop of an idle agent takes a second at most, at a hub that hangs too', patience, () =>
  withCommandLine(async (cli) => {
    const { url, running: hub } = await hubOf(cli)
    const running = await ada(cli, '--hub', url)
    await online(cli, 'Ada')
    hub.kill('SIGSTOP')
    try {
      running.kill('SIGTERM')
      assert.equal((await running.ended).code, 0)
    } finally {
      hub.kill('SIGCONT')
    }
    const stages = await logged(cli, 'agent:stop:stage')
    const whole = stages.filter(
      ({ stage }) => stage === 'ingress' || stage === 'agent' || stage === 'control',
    )
    assert.equal(whole.length, 3)
    const totalMs = whole.reduce((sum, { durationMs = Infinity }) => sum + durationMs, 0)
    assert.ok(totalMs <= 1_000, `${totalMs} ms`)
  }),
)

test(
  'an agent whose terminal goes away stops as after SIGTERM, and a hang-up while it is there has it read its settings',
  { ...patience, skip: noTerminal },
  () =>
    withCommandLine(async (cli) => {
      writeFileSync(join(cli.folder, 'ada.ts'), patient)
      const { terminal, shown } = startAtTerminal(cli, ['run', './ada.ts', '--port', '0', '--no-hub'])
      await until('it is ready', () => shown().includes('is ready'))
      const { pid } = cli.record()
      await cli.json(['reload', 'Ada'])
      await until('it has read them', async () => (await logged(cli, 'settings:reload:done')).length === 1)
      terminal.kill('SIGKILL')
      await once(terminal, 'close')
      await until('it has ended', () => !isAlive(pid))
      const began = await logged(cli, 'agent:stop:began')
      assert.deepEqual(
        began.map(({ reason }) => reason),
        ['SIGHUP'],
      )
      assert.deepEqual(await logged(cli, 'process:crash'), [])
      assert.equal((await logged(cli, 'agent:stop:done')).length, 1)
      assert.doesNotMatch(readFileSync(join(cli.home, 'agents', 'Ada', 'agent.log'), 'utf8'), /EIO/)
    }),
)

test(
  'an agent that was disowned outlives its terminal, and a reload has it read its settings and does not stop it',
  { ...patience, skip: noTerminal },
  () =>
    withCommandLine(async (cli) => {
      writeFileSync(join(cli.folder, 'ada.ts'), patient)
      const disowned = ['run', './ada.ts', '--port', '0', '--no-hub']
      const { terminal, shown } = startAtTerminal(cli, disowned, { disowned: true })
      await until('it is ready', () => shown().includes('is ready'))
      const { pid } = cli.record()
      terminal.kill('SIGKILL')
      await once(terminal, 'close')
      for (const count of [1, 2]) {
        await cli.json(['reload', 'Ada'])
        await until(
          'it has read them',
          async () => (await logged(cli, 'settings:reload:done')).length === count,
        )
      }
      assert.deepEqual(await logged(cli, 'agent:stop:began'), [])
      assert.ok(isAlive(pid))
      process.kill(pid, 'SIGKILL')
      await until('it has ended', () => !isAlive(pid))
      const gone = await cli.run(['reload', 'Ada'])
      assert.notEqual(gone.code, 0)
      assert.match(gone.stderr, /Ada is not running|was killed/)
    }),
)
