import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createNodeProcessTable } from '../../src/platform/node/process-table.ts'

const program = join(import.meta.dirname, '..', 'peers', 'node_modules', 'pm2', 'bin', 'pm2')
const processes = createNodeProcessTable()
const patienceMs = 20_000

/** Whether `npm ci` has been run in `bench/peers`. */
export function hasPm2(): boolean {
  return existsSync(program)
}

interface Note {
  readonly pid: number
  readonly at: number
}

/**
 * From SIGKILL to the empty script's being there again, ms, as PM2 restarts it: with its own daemon in a home of its own,
 * told not to call a script unstable that is killed thirty times a second.
 */
export async function measurePm2(folder: string, kills: number): Promise<number[]> {
  const home = join(folder, 'pm2')
  const notes = join(folder, 'pm2-notes')
  mkdirSync(home)
  const config = join(folder, 'pm2.json')
  const app = {
    name: 'empty',
    script: join(import.meta.dirname, '..', 'programs', 'empty-noted.mjs'),
    interpreter: process.execPath,
    min_uptime: 100,
    max_restarts: 1_000_000,
    env: { BENCH_NOTES: notes },
  }
  writeFileSync(config, JSON.stringify({ apps: [app] }))
  try {
    await pm2(home, 'start', config)
    const restartsMs: number[] = []
    let last = await next(notes, 0)
    for (let kill = 0; kill < kills; kill += 1) {
      // It is told as ours is: while nothing else goes on.
      await sleep(20)
      const killedAt = performance.timeOrigin + performance.now()
      process.kill(last.pid, 'SIGKILL')
      last = await next(notes, kill + 1)
      restartsMs.push(last.at - killedAt)
    }
    return restartsMs
  } finally {
    await end(home)
  }
}

/** What the script noted at its start number `index`. */
async function next(path: string, index: number): Promise<Note> {
  const deadlineMs = performance.now() + patienceMs
  while (performance.now() < deadlineMs) {
    const line = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1)[index] : undefined
    if (line !== undefined) return JSON.parse(line) as Note
    await sleep(2)
  }
  throw new Error(`PM2 did not start the script for the ${index + 1}th time within ${patienceMs} ms`)
}

/** Its daemon stops the scripts, and then itself. Where it does not answer it is killed. */
async function end(home: string): Promise<void> {
  const record = join(home, 'pm2.pid')
  if (!existsSync(record)) return
  const pid = Number(readFileSync(record, 'utf8'))
  const identity = processes.identify(pid)
  const isThere = (): boolean => identity !== undefined && processes.identify(pid) === identity
  await pm2(home, 'kill').catch((error: unknown) => {
    if (!isThere()) return
    process.kill(pid, 'SIGKILL')
    throw error
  })
  const deadlineMs = performance.now() + patienceMs
  while (isThere()) {
    if (performance.now() > deadlineMs) process.kill(pid, 'SIGKILL')
    await sleep(10)
  }
}

async function pm2(home: string, ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [program, ...args], {
    env: {
      ...process.env,
      PM2_HOME: home,
      // It says hello to its makers otherwise.
      PM2_DISCRETE_MODE: '1',
      PM2_DISABLE_VERSION_CHECK: '1',
      PM2_NO_INTERACTION: 'true',
    },
  })
}
