import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { searchProcesses, type FoundProcess } from '../../../src/platform/node/process-search.ts'
import { createNodeProcessTable } from '../../../src/platform/node/process-table.ts'
import { until } from '../../helpers/command-line.ts'

const processes = createNodeProcessTable()
const onLinux = { skip: existsSync('/proc/self/environ') ? false : 'there is no /proc' }

const said = "console.log('ready'); setInterval(() => {}, 1000)"

/** Of this test alone. */
const home = randomUUID()

const program = 'program-of-this-test.mjs'

function start(
  environment: Readonly<Record<string, string>>,
  code: string,
  options: { readonly uid?: number; readonly program?: string } = {},
): ChildProcess {
  const { uid, program: argument = program } = options
  return spawn(process.execPath, ['-e', code, argument], {
    ...(uid !== undefined && { uid }),
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

function found(): readonly FoundProcess[] {
  const all = searchProcesses({ processes, variables: ['TEST_HOME', 'TEST_CHILD'], program })
  assert.ok(all !== undefined)
  return all.filter(({ values }) => values[0] === home)
}

test(
  'a process is found by what it was started with, also one that cannot speak and one that has forgotten it',
  onLinux,
  async () => {
    const mute = start({ TEST_HOME: home, TEST_CHILD: 'agent:Ünal' }, 'setInterval(() => {}, 1000)')
    const forgets = start(
      { TEST_HOME: home, TEST_CHILD: 'hub' },
      "delete process.env.TEST_HOME; delete process.env.TEST_CHILD; console.log('ready'); setInterval(() => {}, 1000)",
    )
    const other = start({ TEST_CHILD: 'agent:Ada' }, 'setInterval(() => {}, 1000)')
    try {
      mute.kill('SIGSTOP')
      if (forgets.stdout !== null) await once(forgets.stdout, 'data')
      const expected = [
        { pid: mute.pid, identity: processes.identify(mute.pid ?? 0), values: [home, 'agent:Ünal'] },
        { pid: forgets.pid, identity: processes.identify(forgets.pid ?? 0), values: [home, 'hub'] },
      ]
      const byPid = (a: { pid?: number | undefined }, b: { pid?: number | undefined }): number =>
        (a.pid ?? 0) - (b.pid ?? 0)
      assert.deepEqual([...found()].toSorted(byPid), expected.toSorted(byPid))
    } finally {
      for (const one of [mute, forgets, other]) one.kill('SIGKILL')
    }
    await until('they are gone', () => found().length === 0)
  },
)

test('what a process has just begun to start is not taken for another one of its kind', onLinux, async () => {
  // A child that keeps the environment stands for the copy that a process is before its program begins.
  const parent = start(
    { TEST_HOME: home, TEST_CHILD: 'hub' },
    `const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, ['-e', "console.log('ready'); process.stdin.resume()", "${program}"], { stdio: ['pipe', 'inherit', 'inherit'] })
    process.on('exit', () => child.kill('SIGKILL'))
    setInterval(() => {}, 1000)`,
  )
  try {
    if (parent.stdout !== null) await once(parent.stdout, 'data')
    assert.deepEqual(
      found().map(({ pid }) => pid),
      [parent.pid],
    )
  } finally {
    // The child ends with its input.
    parent.kill('SIGKILL')
  }
  await until('they are gone', () => found().length === 0)
})

test(
  'what runs another program, and has only inherited the variables, is not one of them',
  onLinux,
  async () => {
    const tool = start({ TEST_HOME: home, TEST_CHILD: 'hub' }, said, { program: 'tool.mjs' })
    try {
      if (tool.stdout !== null) await once(tool.stdout, 'data')
      assert.deepEqual(found(), [])
    } finally {
      tool.kill('SIGKILL')
      await once(tool, 'close')
    }
  },
)

const notRoot = onLinux.skip === false && process.geteuid?.() !== 0 && 'only root starts processes of others'

test(
  "another user's process is not one of them, whatever it says",
  { skip: onLinux.skip || notRoot },
  async () => {
    const others = start({ TEST_HOME: home, TEST_CHILD: 'hub' }, said, { uid: 65_534 })
    try {
      if (others.stdout !== null) await once(others.stdout, 'data')
      assert.deepEqual(found(), [])
    } finally {
      others.kill('SIGKILL')
      await once(others, 'close')
    }
  },
)
