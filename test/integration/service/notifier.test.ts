import '../../helpers/leaks.ts'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import type { Log } from '../../../src/platform/log.ts'
import { takeServiceNotifier } from '../../../src/platform/node/service-notifier.ts'
import { until, withCommandLine } from '../../helpers/command-line.ts'
import { withFolder } from '../../helpers/folder.ts'

/** A systemd-notify that writes down what it is given: one line a message, each behind the one before. */
function recorder(folder: string): { readonly messages: () => string[]; readonly path: string } {
  const file = path.join(folder, 'told')
  const program = path.join(folder, 'systemd-notify')
  fs.writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> ${file}\n`, { mode: 0o755 })
  return {
    path: `${folder}:${process.env['PATH']}`,
    messages: () => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : []),
  }
}

function recordingLog(events: string[]): Log {
  const write = (event: string): void => {
    events.push(event)
  }
  const log: Log = { debug: write, info: write, warn: write, error: write, with: () => log }
  return log
}

test('where nobody wants to hear of it, nothing is told', () => {
  assert.equal(takeServiceNotifier(recordingLog([]), { PATH: '/usr/bin' }), undefined)
})

test('takes what it is asked by out of the environment, and tells in order', () =>
  withFolder(async (folder) => {
    const { messages, path: search } = recorder(folder)
    const environment = { PATH: search, NOTIFY_SOCKET: '@abstract', WATCHDOG_USEC: '3000000', HOME: '/x' }
    const notifier = takeServiceNotifier(recordingLog([]), environment)
    assert.equal(notifier?.watchdogMs, 3_000)
    assert.deepEqual(Object.keys(environment), ['PATH', 'HOME'])
    const told = [
      notifier.tell({ READY: '1', STATUS: 'two\nlines' }),
      notifier.tell({ WATCHDOG: '1', STATUS: 'a' }),
      // Of what waits and is only of the moment, the last is enough.
      notifier.tell({ WATCHDOG: '1', STATUS: 'b' }),
      notifier.tell({ STOPPING: '1' }),
    ]
    await Promise.all(told)
    assert.deepEqual(messages(), [
      '@abstract READY=1 STATUS=two lines',
      '@abstract WATCHDOG=1 STATUS=b',
      '@abstract STOPPING=1',
    ])
  }))

test('a watchdog that is for another process is left to that', () => {
  const environment = { NOTIFY_SOCKET: '/x', WATCHDOG_USEC: '3000000', WATCHDOG_PID: '1' }
  assert.equal(takeServiceNotifier(recordingLog([]), environment)?.watchdogMs, undefined)
})

test('a manager that cannot be told is said once, and changes nothing', () =>
  withFolder(async (folder) => {
    const events: string[] = []
    fs.writeFileSync(path.join(folder, 'systemd-notify'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    const notifier = takeServiceNotifier(recordingLog(events), { PATH: folder, NOTIFY_SOCKET: '/x' })
    await notifier?.tell({ READY: '1' })
    await notifier?.tell({ STOPPING: '1' })
    assert.deepEqual(events, ['service:notify:failed'])
  }))

test('writes by itself to a descriptor that it was handed, one message a write', () =>
  withFolder(async (folder) => {
    const file = path.join(folder, 'messages')
    const descriptor = fs.openSync(file, 'w')
    try {
      const program = path.join(import.meta.dirname, 'notifier-child.ts')
      // The number of the process that is to listen is known only once it is there.
      const script = 'LISTEN_PID=$$ exec "$0" "$1"'
      const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script, process.execPath, program], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe', 'ignore', descriptor],
        env: {
          ...process.env,
          NOTIFY_SOCKET: '/nobody/listens',
          WATCHDOG_USEC: '30000000',
          LISTEN_FDS: '2',
          LISTEN_FDNAMES: 'other:perdura-notify',
        },
      })
      assert.equal(status, 0, stderr)
      assert.deepEqual(JSON.parse(stdout), { watchdogMs: 30_000, given: [] })
      assert.equal(fs.readFileSync(file, 'utf8'), 'READY=1\nSTATUS=as wellWATCHDOG=1')
    } finally {
      fs.closeSync(descriptor)
    }
  }))

const hasReal = ['systemd-notify', 'perl'].every((program) => spawnSync(program, ['--version']).status === 0)

for (const kind of ['a path', 'an abstract name'])
  test(
    `the real systemd-notify reaches ${kind}`,
    { skip: hasReal ? false : 'needs systemd-notify and perl' },
    () =>
      withFolder(async (folder) => {
        const address = kind === 'a path' ? path.join(folder, 'notify') : `@perdura-test-${process.pid}`
        const script =
          'use Socket; $| = 1; my $p = $ARGV[0]; $p =~ s/^@/\\0/; socket(my $s, AF_UNIX, SOCK_DGRAM, 0); ' +
          'bind($s, pack_sockaddr_un($p)) or die $!; print "bound\\n"; while (defined recv($s, my $m, 4096, 0)) { print "$m\\n" }'
        const receiver = spawn('perl', ['-e', script, address], { stdio: ['ignore', 'pipe', 'inherit'] })
        const ended = once(receiver, 'exit')
        let heard = ''
        receiver.stdout.setEncoding('utf8').on('data', (text: string) => (heard += text))
        try {
          await until('it listens', () => heard.startsWith('bound\n'))
          const { PATH } = process.env
          const notifier = takeServiceNotifier(recordingLog([]), { PATH, NOTIFY_SOCKET: address })
          void notifier?.tell({ READY: '1', STATUS: 'one agent runs' })
          await until('it was told', () => heard.includes('READY=1\nSTATUS=one agent runs\n'))
        } finally {
          receiver.kill()
          await ended
        }
      }),
  )

test('a hub that is started by a manager says when it is ready and when it ends', () =>
  withCommandLine(async (cli) => {
    const { messages, path: search } = recorder(cli.folder)
    const environment = { NOTIFY_SOCKET: '/x', PATH: search }
    const hub = cli.start(['hub', 'run', '--port', '0'], { environment })
    await until('it is ready', () => messages().some((message) => message.includes('READY=1')))
    hub.kill('SIGTERM')
    assert.equal((await hub.ended).code, 0)
    assert.match(messages()[0] ?? '', /^\/x READY=1 STATUS=at http:\/\/127\.0\.0\.1:\d+, 0 connected$/)
    assert.match(messages().at(-1) ?? '', /^\/x STOPPING=1 STATUS=stopping EXTEND_TIMEOUT_USEC=15000000$/)
  }))
