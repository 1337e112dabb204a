import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { linkVariables } from '../../../src/daemon/link-protocol.ts'
import { findStartedChildren } from '../../../src/daemon/started-children.ts'
import { createNodeProcessTable } from '../../../src/platform/node/process-table.ts'
import '../../helpers/leaks.ts'

const processes = createNodeProcessTable()
const program = '/somewhere/program-of-this-test.mjs'
const noProc = existsSync('/proc/self/environ') ? false : 'there is no /proc'
const unshare = ['--user', '--map-root-user', '--mount']
const noMounts =
  noProc ||
  (spawnSync('unshare', [...unshare, 'true']).status === 0 ? false : 'mounts of its own are not allowed here')

interface Place {
  readonly folder: string
  /** The children of the daemon whose link is in this folder. */
  find(folder: string): readonly string[]
  /** Resolves once it runs. `folder`: where the link is, by its own word. `mounted`: it sees another folder there. */
  start(folder: string, child: string, mounted?: string): Promise<ChildProcess>
}

async function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-children-'))
  const started: ChildProcess[] = []
  try {
    await use({
      folder,
      find(own) {
        const linkSocket = join(own, 'link.sock')
        return [
          ...(findStartedChildren({ linkSocket, processes, program }) ?? assert.fail()).keys(),
        ].toSorted()
      },
      async start(own, child, mounted) {
        const code = "console.log('ready'); setInterval(() => {}, 1000)"
        const node = [process.execPath, '-e', code, program]
        const script = 'mount --bind "$0" "$1" && shift && exec "$@"'
        const [file = '', ...args] =
          mounted === undefined ? node : ['unshare', ...unshare, 'sh', '-c', script, mounted, own, ...node]
        const variables = { [linkVariables.socket]: join(own, 'link.sock'), [linkVariables.child]: child }
        const process_ = spawn(file, args, {
          env: { ...process.env, ...variables },
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        started.push(process_)
        await once(process_.stdout, 'data')
        return process_
      },
    })
  } finally {
    for (const one of started) {
      one.kill('SIGKILL')
      if (one.exitCode === null && one.signalCode === null) await once(one, 'exit')
    }
    rmSync(folder, { recursive: true })
  }
}

test('children are found by their folder, by whatever path they know it', { skip: noProc }, () =>
  withPlace(async ({ folder, find, start }) => {
    const [own, other, alias] = ['own', 'other', 'alias'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    mkdirSync(own)
    mkdirSync(other)
    symlinkSync(own, alias)
    await start(own, 'agent:Ada')
    await start(alias, 'agent:Bo')
    await start(other, 'agent:Cy')
    await start(join(folder, 'gone'), 'agent:Di')
    assert.deepEqual(find(own), ['agent:Ada', 'agent:Bo'])
    assert.deepEqual(find(alias), ['agent:Ada', 'agent:Bo'])
    // What was at that path is elsewhere now, and what is there now is another one.
    renameSync(own, join(folder, 'moved'))
    assert.deepEqual(find(join(folder, 'moved')), [])
    // Nothing is there any more: the path is all that is left of it.
    assert.deepEqual(find(own), ['agent:Ada'])
  }),
)

test('one that means another folder by the same path is left alone', { skip: noMounts }, () =>
  withPlace(async ({ folder, find, start }) => {
    const [own, other] = ['own', 'other'].map((name) => join(folder, name)) as [string, string]
    mkdirSync(own)
    mkdirSync(other)
    await start(own, 'agent:Ada')
    await start(own, 'agent:Bo', other)
    assert.deepEqual(find(own), ['agent:Ada'])
    assert.deepEqual(find(other), ['agent:Bo'])
    rmSync(own, { recursive: true })
    assert.deepEqual(find(own), ['agent:Ada'])
  }),
)
