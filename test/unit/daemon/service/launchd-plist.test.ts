import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { digestOf, launchdPlist, readPlist } from '../../../../src/daemon/service/launchd-plist.ts'
import type { ServiceSpec } from '../../../../src/daemon/service/spec.ts'

const spec: ServiceSpec = {
  scope: 'user',
  name: 'perdura',
  home: `/Users/ada/my <agents> & "others"/--x--/100%`,
  node: '/opt/homebrew/bin/node',
  program: '/opt/homebrew/lib/node_modules/perdura/bin/perdura.mjs',
  account: { name: 'ada', uid: 501, gid: 20, home: '/Users/ada' },
  stopSeconds: 330,
}

/** By a parser that is not ours: the one of Python's library. */
function parse(text: string): { readonly [key: string]: unknown } {
  const script = 'import sys, json, plistlib; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'
  const { status, stdout, stderr } = spawnSync('python3', ['-c', script], { input: text, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

const hasPython = spawnSync('python3', ['-c', 'import plistlib']).status === 0

test('a property list parser reads what was meant', { skip: hasPython ? false : 'needs python3' }, () => {
  const output = `${spec.home}/daemon/daemon.out`
  const text = launchdPlist(spec, 'Aqua')
  assert.deepEqual(parse(text), {
    Label: 'local.perdura',
    ProgramArguments: [spec.node, spec.program, 'daemon', 'run', '--home', spec.home],
    WorkingDirectory: spec.home,
    EnvironmentVariables: {
      PATH: '/opt/homebrew/bin:/Users/ada/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      PERDURA_SERVICE: 'launchd:user:perdura',
      PERDURA_SERVICE_FILE: digestOf(text),
    },
    LimitLoadToSessionType: 'Aqua',
    RunAtLoad: true,
    KeepAlive: true,
    ThrottleInterval: 10,
    ExitTimeOut: 330,
    AbandonProcessGroup: true,
    ProcessType: 'Interactive',
    Umask: 0o077,
    SoftResourceLimits: { NumberOfFiles: 65_536, Core: 0 },
    HardResourceLimits: { NumberOfFiles: 65_536, Core: 0 },
    StandardOutPath: output,
    StandardErrorPath: output,
  })
  const machine = parse(launchdPlist({ ...spec, scope: 'system' }, 'Aqua'))
  assert.deepEqual([machine['UserName'], machine['LimitLoadToSessionType']], ['ada', undefined])
  assert.equal(parse(launchdPlist(spec, 'Background'))['LimitLoadToSessionType'], 'Background')
})

test('the file says what it was made from', () => {
  const { home, node, program } = spec
  const made = { home, node, program, account: 'ada', stopSeconds: 330 }
  assert.deepEqual(readPlist(launchdPlist(spec, 'Background')), { ...made, session: 'Background' })
  assert.deepEqual(readPlist(launchdPlist({ ...spec, scope: 'system' }, 'Aqua')), made)
  // XML forbids two dashes inside of a comment.
  for (const [, inside = ''] of launchdPlist(spec, 'Aqua').matchAll(/<!--([\s\S]*?)-->/g))
    assert.doesNotMatch(inside, /--/)
  assert.equal(readPlist('<plist version="1.0"><dict/></plist>'), null)
})

test('files that differ in anything have another digest', () => {
  const digest = (change: Partial<ServiceSpec>): string | undefined =>
    digestOf(launchdPlist({ ...spec, ...change }, 'Aqua'))
  assert.match(digest({}) ?? '', /^[\da-f]{16}$/)
  assert.equal(digest({}), digest({}))
  assert.equal(
    new Set([{}, { stopSeconds: 60 }, { node: '/usr/bin/node' }, { home: '/x' }].map(digest)).size,
    4,
  )
})
