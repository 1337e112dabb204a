import { setTimeout as delay } from 'node:timers/promises'
import type { Call } from '../call.ts'
import { chooseLogs, type ChosenLog } from '../logs/chosen-logs.ts'
import { createEntryReader, levelOf, levels, withLeadingTimes, type LogEntry } from '../logs/log-entry.ts'
import { createLogPrinter, type NamedEntry } from '../logs/log-printer.ts'
import { LogSource } from '../logs/log-source.ts'
import { mergeByTime } from '../logs/merge-by-time.ts'
import { parseSince } from '../since.ts'

const pollMs = 200
const linesDefault = 50
const linesMax = 1_000_000

/** A log that is open, and what reads its lines in their order. */
interface OpenLog {
  readonly log: ChosenLog
  readonly source: LogSource
  readonly read: (text: string) => LogEntry
}

type Wanted = (entry: LogEntry) => boolean

export async function run(call: Call): Promise<number> {
  const follow = call.flag('follow')
  const least = levels.indexOf(call.choice('level', levels) ?? 'debug')
  const asked = call.text('since')
  const sinceMs = asked === undefined ? undefined : parseSince(asked, Date.now())
  const hasCount = call.text('lines') !== undefined || sinceMs === undefined
  const count = hasCount ? call.count('lines', linesDefault, linesMax) : undefined
  const isWanted: Wanted = (entry) => levels.indexOf(levelOf(entry)) >= least

  const { logs: chosen, single, exitCode } = chooseLogs(call)
  const logs = await openAll(call, chosen, follow)
  const printer = createLogPrinter(call, chosen, { single, follow })
  const history =
    sinceMs === undefined
      ? lastOf(logs, count ?? linesDefault, isWanted)
      : since(logs, sinceMs, count, (entry) => entry.timeMs >= sinceMs && isWanted(entry))
  for await (const entries of history) await printer.print(entries)
  if (!follow) {
    printer.end()
    return exitCode
  }
  for (;;) {
    await delay(pollMs)
    const fresh = logs.map((open) => entriesOf(open, open.source.more(), isWanted))
    for await (const entries of mergeByTime(fresh)) await printer.print(entries)
  }
}

async function openAll(call: Call, chosen: readonly ChosenLog[], follow: boolean): Promise<OpenLog[]> {
  const said = new Set<string>()
  const onFailure = (file: string, error: Error): void => {
    const text = `${file} cannot be read: ${error.message}`
    if (!said.has(text)) call.output.note(text)
    said.add(text)
  }
  return await Promise.all(
    chosen.map(async (log) => ({
      log,
      source: await LogSource.open({ path: log.path, follow, onFailure }),
      read: createEntryReader(),
    })),
  )
}

/** All of them from a time on, or the last so many of these. */
async function* since(
  logs: readonly OpenLog[],
  sinceMs: number,
  count: number | undefined,
  isWanted: Wanted,
): AsyncGenerator<readonly NamedEntry[]> {
  const merged = mergeByTime(logs.map((open) => entriesOf(open, open.source.since(sinceMs), isWanted)))
  if (count === undefined) yield* merged
  else yield await lastIn(merged, count)
}

/** The last of all together, which are among the last of each. */
async function* lastOf(
  logs: readonly OpenLog[],
  count: number,
  isWanted: Wanted,
): AsyncGenerator<readonly NamedEntry[]> {
  const sequences = await Promise.all(
    logs.map(async ({ log, source, read }) => {
      const texts = await source.last(count, (text) => {
        const isLine = text !== '' && isWanted(createEntryReader()(text))
        return isLine ? text : undefined
      })
      const entries = withLeadingTimes(texts.map((text) => read(text)))
      return [entries.map((entry) => ({ ...entry, log }))]
    }),
  )
  yield await lastIn(mergeByTime(sequences.map((batches) => asyncOf(batches))), count)
}

async function lastIn(
  batches: AsyncIterable<readonly NamedEntry[]>,
  count: number,
): Promise<readonly NamedEntry[]> {
  let last: NamedEntry[] = []
  for await (const batch of batches) {
    last.push(...batch)
    // Not each time, which would be quadratic.
    if (last.length > 2 * count + 1_000) last = last.slice(-count)
  }
  return count === 0 ? [] : last.slice(-count)
}

async function* entriesOf(
  { log, read }: OpenLog,
  batches: AsyncIterable<readonly string[]>,
  isWanted: Wanted,
): AsyncGenerator<readonly NamedEntry[]> {
  for await (const batch of batches) {
    yield batch.flatMap((text) => {
      if (text === '') return []
      const entry = read(text)
      return isWanted(entry) ? [{ ...entry, log }] : []
    })
  }
}

async function* asyncOf<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items
}
