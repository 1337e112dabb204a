/**
 * What a durable commit costs: through the store, one awaited before the next and many at once; and what is built of
 * commits, a step and a turn. Side by side with the least that durability can cost: the same bytes appended to a
 * growing file, and `fdatasync`.
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { defineAgent, openAgent, type Agent } from '../src/index.ts'
import type { Disk } from '../src/platform/disk.ts'
import type { Log } from '../src/platform/log.ts'
import { createNodePlatform } from '../src/platform/node/platform.ts'
import { openStore } from '../src/store/open-store.ts'
import { createDatabaseFiles } from '../src/store/sqlite/files.ts'
import type { Store, Tx } from '../src/store/store.ts'
import { percentile, type BenchOptions, type BenchResult } from './lib/result.ts'

const value = 'x'.repeat(128)

export async function run(options: BenchOptions): Promise<BenchResult> {
  const commits = await measureCommits(options)
  const turns = await measureTurns(options)
  const medianRatio = percentile(commits.storeMs, 0.5) / percentile(commits.appendMs, 0.5)
  return {
    name: 'commit',
    figures: {
      commit_median_depth_1_ms: percentile(commits.storeMs, 0.5),
      commit_p95_depth_1_ms: percentile(commits.storeMs, 0.95),
      commit_p99_depth_1_ms: percentile(commits.storeMs, 0.99),
      commits_per_second_depth_100: commits.perSecondDepth100,
      commits_per_second_depth_1000: commits.perSecondDepth1000,
      record_bytes: commits.recordBytes,
      ...turns,
    },
    baseline: {
      commit_median_depth_1_ms: percentile(commits.appendMs, 0.5),
      commit_p95_depth_1_ms: percentile(commits.appendMs, 0.95),
      commit_p99_depth_1_ms: percentile(commits.appendMs, 0.99),
      record_bytes: commits.recordBytes,
    },
    ratio: {
      commit_median_depth_1: medianRatio,
      commit_p95_depth_1: percentile(commits.storeMs, 0.95) / percentile(commits.appendMs, 0.95),
      commit_p99_depth_1: percentile(commits.storeMs, 0.99) / percentile(commits.appendMs, 0.99),
    },
  }
}

interface CommitFigures {
  readonly storeMs: readonly number[]
  readonly appendMs: readonly number[]
  readonly recordBytes: number
  readonly perSecondDepth100: number
  readonly perSecondDepth1000: number
}

async function measureCommits({ folder, quick }: BenchOptions): Promise<CommitFigures> {
  const rounds = quick ? 2 : 30
  const perRound = quick ? 10 : 100
  const own = join(folder, 'store')
  const platform = createNodePlatform()
  const record = new RecordWatch(platform.disk)
  const { store } = await openStore({
    ...platform,
    folder: own,
    files: createDatabaseFiles(own),
    disk: record.disk,
    log: silent,
  })
  const growing = openSync(join(folder, 'growing'), 'a')
  try {
    // Compiled code, filled caches and a first segment: a running agent has them.
    for (let count = 0; count < perRound * 3; count += 1) await store.write(setOne)
    const bytes = record.last
    const storeMs: number[] = []
    const appendMs: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      for (let count = 0; count < perRound; count += 1) {
        const startedMs = performance.now()
        await store.write(setOne)
        storeMs.push(performance.now() - startedMs)
      }
      for (let count = 0; count < perRound; count += 1) {
        const startedMs = performance.now()
        writeSync(growing, bytes)
        fdatasyncSync(growing)
        appendMs.push(performance.now() - startedMs)
      }
    }
    const perSecondDepth100 = await perSecond(store, 100, quick ? 500 : 100_000)
    const perSecondDepth1000 = await perSecond(store, 1_000, quick ? 2_000 : 300_000)
    return { storeMs, appendMs, recordBytes: bytes.length, perSecondDepth100, perSecondDepth1000 }
  } finally {
    closeSync(growing)
    await store.close()
  }
}

let written = 0

/** A change of one row, of the size of a small state. */
function setOne(tx: Tx): void {
  written += 1
  tx.run(
    'INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    `key ${written % 1_000}`,
    `"${value}${written}"`,
  )
}

/** So many callers, each of which awaits one commit before its next. */
async function perSecond(store: Store, depth: number, total: number): Promise<number> {
  let left = total
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await store.write(setOne)
    }
  }
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: depth }, caller))
  return (total / (performance.now() - startedMs)) * 1_000
}

async function measureTurns({ folder, quick }: BenchOptions): Promise<Record<string, number>> {
  const home = join(folder, 'home')
  mkdirSync(home)
  const stepMs: number[] = []
  const definition = defineAgent({
    name: 'Bench',
    state: { version: 1, schema: anyState, initial: { count: 0 } },
    async onMessage(message, ctx) {
      const { steps } = message.payload as { steps: number }
      for (let count = 0; count < steps; count += 1) {
        const startedMs = performance.now()
        await ctx.step('step', () => count)
        stepMs.push(performance.now() - startedMs)
      }
      ctx.update((state) => {
        state.count += 1
      })
    },
  })
  const agent = await openAgent(definition, { home })
  const turns = new TurnWatch(agent)
  try {
    const ingestMs: number[] = []
    const turnMs: number[] = []
    for (let count = 0; count < (quick ? 20 : 2_000); count += 1) {
      const startedMs = performance.now()
      const { position } = await agent.ingest({ id: `turn-${count}`, payload: { steps: 0 } })
      ingestMs.push(performance.now() - startedMs)
      await turns.done(position)
      turnMs.push(performance.now() - startedMs)
    }
    await turns.done((await agent.ingest({ id: 'steps', payload: { steps: quick ? 20 : 2_000 } })).position)
    return {
      ingest_median_ms: percentile(ingestMs, 0.5),
      turn_median_ms: percentile(turnMs, 0.5),
      turn_p95_ms: percentile(turnMs, 0.95),
      step_median_ms: percentile(stepMs, 0.5),
      turns_per_second_depth_100: await turnsPerSecond(agent, turns, quick ? 100 : 10_000),
    }
  } finally {
    await agent.close()
  }
}

/** A hundred conversations, each with one message at a time. */
async function turnsPerSecond(agent: Agent, turns: TurnWatch, total: number): Promise<number> {
  let left = total
  const conversation = async (_none: unknown, index: number): Promise<void> => {
    while (left > 0) {
      left -= 1
      const id = `many-${left}`
      const { position } = await agent.ingest({ id, payload: { steps: 0 }, conversation: `c${index}` })
      await turns.done(position)
    }
  }
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: 100 }, conversation))
  return (total / (performance.now() - startedMs)) * 1_000
}

/** Tells when a turn is done, also when it was done already. */
class TurnWatch {
  readonly #done = new Set<number>()
  readonly #waiting = new Map<number, () => void>()

  constructor(agent: Agent) {
    agent.on('turn:done', ({ turn }) => {
      const resolve = this.#waiting.get(turn)
      if (resolve === undefined) this.#done.add(turn)
      else resolve()
      this.#waiting.delete(turn)
    })
  }

  async done(turn: number): Promise<void> {
    if (!this.#done.delete(turn)) await new Promise<void>((resolve) => this.#waiting.set(turn, resolve))
  }
}

/** Passes everything through, and keeps what was written last: the baseline writes the same. */
class RecordWatch {
  readonly disk: Disk
  last: Uint8Array = new Uint8Array()

  constructor(disk: Disk) {
    this.disk = {
      ...disk,
      open: (path) => {
        const file = disk.open(path)
        return {
          get sizeBytes() {
            return file.sizeBytes
          },
          read: (offset, length) => file.read(offset, length),
          write: (offset, bytes) => {
            this.last = bytes
            file.write(offset, bytes)
          },
          sync: () => file.sync(),
          close: () => file.close(),
        }
      },
    }
  }
}

const anyState: StandardSchemaV1<{ count: number }, { count: number }> = {
  '~standard': { version: 1, vendor: 'bench', validate: (given) => ({ value: given as { count: number } }) },
}

const ignore = (): void => undefined
const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, with: () => silent }
