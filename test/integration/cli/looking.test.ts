import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { commands } from '../../../src/cli/commands/index.ts'
import { until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 60_000 }
const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))

test('a piped chat sends line by line, and prints what it gets', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    await cli.json(['send', 'Ada', 'remember that the tea is cold'])
    await until('it is done', async () => (await cli.json(['status', 'Ada'])).outbox.for_you === 1)
    const chat = await cli.run(['chat', 'Ada'], {
      input: 'remember that the milk is warm\n\nhow is the milk?\n',
    })
    assert.equal(chat.code, 0, chat.stderr)
    const lines = chat.stdout.trim().split('\n')
    assert.match(lines[0] ?? '', /tea is cold/)
    assert.match(lines.at(-1) ?? '', /milk is warm/)
    // What was shown is not shown again.
    assert.equal((await cli.json(['status', 'Ada'])).outbox.for_you, 0)
  }),
)

test('what send prints has been read; what it did not print has not', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    await cli.json(['send', 'Ada', 'hello', '--wait'])
    assert.equal((await cli.json(['status', 'Ada'])).outbox.for_you, 0)
    await cli.json(['send', 'Ada', 'hello'])
    await until('an answer waits', async () => (await cli.json(['status', 'Ada'])).outbox.for_you === 1)
    const { stderr } = await cli.run(['send', 'Ada', 'hello again', '--wait'])
    assert.match(stderr, /1 more message for you: perdura chat Ada/)
    assert.equal((await cli.json(['chat', 'Ada'])).received.length, 1)
  }),
)

test('a text may come from standard input, and go out under another name', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const piped = await cli.run(
      ['send', 'Ada', '-', '--from', 'shop', '--conversation', 'orders', '--json'],
      {
        input: 'remember that\nthe order is paid\n',
      },
    )
    const { position } = JSON.parse(piped.stdout)
    const turn = await cli.json(['turn', 'show', 'Ada', String(position)])
    assert.equal(turn.payload, 'remember that\nthe order is paid')
    assert.deepEqual([turn.from, turn.conversation], ['shop', 'orders'])
    assert.equal((await cli.run(['send', 'Ada', '-'])).code, 2)
  }),
)

test('an agent can be looked at while it runs, when it has stopped, and after it was killed', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up()
    await cli.json(['send', 'Ada', 'remember that looking changes nothing', '--wait'])
    const look = async (): Promise<string[]> => {
      const seen: string[] = []
      for (const args of [
        ['state', 'show', 'Ada'],
        ['queue', 'list', 'Ada'],
        ['turn', 'list', 'Ada'],
        ['turn', 'show', 'Ada', '2'],
      ]) {
        const { code, stdout } = await cli.run([...args, '--json'])
        assert.equal(code, 0, args.join(' '))
        seen.push(stdout)
      }
      return seen
    }
    const running = await look()
    up.kill('SIGKILL')
    process.kill(cli.record().pid, 'SIGKILL')
    await up.ended
    const killed = await look()
    assert.deepEqual(killed, running)
    const again = await cli.up()
    again.kill('SIGTERM')
    await again.ended
    assert.deepEqual((await look())[0], running[0])
  }),
)

test('every verb that prints documents prints exactly one with --json', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const { position } = await cli.json(['send', 'Ada', 'hello', '--wait'])
    const run: Record<string, readonly string[]> = {
      'turn show': ['Ada', String(position)],
      'queue show': ['Ada', `in:${position}`],
      'queue retry': ['Ada', '--all'],
      new: ['Bea'],
      status: [],
      top: ['-n', '1'],
      version: [],
      'hub agents': [],
    }
    const elsewhere = [
      'up',
      'run',
      'send',
      'chat',
      'start',
      'stop',
      'restart',
      'profile',
      'turn resolve',
      'turn retry',
      'session end',
      'session reconnect',
      'session handover',
      'session export',
      'token refresh',
      'token rotate',
      'token revoke',
      'session import',
      'hub run',
      'hub start',
      'hub stop',
      'hub restart',
      'hub revoke',
      'hub allow',
      'hub status',
      'backup restore',
    ]
    const isElsewhere = (name: string): boolean => elsewhere.includes(name) || /^(daemon|service) /.test(name)
    for (const { name } of commands.filter((command) => !isElsewhere(command.name))) {
      const { code, stdout } = await cli.run([...name.split(' '), ...(run[name] ?? ['Ada']), '--json'])
      assert.equal(code, 0, name)
      assert.equal(typeof JSON.parse(stdout), 'object', name)
    }
  }),
)

test('the log is printed, filtered and followed', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    assert.match((await cli.run(['logs', 'Ada'])).stdout, /info {2}agent:start:ready agent=Ada/)
    assert.equal((await cli.run(['logs', 'Ada', '--level', 'error'])).stdout, '')
    assert.equal((await cli.json(['logs', 'Ada', '-n', '1'])).lines.length, 1)
    const follow = cli.start(['logs', 'Ada', '-f', '-n', '0', '--json'])
    await until('a new line comes', async () => {
      await cli.json(['send', 'Ada', 'hello', '--wait'])
      return follow.stdout.includes('"turn:done"')
    })
    assert.equal(JSON.parse(follow.stdout.split('\n')[0] ?? '').level, 'info')
    follow.kill('SIGTERM')
  }),
)

test('a reader that goes away is no error', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const child = spawn(process.execPath, [program, 'logs', 'Ada', '-f'], {
      env: { ...process.env, PERDURA_HOME: cli.home },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const ended = once(child, 'exit')
    await until('it notices', async () => {
      await cli.json(['send', 'Ada', 'hello', '--wait'])
      return child.exitCode !== null
    })
    assert.deepEqual([(await ended)[0], stderr], [0, ''])
  }),
)

const noTerminal =
  spawnSync('script', ['--version']).status === 0 ? false : 'needs the program script, for a terminal'

test(
  'at a terminal k kills the process before one’s eyes, and q leaves the terminal as it was',
  { ...patience, skip: noTerminal },
  () =>
    withCommandLine(async (cli) => {
      const command = `"${process.execPath}" "${program}" up Ada --port 0`
      const child = spawn('script', ['-qefc', command, join(cli.folder, 'typescript')], {
        env: { ...process.env, PERDURA_HOME: cli.home, TERM: 'xterm' },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let screen = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text))
      // oxlint-disable-next-line eslint/no-control-regex -- what moves the cursor
      const plain = (): string => screen.replaceAll(/\u001B\[[\d;?]*[A-Za-z]/g, '')
      await until('it is running', () => /Ada {2}running/.test(plain()), plain)
      child.stdin.write('k')
      await until(
        'it is back',
        () => /kills 1 +restarts 1/.test(plain()) && /ready again after/.test(plain()),
        plain,
      )
      const ended = once(child, 'exit')
      child.stdin.write('q')
      assert.equal((await ended)[0], 0, plain())
      assert.ok(screen.lastIndexOf('\u001B[?1049l') > screen.lastIndexOf('\u001B[?1049h'))
      assert.ok(screen.lastIndexOf('\u001B[?25h') > screen.lastIndexOf('\u001B[?25l'))
      child.stdin.destroy()
    }),
)
