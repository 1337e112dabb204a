import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Members } from '../../chaos/soak/members.ts'
import { until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import { processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

// What goes wrong with one agent under the daemon: noticed by whoever is to notice it, put right, explained, nothing lost.

const patience = { timeout: 120_000, skip: process.platform === 'linux' ? false : 'there is no /proc' }

function settings(cli: CommandLine, document: object): void {
  mkdirSync(cli.home, { recursive: true, mode: 0o700 })
  writeFileSync(join(cli.home, 'config.json'), JSON.stringify(document), { mode: 0o600 })
}

async function succeeds(cli: CommandLine, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(args)
  assert.equal(code, 0, `perdura ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

const outside = (cli: CommandLine): string[] => {
  try {
    return readFileSync(join(cli.folder, 'outside'), 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

/** `status` as JSON, whose exit code says whether it runs. */
async function view(
  cli: CommandLine,
  name: string,
): Promise<{ state: string; last_ends: { reason: string; code: number | null }[] }> {
  return JSON.parse((await cli.run(['status', name, '--json'])).stdout)
}

/** How its last process ended, as its supervisor saw it. */
async function lastEnd(
  cli: CommandLine,
  name: string,
): Promise<{ readonly reason: string; readonly code: number | null }> {
  const { last_ends: ends } = await view(cli, name)
  const { reason = '', code = null } = ends.at(-1) ?? {}
  return { reason, code }
}

/** Until another process than `before` answers. */
async function replaced(cli: CommandLine, name: string, before: number | undefined): Promise<void> {
  const members = new Members(cli.home)
  await until(`${name} has another process`, async () => {
    const now = members.pidOf(name)
    return now !== undefined && now !== before && (await members.agent(name)) !== undefined
  })
}

test('an agent that leaks is restarted in good order at its limit', patience, () =>
  withCommandLine(async (cli) => {
    settings(cli, { supervision: { memory_max: '160MiB' } })
    const file = writeAgent(cli, 'Lea', {
      before: 'const leaked = []',
      handlers: `async onMessage(message, ctx) {
        if (message.text === 'leak') for (let n = 0; n < 40; n += 1) leaked.push(Buffer.alloc(5_000_000, 1))
        note(message.text)
        await ctx.reply('done ' + message.text)
      }`,
    })
    await succeeds(cli, 'start', file, '--port', '0')
    const before = new Members(cli.home).pidOf('Lea')
    await succeeds(cli, 'send', 'Lea', 'leak', '--wait')
    await replaced(cli, 'Lea', before)
    await succeeds(cli, 'send', 'Lea', 'after', '--wait')
    assert.deepEqual(outside(cli), ['leak', 'after'])
    assert.deepEqual(await lastEnd(cli, 'Lea'), { reason: 'memory', code: 0 })
  }),
)

test('a message that kills is set aside, and the others are handled', patience, () =>
  withCommandLine(async (cli) => {
    const file = writeAgent(cli, 'Poe', {
      limits: { crashesMax: 3 },
      handlers: `onMessage(message) {
        if (message.text === 'poison') process.exit(1)
        note(message.text)
      }`,
    })
    await succeeds(cli, 'start', file, '--port', '0')
    await succeeds(cli, 'send', 'Poe', 'first', '--wait')
    await succeeds(cli, 'send', 'Poe', 'poison', '--from', 'mallory')
    await succeeds(cli, 'send', 'Poe', 'second')
    await until('it is set aside', () => new Members(cli.home).dead('Poe') === 1)
    await succeeds(cli, 'send', 'Poe', 'third', '--wait')
    assert.deepEqual(outside(cli), ['first', 'second', 'third'])
    assert.deepEqual(await lastEnd(cli, 'Poe'), { reason: 'crashed', code: 1 })
    assert.match(await succeeds(cli, 'why', 'Poe'), /set aside/)
  }),
)

test(
  'a throw in a timer is a crash with a report, and the agent is back at once, also under a later daemon',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const file = writeAgent(cli, 'Tim', {
        handlers: `onMessage(message) {
        note(message.text)
        if (message.text === 'throw') setTimeout(() => { throw new Error('nobody awaited this') }, 50)
      }`,
      })
      await succeeds(cli, 'start', file, '--port', '0')
      const before = new Members(cli.home).pidOf('Tim')
      await succeeds(cli, 'send', 'Tim', 'throw', '--wait')
      await replaced(cli, 'Tim', before)
      await succeeds(cli, 'send', 'Tim', 'after', '--wait')
      assert.deepEqual(outside(cli), ['throw', 'after'])
      assert.deepEqual(await lastEnd(cli, 'Tim'), { reason: 'crashed', code: 70 })
      const [report = ''] = readdirSync(join(cli.home, 'agents', 'Tim', 'crashes'))
      const told = readFileSync(join(cli.home, 'agents', 'Tim', 'crashes', report), 'utf8')
      assert.match(told, /nobody awaited this/)

      await succeeds(cli, 'daemon', 'restart')
      const adopted = new Members(cli.home).pidOf('Tim')
      await succeeds(cli, 'send', 'Tim', 'throw', '--wait')
      await replaced(cli, 'Tim', adopted)
      // It is nobody's child, and has said by itself how it ends.
      assert.deepEqual(await lastEnd(cli, 'Tim'), { reason: 'crashed', code: 70 })
    }),
)

test(
  'an agent that crashes at its start ends in safe mode, takes messages in, and is back once it is mended',
  patience,
  () =>
    withCommandLine(async (cli) => {
      settings(cli, { supervision: { failures_max: 2 } })
      const file = writeAgent(cli, 'Sam', {
        handlers: 'onMessage(message) { note(message.text) }',
      })
      await succeeds(cli, 'start', file, '--port', '0')
      await succeeds(cli, 'send', 'Sam', 'before', '--wait')
      writeAgent(cli, 'Sam', { before: 'process.exit(1)', handlers: '' })
      const members = new Members(cli.home)
      const pid = members.pidOf('Sam')
      assert.ok(pid !== undefined)
      process.kill(pid, 'SIGKILL')
      await until('it is in safe mode', async () => /safe mode/.test((await cli.run(['why', 'Sam'])).stdout))
      await succeeds(cli, 'send', 'Sam', 'meanwhile')
      assert.deepEqual(outside(cli), ['before'])
      writeAgent(cli, 'Sam', { handlers: 'onMessage(message) { note(message.text) }' })
      await until('it works again', () => outside(cli).length === 2)
      await succeeds(cli, 'send', 'Sam', 'after', '--wait')
      assert.deepEqual(outside(cli), ['before', 'meanwhile', 'after'])
    }),
)

test(
  'an agent that refuses to run is tried again once its file is mended, also by another daemon',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const mended = { handlers: 'onMessage(message) { note(message.text) }' }
      const file = writeAgent(cli, 'Rex', mended)
      await succeeds(cli, 'start', file, '--port', '0')
      const failed = async (): Promise<boolean> => (await view(cli, 'Rex')).state === 'failed'
      for (const daemons of [1, 2]) {
        writeAgent(cli, 'Rex', { before: 'process.exit(78)', handlers: '' })
        await cli.run(['restart', 'Rex'])
        await until('it has failed', failed)
        if (daemons === 2) await succeeds(cli, 'daemon', 'restart')
        writeAgent(cli, 'Rex', mended)
        await until('it is back', async () => (await new Members(cli.home).agent('Rex')) !== undefined)
      }
      await succeeds(cli, 'send', 'Rex', 'after', '--wait')
      assert.deepEqual(outside(cli), ['after'])
    }),
)

test('an agent that hangs while no daemon is there is stopped all the same, and stays so', patience, () =>
  withCommandLine(async (cli) => {
    const file = writeAgent(cli, 'Hal', { handlers: 'onMessage(message) { note(message.text) }' })
    await succeeds(cli, 'start', file, '--port', '0')
    const members = new Members(cli.home)
    const pid = members.pidOf('Hal')
    const { pid: daemon } = await cli.json(['daemon', 'status'])
    assert.ok(pid !== undefined)
    process.kill(daemon, 'SIGKILL')
    process.kill(pid, 'SIGSTOP')
    await succeeds(cli, 'stop', 'Hal', '--timeout', '5s')
    assert.equal(members.pidOf('Hal'), undefined)
    await succeeds(cli, 'daemon', 'start')
    assert.equal((await lastEnd(cli, 'Hal')).reason, 'stop')
    assert.equal((await view(cli, 'Hal')).state, 'stopped')
  }),
)

for (const [what, how] of [
  ['in an endless loop', 'for (;;);'],
  ['that was suspended', "process.kill(process.pid, 'SIGSTOP')"],
] as const) {
  test(`a process ${what} is noticed, killed and replaced, and its message handled again`, patience, () =>
    withCommandLine(async (cli) => {
      settings(cli, { supervision: { hang_after: '3s' } })
      const file = writeAgent(cli, 'Hal', {
        handlers: `async onMessage(message, ctx) {
          note(message.text + ' ' + ctx.turn.attempt)
          if (message.text === 'hang' && ctx.turn.attempt === 1) { ${how} }
        }`,
      })
      await succeeds(cli, 'start', file, '--port', '0')
      const before = new Members(cli.home).pidOf('Hal')
      await succeeds(cli, 'send', 'Hal', 'hang')
      await replaced(cli, 'Hal', before)
      await succeeds(cli, 'send', 'Hal', 'after', '--wait')
      assert.deepEqual(outside(cli), ['hang 1', 'hang 2', 'after 1'])
      assert.equal((await lastEnd(cli, 'Hal')).reason, 'hung')
    }),
  )
}

test('an error rate over its threshold is unhealthy, and a person is told', patience, () =>
  withCommandLine(async (cli) => {
    const told = join(cli.folder, 'told')
    settings(cli, {
      health: { sample_every: '1s', rate_window: '10s', rate_samples_min: 5 },
      notify: { command: ['/bin/sh', '-c', `cat >> ${told}; echo >> ${told}`], every: '1s' },
    })
    const file = writeAgent(cli, 'Err', {
      limits: { failuresMax: 1 },
      handlers: `onMessage(message) { throw new Error('the shop is closed') }`,
    })
    await succeeds(cli, 'start', file, '--port', '0')
    for (let n = 0; n < 8; n += 1) await cli.run(['send', 'Err', `order ${n}`, '--wait'])
    await until('somebody is told', () => readText(told).includes('unhealthy'))
    const why = await succeeds(cli, 'why', 'Err')
    assert.match(why, /error|failed|set aside/)
  }),
)

test('a person is told of an agent that is not started again, since it crashed or refused', patience, () =>
  withCommandLine(async (cli) => {
    const told = join(cli.folder, 'told')
    settings(cli, { notify: { command: ['/bin/sh', '-c', `cat >> ${told}; echo >> ${told}`], every: '1s' } })
    const handlers = 'onMessage(message) { process.exit(Number(message.text)) }'
    const notices = (): { agent: string; event: string; state: string; cause: string }[] =>
      readText(told)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line))
    for (const [name, code, state] of [
      ['Nev', '3', 'finished'],
      ['Ref', '78', 'failed'],
    ] as const) {
      await succeeds(cli, 'start', writeAgent(cli, name, { handlers }), '--port', '0', '--restart', 'never')
      await succeeds(cli, 'send', name, code)
      await until(`somebody is told of ${name}`, () => notices().some(({ agent }) => agent === name))
      const [notice, ...more] = notices().filter(({ agent }) => agent === name)
      assert.deepEqual([notice?.event, notice?.state, more], ['unhealthy', 'down', []])
      assert.match(notice?.cause ?? '', new RegExp(`code ${code}`))
      assert.equal((await view(cli, name)).state, state)
    }
  }),
)

test('a stop that comes right after a start leaves no process, however far that has got', patience, () =>
  withCommandLine(async (cli) => {
    const file = writeAgent(cli, 'Ada', { handlers: 'onMessage() {}' })
    await succeeds(cli, 'start', file, '--port', '0')
    await succeeds(cli, 'stop', 'Ada')
    const { createNodeHttp } = await import('../../../src/platform/node/http-client.ts')
    const { daemonPaths } = await import('../../../src/daemon/paths.ts')
    const ask = async (action: string): Promise<number> => {
      const { status } = await createNodeHttp().request(
        { socketPath: daemonPaths(cli.home).controlSocket },
        {
          method: 'POST',
          path: `/v1/children/${encodeURIComponent('agent:Ada')}/${action}`,
          headers: { 'perdura-protocol': '1' },
          body: new Uint8Array(),
        },
        { timeoutMs: 10_000 },
      )
      return status
    }
    const members = new Members(cli.home)
    for (const pauseMs of [0, 0, 30, 100, 250]) {
      const both = [ask('start')]
      if (pauseMs > 0) await delay(pauseMs)
      both.push(ask('stop'))
      assert.deepEqual(await Promise.all(both), [202, 202])
      await until('it has stopped', async () => (await view(cli, 'Ada')).state === 'stopped')
      assert.equal(members.pidOf('Ada'), undefined)
      assert.equal(
        processesOf(cli.home).filter(({ command }) => command.includes('perdura.mjs run ')).length,
        0,
      )
    }
    await succeeds(cli, 'start', 'Ada')
  }),
)

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
