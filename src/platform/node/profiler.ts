import fs from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PerduraError } from '../../errors.ts'
import type { ProfileRequest, Profiler } from '../profile.ts'

/** Their endings are those that the developer tools of browsers know. */
const files = { cpu: 'profile.cpuprofile', heap: 'profile.heapsnapshot' } as const

export interface ProfilerOptions {
  /** Where the file is written; whoever asked takes it from there. */
  readonly folder: string
  /** The event loop is about to stand still for so long at most, ms. Resolves when that has been told. */
  readonly onPause: (forMs: number) => Promise<void>
}

/** What a snapshot may take, ms; a gigabyte takes about a minute. */
const heapPauseMsMax = 300_000

/** By Node's own inspector, within the process: nothing listens, and nothing of it is loaded until it is asked for. */
export function createNodeProfiler({ folder, onPause }: ProfilerOptions): Profiler {
  let running = false

  async function takeCpu(path: string, durationMs: number): Promise<void> {
    const { Session } = await import('node:inspector/promises')
    const session = new Session()
    session.connect()
    try {
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
      await delay(durationMs)
      const { profile } = await session.post('Profiler.stop')
      fs.writeFileSync(path, JSON.stringify(profile), { mode: 0o600, flag: 'wx' })
    } finally {
      session.disconnect()
    }
  }

  async function takeHeap(path: string): Promise<void> {
    const { writeHeapSnapshot } = await import('node:v8')
    // Made closed to others before anything is in it.
    fs.closeSync(fs.openSync(path, 'wx', 0o600))
    await onPause(heapPauseMsMax)
    writeHeapSnapshot(path)
  }

  async function takeOne(request: ProfileRequest): Promise<{ path: string; sizeBytes: number }> {
    // What a process before has left, or whoever asked never took.
    for (const name of Object.values(files)) fs.rmSync(join(folder, name), { force: true })
    const path = join(folder, files[request.kind])
    try {
      await (request.kind === 'cpu' ? takeCpu(path, request.durationMs) : takeHeap(path))
    } catch (error) {
      fs.rmSync(path, { force: true })
      throw error
    }
    return { path, sizeBytes: fs.statSync(path).size }
  }

  return {
    async take(request) {
      if (running)
        throw new PerduraError(
          'ERR_PROFILE_RUNNING',
          'a profile of this process is being taken: try again when it is there',
        )
      running = true
      try {
        return await takeOne(request)
      } finally {
        running = false
      }
    },
  }
}
