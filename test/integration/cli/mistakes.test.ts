import assert from 'node:assert/strict'
import { once } from 'node:events'
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const program = join(import.meta.dirname, '..', '..', '..', 'bin', 'perdura.mjs')
const patience = { timeout: 60_000 }

async function refused(
  cli: CommandLine,
  args: readonly string[],
  exit: number,
  code: string,
  hint: RegExp,
  options: { readonly home?: string } = {},
): Promise<void> {
  const { code: found, stdout, stderr } = await cli.run([...args, '--json'], options)
  assert.match(stderr, hint, args.join(' '))
  assert.match(stderr, new RegExp(`perdura: ${code}: `))
  assert.equal(found, exit, args.join(' '))
  const document = JSON.parse(stdout)
  assert.deepEqual([document.success, document.code], [false, code])
}

test('what was mistyped is answered with what was meant', patience, () =>
  withCommandLine(async (cli) => {
    await refused(cli, ['statsu'], 2, 'ERR_USAGE', /did you mean "perdura status"\?/)
    await refused(cli, ['send', 'Ada'], 2, 'ERR_USAGE', /perdura send <agent> <text>/)
    await refused(cli, ['send', 'Ada', ''], 2, 'ERR_USAGE', /empty/)
    await refused(cli, ['send', 'Ada', 'x', '--timeout', 'soon'], 2, 'ERR_DURATION', /write 500ms, 30s/)
    await refused(cli, ['why', 'hub'], 4, 'ERR_NO_SUCH_AGENT', /perdura hub status, perdura health hub/)
    await refused(cli, ['status', 'daemon'], 4, 'ERR_NO_SUCH_AGENT', /perdura daemon status/)
    await refused(cli, ['logs', 'hubb'], 4, 'ERR_NO_SUCH_AGENT', /did you mean hub\?/)
    await refused(cli, ['health', 'hub'], 3, 'ERR_NOT_RUNNING', /no hub has run .*perdura hub start/)
    await refused(cli, ['send', 'Ada', 'x'], 4, 'ERR_NO_SUCH_AGENT', /start the first with: perdura up/)
    await refused(cli, ['status', '../Ada'], 2, 'ERR_AGENT_NAME', /cannot be an agent's name/)
    await refused(cli, ['run'], 2, 'ERR_USAGE', /perdura run <agent\|file>/)
    await refused(
      cli,
      ['up', '--port', 'http'],
      2,
      'ERR_USAGE',
      /--port must be a whole number from 0 to 65535/,
    )
    await refused(cli, ['send', 'Ada', '-5'], 2, 'ERR_USAGE', /goes behind "--"/)
    await refused(
      cli,
      ['queue', 'list', 'Ada', '--limit', '-1'],
      2,
      'ERR_USAGE',
      /--limit needs a value; .* --limit=-/,
    )
    await refused(cli, ['status', '--home', ''], 2, 'ERR_USAGE', /--home needs a folder/)
    await refused(cli, ['turn', 'resolve', 'Ada', '1', '', '--done'], 2, 'ERR_USAGE', /name the effect/)
    await refused(
      cli,
      ['new', 'X', '--dir', '/dev/null/x'],
      1,
      'ERR_FILE_WRITE',
      /choose another folder with --dir/,
    )
    await refused(cli, ['run', cli.folder], 78, 'ERR_DEFINITION_LOAD', /is a folder: name the agent's file/)
    await refused(cli, ['logs', 'Ada', '--level', 'loud'], 2, 'ERR_USAGE', /one of debug, info, warn, error/)
  }),
)

test('what cannot be read, or written, is an error', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const piped = spawnSync(process.execPath, [program, 'send', 'Ada', '-'], {
      env: { ...process.env, PERDURA_HOME: cli.home },
      input: Buffer.from([0x61, 0xff]),
      encoding: 'utf8',
    })
    assert.deepEqual([piped.status, /ERR_PAYLOAD_INVALID: .* not UTF-8/.test(piped.stderr)], [1, true])
    if (!existsSync('/dev/full')) return
    const full = openSync('/dev/full', 'w')
    const lost = spawnSync(process.execPath, [program, 'version'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    })
    closeSync(full)
    assert.deepEqual([lost.status, /standard output could not be written/.test(lost.stderr)], [1, true])
  }),
)

test('an agent that does not exist is told from one that does not run', patience, () =>
  withCommandLine(async (cli) => {
    await refused(cli, ['status', 'Ada'], 4, 'ERR_NO_SUCH_AGENT', /none has been started yet/)
    const up = await cli.up()
    up.kill('SIGTERM')
    await up.ended
    await refused(cli, ['status', 'Adda'], 4, 'ERR_NO_SUCH_AGENT', /did you mean Ada\?/)
    await refused(cli, ['send', 'Ada', 'hello'], 3, 'ERR_NOT_RUNNING', /start it with: perdura start Ada/)
    await refused(cli, ['chat', 'Ada'], 3, 'ERR_NOT_RUNNING', /start it with: perdura start Ada/)
    await refused(cli, ['turn', 'retry', 'Ada', '1'], 3, 'ERR_NOT_RUNNING', /start it with/)
    await refused(cli, ['turn', 'show', 'Ada', '99'], 1, 'ERR_NO_SUCH_TURN', /perdura turn list Ada/)
    await refused(cli, ['turn', 'show', 'Ada', 'x'], 2, 'ERR_USAGE', /is not a turn/)
  }),
)

test('a second up, and a run beside it, are refused and harm nothing', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up()
    const { pid } = cli.record()
    await refused(cli, ['up', 'Ada', '--port', '0'], 78, 'ERR_HOME_IN_USE', /running already, in process \d+/)
    await refused(cli, ['run', 'Ada', '--port', '0'], 78, 'ERR_HOME_IN_USE', /stop it first/)
    assert.equal(cli.record().pid, pid)
    assert.equal((await cli.run(['send', 'Ada', 'hello', '--wait'])).code, 0)
  }),
)

test('a home that is no folder is named', patience, () =>
  withCommandLine(async (cli) => {
    const file = join(cli.folder, 'file')
    writeFileSync(file, '')
    await refused(cli, ['up', 'Ada', '--port', '0'], 78, 'ERR_HOME_UNWRITABLE', /choose another folder/, {
      home: file,
    })
    await refused(cli, ['run', 'Ada'], 78, 'ERR_HOME_UNWRITABLE', /choose another folder/, {
      home: join(file, 'x'),
    })
  }),
)

test('a port that is taken is named where it was asked for, and avoided where not', patience, () =>
  withCommandLine(async (cli) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    await refused(cli, ['up', 'Ada', '--port', String(port)], 78, 'ERR_PORT_IN_USE', new RegExp(String(port)))
    other.close()
    const up = await cli.up(['Ada', '--port', String(port)])
    assert.equal(cli.record().ingressPort, port)
    up.kill('SIGTERM')
    await up.ended
  }),
)

test(
  'a definition that cannot be used says where and why, and is not started again and again',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const write = (name: string, content: string): string => {
        writeFileSync(join(cli.folder, name), content)
        return `./${name}`
      }
      const broken = write('broken.ts', 'const a = 1\nexport default {')
      await refused(cli, ['run', broken], 78, 'ERR_DEFINITION_LOAD', /broken\.ts:2/)
      await refused(cli, ['up', broken, '--port', '0'], 78, 'ERR_DEFINITION_LOAD', /broken\.ts:2/)
      await refused(cli, ['up', './nowhere.ts'], 78, 'ERR_DEFINITION_LOAD', /there is no file/)
      await refused(
        cli,
        ['up', write('plain.ts', `export default { name: 'Bea' }`)],
        78,
        'ERR_DEFINITION',
        /defineAgent/,
      )
      await refused(cli, ['up', 'Bea'], 4, 'ERR_NO_SUCH_AGENT', /perdura up --name Bea/)
      await refused(cli, ['up', '--name', 'you'], 2, 'ERR_AGENT_NAME', /person at the terminal/)
    }),
)

test('names that differ only in case are refused', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up()
    up.kill('SIGTERM')
    await up.ended
    await refused(cli, ['up', '--name', 'ADA', '--port', '0'], 2, 'ERR_AGENT_NAME', /differ only in case/)
  }),
)

test('new writes an example that runs, and never over another file', patience, () =>
  withCommandLine(async (cli) => {
    const { path } = await cli.json(['new', 'Bea', '--dir', 'agents/mine'])
    assert.equal(path, join(cli.folder, 'agents/mine/bea.ts'))
    await refused(cli, ['new', 'Bea', '--dir', 'agents/mine'], 1, 'ERR_FILE_EXISTS', /exists already/)
    writeFileSync(join(cli.folder, 'taken'), '')
    await refused(cli, ['new', 'Bea', '--dir', 'taken'], 1, 'ERR_FILE_WRITE', /taken/)

    // As `npm init` leaves a folder: CommonJS, without anything installed.
    mkdirSync(join(cli.folder, 'agents/mine'), { recursive: true })
    writeFileSync(join(cli.folder, 'agents/mine/package.json'), '{"name":"mine","type":"commonjs"}')
    await cli.up(['agents/mine/bea.ts'])
    const sent = await cli.run(['send', 'Bea', 'good morning', '--wait'])
    assert.equal(sent.code, 0, sent.stderr)
    assert.match(sent.stdout, /Hello you, message 1 of yours: "good morning"/)
    assert.deepEqual((await cli.json(['state', 'show', 'Bea'])).state, { greeted: { you: 1 } })
  }),
)
