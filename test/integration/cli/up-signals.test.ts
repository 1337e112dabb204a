import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { noTerminal, startAtTerminal } from '../../helpers/at-terminal.ts'
import { configure, isAlive, until, withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import { writeAgent } from '../../helpers/failing-agents.ts'
import { leftoversOf, livingLeftoversOf, processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

// What signals to `up` do to it and to its processes, and what it does about those that hang or fail.

const patience = { timeout: 120_000 }

const outside = (cli: CommandLine): string[] => {
  try {
    return readFileSync(join(cli.folder, 'outside'), 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

/** Hangs, waits for ever or throws, as a message says, the first time that it is handled. */
const handlers = `async onMessage({ text }, ctx) {
  note(text + ' ' + ctx.turn.attempt)
  if (text === 'hang' && ctx.turn.attempt === 1) for (;;);
  if (text === 'wait' && ctx.turn.attempt === 1) await new Promise(() => setTimeout(() => {}, 3_600_000))
}`

interface LogLine {
  readonly event: string
  readonly reason?: string
  readonly previous?: string
}

function logged(cli: CommandLine, name: string, event: string): LogLine[] {
  const text = readFileSync(join(cli.home, 'agents', name, 'agent.log'), 'utf8')
  const lines = text.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as LogLine).filter((line) => line.event === event)
}

const reloads = (cli: CommandLine): number => logged(cli, 'Hal', 'settings:reload:done').length

test(
  'a hang-up without a terminal has up and its agent read their settings again, and what hangs is then killed by them',
  patience,
  () =>
    withCommandLine(async (cli) => {
      configure(cli, { supervision: { hang_after: '1h' } })
      const up = await cli.up([writeAgent(cli, 'Hal', { handlers }), '--no-hub'])
      const { pid } = cli.record('Hal')
      await cli.json(['send', 'Hal', 'hang'])
      await until('it hangs', () => outside(cli).includes('hang 1'))
      configure(cli, { supervision: { hang_after: 'soon' } })
      up.kill('SIGHUP')
      await up.says(/hang_after/)
      configure(cli, { supervision: { hang_after: '3s' } })
      // At once: a hang-up is no echo of the one before.
      up.kill('SIGHUP')
      await up.says(/the settings were read again/)
      await up.says(/it hung: nothing was heard of it for 3\.0s/)
      await up.says(/is ready again/)
      assert.equal(isAlive(pid), false)
      await until('it is handled again', () => outside(cli).includes('hang 2'))

      for (const count of [1, 2, 3]) {
        up.kill('SIGHUP')
        await until('its agent has read them', () => reloads(cli) === count)
      }
      await cli.json(['reload', 'Hal'])
      await up.says(/the settings were read again/, 5)
      await until('its agent has read them once more', () => reloads(cli) === 4)
      up.kill('SIGTERM')
      const { code, stdout, stderr } = await up.ended
      assert.equal(code, 0)
      assert.doesNotMatch(stdout + stderr, /stopping \(SIGHUP\)/)
    }),
)

test('SIGQUIT to up stops all of it without waiting for turns, and leaves nothing behind', patience, () =>
  withCommandLine(async (cli) => {
    const first = await cli.up([writeAgent(cli, 'Ada', { handlers }), '--no-hub'])
    first.kill('SIGTERM')
    await first.ended
    const up = await cli.upWithHub()
    await cli.json(['send', 'Ada', 'wait'])
    await until('it waits', () => outside(cli).includes('wait 1'))
    up.kill('SIGQUIT')
    const { code, stderr } = await up.ended
    assert.equal(code, 0, stderr)
    assert.deepEqual(leftoversOf(cli.home), [])
    assert.deepEqual(
      ['Ada', 'Bo'].map((name) => logged(cli, name, 'agent:stop:began').at(-1)?.reason),
      ['SIGQUIT', 'SIGQUIT'],
    )
    const { agents } = await cli.json(['hub', 'agents'])
    assert.deepEqual(
      agents.map(({ left_reason: reason }: { left_reason: string }) => reason),
      ['the agent stops', 'the agent stops'],
    )
    const again = await cli.upWithHub()
    await until('it is handled again', () => outside(cli).includes('wait 2'))
    assert.deepEqual(
      logged(cli, 'Ada', 'agent:start:ready').map(({ previous }) => previous),
      ['none', 'clean', 'clean'],
    )
    again.kill('SIGTERM')
    assert.equal((await again.ended).code, 0)
  }),
)

test(
  'an agent that is being started when the settings are read again reads them once more when it is ready',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const go = join(cli.folder, 'go')
      const before = `import { existsSync } from 'node:fs'
      note('begins')
      while (!existsSync(${JSON.stringify(go)})) await new Promise((resolve) => setTimeout(resolve, 20))`
      const up = cli.start(['up', writeAgent(cli, 'Hal', { handlers, before }), '--no-hub', '--port', '0'])
      await until('it is being started', () => outside(cli).includes('begins'))
      up.kill('SIGHUP')
      await up.says(/the settings were read again/)
      writeFileSync(go, '')
      await up.says(/ is ready /)
      await until('its agent has read them', () => reloads(cli) === 1)
      up.kill('SIGTERM')
      assert.equal((await up.ended).code, 0)
      assert.equal(reloads(cli), 1)
    }),
)

test('a second SIGTERM to up waits for nothing, and a hang-up in between is no second one', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up([writeAgent(cli, 'Ada', { handlers }), '--no-hub'])
    await cli.json(['send', 'Ada', 'wait'])
    await until('it waits', () => outside(cli).includes('wait 1'))
    up.kill('SIGTERM')
    await until('it stops', () => logged(cli, 'Ada', 'agent:stop:began').length === 1)
    for (const read of [1, 2]) {
      up.kill('SIGHUP')
      await up.says(/the settings were read again/, read)
    }
    assert.equal(isAlive(cli.record().pid), true)
    up.kill('SIGINT')
    assert.equal((await up.ended).code, 0)
    assert.deepEqual(logged(cli, 'Ada', 'agent:stop:done'), [])
    assert.equal((await cli.json(['turn', 'list', 'Ada', '--limit', '1'])).turns[0].status, 'running')
  }),
)

test(
  'up whose terminal goes away lets its agents finish, and stops with them',
  { ...patience, skip: noTerminal },
  () =>
    withCommandLine(async (cli) => {
      const slow = `async onMessage({ text }) {
        note('begun')
        await new Promise((resolve) => setTimeout(resolve, 2_000))
        note('done')
      }`
      const { terminal, shown } = startAtTerminal(cli, [
        'up',
        writeAgent(cli, 'Ada', { handlers: slow }),
        '--no-hub',
        '--port',
        '0',
      ])
      await until('it is ready', () => shown().includes('is ready'))
      const { pid } = cli.record()
      const keeper = JSON.parse(readFileSync(join(cli.home, 'agents', 'Ada', 'supervisor.pid'), 'utf8')) as {
        pid: number
      }
      // The terminal is still there.
      process.kill(keeper.pid, 'SIGHUP')
      await until(
        'its agent has read its settings',
        () => logged(cli, 'Ada', 'settings:reload:done').length === 1,
      )
      await cli.json(['send', 'Ada', 'work'])
      await until('its turn runs', () => outside(cli).includes('begun'))
      terminal.kill('SIGKILL')
      await once(terminal, 'close')
      await until('both have ended', () => !isAlive(pid) && !isAlive(keeper.pid))
      assert.deepEqual(leftoversOf(cli.home), [])
      assert.deepEqual(outside(cli), ['begun', 'done'])
      assert.equal(logged(cli, 'Ada', 'agent:stop:done').length, 1)
    }),
)

test(
  'an agent of up that refuses to run is left while the others go on, and is tried again once its file is mended',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const first = await cli.up([writeAgent(cli, 'Ada', { handlers }), '--no-hub'])
      first.kill('SIGTERM')
      await first.ended
      for (const mended of [true, false]) {
        writeAgent(cli, 'Ada', { handlers })
        const up = await cli.upWithHub()
        writeAgent(cli, 'Ada', { before: 'mend me', handlers })
        process.kill(cli.record('Ada').pid, 'SIGKILL')
        await up.says(/Ada .*exit code 78/)
        const asked = await cli.json(['send', 'Bo', 'help', '--wait'])
        assert.equal(asked.replies.length, 1)
        if (mended) {
          writeAgent(cli, 'Ada', { handlers })
          await up.says(/the code of Ada has changed: it is tried again/)
          await up.says(/Ada is ready again/)
          await cli.json(['send', 'Ada', 'after', '--wait'])
        }
        up.kill('SIGTERM')
        const { code, stderr } = await up.ended
        // What was mended is no failure of the whole; what was not is what the whole has to say.
        assert.equal(code, mended ? 0 : 78, stderr)
        if (!mended) assert.match(stderr, /ERR_DEFINITION_LOAD/)
        // The record of the process that was killed is evidence.
        assert.deepEqual(mended ? leftoversOf(cli.home) : livingLeftoversOf(cli.home), [])
      }
    }),
)

test('safe mode under up ends at once when the file is mended', patience, () =>
  withCommandLine(async (cli) => {
    configure(cli, { supervision: { failures_max: 2, safe_mode_first: '1h', safe_mode_max: '1h' } })
    const up = await cli.up([writeAgent(cli, 'Sam', { handlers }), '--no-hub'])
    await cli.json(['send', 'Sam', 'before', '--wait'])
    writeAgent(cli, 'Sam', { before: 'process.exit(1)', handlers })
    process.kill(cli.record('Sam').pid, 'SIGKILL')
    await up.says(/in safe mode, since it failed too often/)
    await cli.json(['send', 'Sam', 'meanwhile'])
    writeAgent(cli, 'Sam', { handlers })
    await until('it works again', () => outside(cli).length === 2)
    assert.deepEqual(outside(cli), ['before 1', 'meanwhile 1'])
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)

test(
  'up that hears late whose file it keeps running does not take its own agent for somebody else',
  { ...patience, skip: process.platform === 'linux' ? false : 'there is no /proc' },
  () =>
    withCommandLine(async (cli) => {
      const up = cli.start(['up', writeAgent(cli, 'Ada', { handlers }), '--no-hub', '--port', '0'])
      await until('it has started its agent', () =>
        processesOf(cli.home).some(({ command }) => command.includes(' run ')),
      )
      up.kill('SIGSTOP')
      await until('its agent is ready', () => existsSync(join(cli.home, 'agents', 'Ada', 'agent.pid')))
      up.kill('SIGCONT')
      await up.says(/Ada is ready/)
      await until('it says that it keeps it', () =>
        existsSync(join(cli.home, 'agents', 'Ada', 'supervisor.pid')),
      )
      up.kill('SIGTERM')
      assert.equal((await up.ended).code, 0)
    }),
)

test('a file that was mended just before safe mode began is noticed in it', patience, () =>
  withCommandLine(async (cli) => {
    configure(cli, { supervision: { failures_max: 2, safe_mode_first: '1h', safe_mode_max: '1h' } })
    const file = writeAgent(cli, 'Sam', { handlers })
    copyFileSync(file, `${file}.mended`)
    const up = await cli.up([file, '--no-hub'])
    // The end of this one is the second, and by then the file is another.
    const before = `import { copyFileSync } from 'node:fs'
      copyFileSync(${JSON.stringify(`${file}.mended`)}, ${JSON.stringify(file)})
      process.exit(1)`
    writeAgent(cli, 'Sam', { before, handlers })
    process.kill(cli.record('Sam').pid, 'SIGKILL')
    await up.says(/the code of Sam has changed: it is tried again/)
    await up.says(/Sam is ready again/)
    await cli.json(['send', 'Sam', 'meanwhile'])
    await until('it works again', () => outside(cli).includes('meanwhile 1'))
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
  }),
)
