import fs from 'node:fs'
import path from 'node:path'
import { PerduraError } from '../../src/errors.ts'
import { createNodeClock } from '../../src/platform/node/clock.ts'
import { createNodeDisk } from '../../src/platform/node/disk.ts'
import { createNodeRandom } from '../../src/platform/node/random.ts'
import type { Log } from '../../src/platform/log.ts'
import { decodeRecord, segmentHeaderBytes } from '../../src/store/journal-record.ts'
import { openStore, type StoreOptions, type StoreRecovery } from '../../src/store/open-store.ts'
import { createDatabaseFiles } from '../../src/store/sqlite/files.ts'
import type { Reader, Store, Tx } from '../../src/store/store.ts'
import { copyFolder, withFolder } from './folder.ts'

export interface OpenedStore {
  readonly store: Store
  readonly recovered: StoreRecovery
  /** Names of the events that were logged. */
  readonly events: string[]
  close(): Promise<void>
}

/** A store on real files; `using` it closes it. */
export async function openTestStore(
  folder: string,
  options: Partial<StoreOptions> = {},
): Promise<OpenedStore> {
  const events: string[] = []
  const { store, recovered } = await openStore({
    folder,
    files: createDatabaseFiles(folder),
    disk: createNodeDisk(),
    clock: createNodeClock(),
    random: createNodeRandom(),
    process: {
      pid: process.pid,
      crash(reason) {
        throw reason
      },
    },
    log: logInto(events),
    ...options,
  })
  return { store, recovered, events, close: () => store.close() }
}

/** Opens a store, uses it and closes it, whatever happens. */
export async function useStore<T>(
  folder: string,
  use: (opened: OpenedStore) => Promise<T> | T,
  options: Partial<StoreOptions> = {},
): Promise<T> {
  const opened = await openTestStore(folder, options)
  try {
    return await use(opened)
  } finally {
    await opened.close()
  }
}

/** Runs `use` with a folder in which `values` have been written one by one, and the store closed. */
export function withWrittenStore(
  values: readonly string[],
  use: (folder: string) => Promise<void>,
  options: Partial<StoreOptions> = {},
): Promise<void> {
  return withFolder(async (folder) => {
    await useStore(folder, ({ store }) => putAll(store, values), options)
    await use(folder)
  })
}

export async function putAll(store: Store, values: readonly string[]): Promise<void> {
  for (const value of values) await put(store, value)
}

/** One commit: the value under its own key. */
export function put(store: Store, value: string, key = value): Promise<void> {
  return store.write((tx) => putRow(tx, key, value))
}

export function putRow(tx: Tx, key: string, value: string): void {
  tx.run(
    'INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    key,
    value,
  )
}

/** The values that are there, by rising key. */
export function valuesOf(reader: Reader): string[] {
  return reader.all<{ value: string }>('SELECT value FROM state ORDER BY key').map(({ value }) => value)
}

/** Opens the folder's store once more and gives its values and what opening found. */
export function reopen(
  folder: string,
  options: Partial<StoreOptions> = {},
): Promise<{ values: string[]; recovered: StoreRecovery; events: string[] }> {
  return useStore(
    folder,
    ({ store, recovered, events }) => ({ values: valuesOf(store.reader), recovered, events }),
    options,
  )
}

export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => String(from + index).padStart(5, '0'))
}

/** Names of files in the journal's folder that end so, rising. */
export function journalFiles(folder: string, ending: '.segment' | '.cut' | '.cut.json'): string[] {
  const names = fs.readdirSync(path.join(folder, 'journal')).filter((name) => name.endsWith(ending))
  return names.toSorted().map((name) => path.join(folder, 'journal', name))
}

/** Where the records of a segment start and end, in bytes. */
export function recordsOf(segment: string): { readonly start: number; readonly end: number }[] {
  const bytes = fs.readFileSync(segment)
  const found: { start: number; end: number }[] = []
  for (let at = segmentHeaderBytes; ;) {
    const record = decodeRecord(bytes, at)
    if (record === undefined) return found
    found.push({ start: record.start, end: record.end })
    at = record.end
  }
}

/** For `assert.rejects` and `assert.throws`: the error's code, and what its message must say. */
export function code(expected: string, message?: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    if (!(thrown instanceof PerduraError) || thrown.code !== expected) throw thrown
    if (message !== undefined && !message.test(thrown.message))
      throw new Error(`unexpected: ${thrown.message}`)
    return true
  }
}

export function quarantined(folder: string): string[] {
  const root = path.join(folder, 'quarantine')
  if (!fs.existsSync(root)) return []
  return fs.readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()
}

export function logInto(events: string[]): Log {
  const add = (event: string): void => void events.push(event)
  const log: Log = { debug: add, info: add, warn: add, error: add, with: () => log }
  return log
}

/** Like `withWrittenStore`, but the folder looks as a SIGKILL leaves it: with its WAL, and not marked as closed. */
export function withKilledStore(
  values: readonly string[],
  use: (folder: string) => Promise<void>,
  options: Partial<StoreOptions> = {},
): Promise<void> {
  return withFolder(async (root) => {
    const folder = path.join(root, 'killed')
    const files = createDatabaseFiles(path.join(root, 'alive'))
    await useStore(
      path.join(root, 'alive'),
      async ({ store }) => {
        await putAll(store, values)
        copyFolder(path.join(root, 'alive'), folder)
      },
      { ...options, files },
    )
    await use(folder)
  })
}
