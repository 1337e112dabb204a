import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from '../../helpers/command-line.ts'
import { withFolder } from '../../helpers/folder.ts'
import '../../helpers/leaks.ts'

const program = fileURLToPath(new URL('../../../bin/perdura.mjs', import.meta.url))
/** A file system of its own, of 4 MiB, that ends with the process that is run in it. */
const small = ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=4m,mode=700 none "$0" && exec "$@"']
const isPossible = spawnSync('unshare', [...small, '/mnt', 'true']).status === 0

test(
  'a hub whose disk is full is not ready, with nothing asked of it, and is again when there is room',
  { timeout: 120_000, skip: !isPossible && 'this system lets nobody mount a file system of his own' },
  () =>
    withFolder(async (folder) => {
      const home = join(folder, 'home')
      mkdirSync(home)
      const hub = spawn(
        'unshare',
        [...small, home, process.execPath, program, 'hub', 'run', '--home', home, '--port', '0'],
        { stdio: 'ignore' },
      )
      const ended = once(hub, 'exit')
      try {
        // As the hub sees it: from here the folder is empty.
        const seen = join(`/proc/${hub.pid}/root`, home)
        const port = (): number | undefined => portOf(join(seen, 'hub', 'hub.pid'))
        await until('it listens', () => port() !== undefined)
        const ready = async (): Promise<Response> => await fetch(`http://127.0.0.1:${port()}/readyz`)
        await until('it is ready', async () => (await ready()).status === 200)
        fill(join(seen, 'filling'))
        await until('it is not ready', async () => (await ready()).status === 503)
        const answer = (await (await ready()).json()) as { readonly reasons: readonly string[] }
        assert.deepEqual(answer.reasons, ['its database cannot be written to'])
        // It is no crash loop either.
        assert.equal((await fetch(`http://127.0.0.1:${port()}/healthz`)).status, 200)
        assert.equal(hub.exitCode, null)
        rmSync(join(seen, 'filling'))
        await until('it is ready again', async () => (await ready()).status === 200)
      } finally {
        hub.kill('SIGKILL')
        await ended
      }
    }),
)

function portOf(record: string): number | undefined {
  try {
    return JSON.parse(readFileSync(record, 'utf8')).addresses[0].port
  } catch {
    return undefined
  }
}

/** To the last byte. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (let size = 65_536; size >= 1;) {
      try {
        if (writeSync(file, Buffer.alloc(size, 1)) === 0) size = 0
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
        size = size === 1 ? 0 : Math.ceil(size / 16)
      }
    }
  } finally {
    closeSync(file)
  }
}
