/**
 * One of many processes that want the next tokens of one agent: `race-member.ts <home> <url> <report> <steps>`. It waits for
 * the word, asks for tokens a few times, and is killed at the given step of what it does: each operation on the disk, each
 * lock and each request has one before and one after it. What it logs is in the report before it goes on.
 */
import { appendFileSync } from 'node:fs'
import type { Disk } from '../../../src/platform/disk.ts'
import type { Log } from '../../../src/platform/log.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import { openAt } from '../../helpers/token-world.ts'

const [home = '', url = '', report = '', steps = '0'] = process.argv.slice(2)
let left = Number(steps)

function step(): void {
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}

function between<T>(act: () => T): T {
  step()
  const result = act()
  step()
  return result
}

const note = (event: string): void => appendFileSync(report, `${event}\n`)
const log: Log = { debug: note, info: note, warn: note, error: note, with: () => log }

const real = createNodePlatform()
const disk: Disk = {
  ...real.disk,
  readFile: (path) => between(() => real.disk.readFile(path)),
  replaceFile: (path, bytes) => between(() => real.disk.replaceFile(path, bytes)),
}
const platform = {
  ...real,
  disk,
  locks: {
    tryLock: (path: string) => real.locks.tryLock(path),
    lock: (path: string, waitMs: number) => between(() => real.locks.lock(path, waitMs)),
  },
  http: {
    async request(...request: Parameters<typeof real.http.request>) {
      step()
      const response = await real.http.request(...request)
      step()
      return response
    },
  },
}

process.send?.('ready')
process.once('message', () => {
  void race()
})

async function race(): Promise<void> {
  try {
    const credentials = openAt({ home, name: 'Ada', url, log, platform })
    for (let round = 0; round < 3; round += 1) await credentials.access({ fresh: true })
    await credentials.close()
    note('race:done')
  } catch (error) {
    note(`race:failed ${String(error)}`)
  }
  process.disconnect()
}
