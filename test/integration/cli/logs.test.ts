import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openLogFile } from '../../../src/platform/node/log-file.ts'
import { type CommandLine, until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 60_000 }

/** Logs as they are on disk: of agents that nobody has to run for it, of the hub, of the daemon. */
function writeLog(cli: CommandLine, name: string, lines: readonly string[]): string {
  const folder = ['hub', 'daemon'].includes(name) ? join(cli.home, name) : join(cli.home, 'agents', name)
  fs.mkdirSync(folder, { recursive: true })
  const file = join(folder, folder.includes('agents') ? 'agent.log' : `${name}.log`)
  fs.writeFileSync(file, lines.map((line) => `${line}\n`).join(''))
  return file
}

function line(event: string, agoMs: number, level = 'info'): string {
  return JSON.stringify({ time: new Date(Date.now() - agoMs).toISOString(), level, event })
}

const hour = 3_600_000

test('several logs are put together by time, each line with the name of its log', patience, () =>
  withCommandLine(async (cli) => {
    writeLog(cli, 'Ada', [line('a:one', 3 * hour), line('a:two', hour)])
    writeLog(cli, 'Bo', [line('b:one', 2 * hour), '{"cut":'])
    writeLog(cli, 'hub', [line('h:one', 90 * 60_000, 'warn')])
    const all = await cli.run(['logs'])
    assert.equal(all.code, 0, all.stderr)
    assert.deepEqual(
      all.stdout
        .trimEnd()
        .split('\n')
        .map((text) => text.replaceAll(/\d[\d:-]*\d ?/g, '').replaceAll(/ +/g, ' ')),
      ['Ada info a:one', 'Bo info b:one', 'Bo {"cut":', 'hub warn h:one', 'Ada info a:two'],
    )
    const { logs, lines } = await cli.json(['logs', '--all', '-n', '2'])
    assert.deepEqual(logs, ['Ada', 'Bo', 'hub'])
    assert.deepEqual(
      lines.map(({ log, event }: { log: string; event: string }) => [log, event]),
      [
        ['hub', 'h:one'],
        ['Ada', 'a:two'],
      ],
    )
    const some = await cli.run(['logs', 'Bo', 'Cy', 'hub', '--level', 'warn', '--json'])
    assert.equal(some.code, 4)
    assert.match(some.stderr, /Cy: ERR_NO_SUCH_AGENT/)
    assert.deepEqual(JSON.parse(some.stdout).logs, ['Bo', 'hub'])
    assert.equal(JSON.parse(some.stdout).lines.length, 1)
    assert.deepEqual((await cli.json(['logs', 'hub'])).log, 'hub')
    fs.writeFileSync(join(cli.home, 'agents', 'Ada', 'agent.out'), 'FATAL ERROR: no memory\n')
    assert.equal((await cli.run(['logs', 'Ada', '--output'])).stdout, 'FATAL ERROR: no memory\n')
    assert.deepEqual((await cli.json(['logs', 'Ada', '--output'])).lines, [
      { text: 'FATAL ERROR: no memory' },
    ])
    assert.equal((await cli.run(['logs', 'daemon'])).stderr, 'the log is empty\n')
  }),
)

test('--since takes what was logged from then on, out of files that were set aside too', patience, () =>
  withCommandLine(async (cli) => {
    const file = writeLog(cli, 'Ada', [])
    const log = openLogFile({ path: file, fileBytesMax: 64 * 1024, filesMax: 20 })
    for (let at = 0; at < 400; at += 1)
      log.write(`${line(`e:${at}`, (400 - at) * 60_000 - 30_000)}${' '.repeat(900)}\n`)
    log.close()
    assert.ok(fs.readdirSync(join(file, '..')).length > 4)
    const recent = await cli.json(['logs', 'Ada', '--since', '3h'])
    assert.equal(recent.lines.length, 180)
    assert.equal(recent.lines[0].event, 'e:220')
    const iso = new Date(Date.now() - 30 * 60_000).toISOString()
    assert.equal((await cli.json(['logs', 'Ada', '--since', iso])).lines.length, 30)
    const two = await cli.json(['logs', 'Ada', '--since', '3h', '-n', '2'])
    assert.deepEqual(
      two.lines.map(({ event }: { event: string }) => event),
      ['e:398', 'e:399'],
    )
    assert.equal((await cli.json(['logs', 'Ada'])).lines.length, 50)
    assert.equal((await cli.json(['logs', 'Ada', '-n', '300'])).lines[0].event, 'e:100')
    const wrong = await cli.run(['logs', 'Ada', '--since', 'yesterday'])
    assert.deepEqual([wrong.code, /2h/.test(wrong.stderr)], [2, true])
  }),
)

test('a log is followed while it is set aside, without losing a line or printing one twice', patience, () =>
  withCommandLine(async (cli) => {
    const file = writeLog(cli, 'Ada', [line('before', 0)])
    writeLog(cli, 'Bo', [])
    const follow = cli.start(['logs', 'Ada', 'Bo', '-f', '--json'])
    await follow.says(/"before"/)
    const log = openLogFile({ path: file, fileBytesMax: 64 * 1024, filesMax: 100 })
    for (let at = 0; at < 5_000; at += 1) {
      log.write(`${line(`e:${at}:`, 0).slice(0, -1)},"p":"${'x'.repeat(200)}"}\n`)
      if (at % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    fs.appendFileSync(join(cli.home, 'agents', 'Bo', 'agent.log'), `${line('the end', 0)}\n`)
    log.close()
    await until(
      'all of it is printed',
      () => follow.stdout.includes('e:4999:') && follow.stdout.includes('the end'),
    )
    follow.kill('SIGTERM')
    await follow.ended
    const printed = follow.stdout
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as { log: string; event: string })
    assert.deepEqual(
      printed
        .filter(({ log: name, event }) => name === 'Ada' && event !== 'before')
        .map(({ event }) => event),
      Array.from({ length: 5_000 }, (_, at) => `e:${at}:`),
    )
  }),
)

test('a log that would not fit into memory is printed all the same', patience, () =>
  withCommandLine(async (cli) => {
    const file = writeLog(cli, 'Ada', [])
    const descriptor = fs.openSync(file, 'a')
    const block = `${line('filler', 0).slice(0, -1)},"p":"${'x'.repeat(400)}"}\n`.repeat(2_000)
    for (let at = 0; at < 100; at += 1) fs.writeSync(descriptor, block)
    fs.writeSync(descriptor, `${line('the end', 0, 'error')}\n`)
    fs.closeSync(descriptor)
    // 97 MB of it, and a third of that to hold it in.
    const environment = { NODE_OPTIONS: '--max-old-space-size=32' }
    for (const args of [
      ['--since', '1h'],
      ['-n', '1'],
      ['--since', '1h', '-n', '1'],
    ]) {
      const ended = await cli.run(['logs', 'Ada', '--level', 'error', ...args], { environment })
      assert.equal(ended.code, 0, ended.stderr)
      assert.match(ended.stdout, /^\S+ error the end\n$/)
    }
  }),
)
