import { once } from 'node:events'
import type { Call } from '../call.ts'
import { displayWidth, fit, type Style } from '../output.ts'
import type { ChosenLog } from './chosen-logs.ts'
import { documentOf, format, type LogEntry } from './log-entry.ts'

export interface NamedEntry extends LogEntry {
  readonly log: ChosenLog
}

/** Prints entries as they come: lines for a person, one document, or when there is no end to them one for each. */
export interface LogPrinter {
  print(entries: readonly NamedEntry[]): Promise<void>
  end(): void
}

const nameColumnsMax = 20
const nameStyles: readonly Style[] = ['cyan', 'green', 'yellow', 'bold']

export function createLogPrinter(
  call: Call,
  logs: readonly ChosenLog[],
  { single, follow }: { readonly single: boolean; readonly follow: boolean },
): LogPrinter {
  const { output } = call
  const width = Math.min(nameColumnsMax, Math.max(...logs.map(({ name }) => name.length), 0))
  const names = new Map(
    logs.map(({ name }, at) => {
      const cut = fit(name, width)
      const padded = cut + ' '.repeat(Math.max(0, width - displayWidth(cut)))
      return [name, `${output.paint(nameStyles[at % nameStyles.length] ?? 'cyan', padded)} `]
    }),
  )
  let count = 0
  const [first] = logs
  const head =
    single && first !== undefined
      ? { [first.isAgent ? 'agent' : 'log']: first.name }
      : { logs: logs.map(({ name }) => name) }
  // In pieces, since a log need not fit into memory.
  if (!follow) output.piece(`${JSON.stringify(head).slice(0, -1)},"lines":[`)
  return {
    async print(entries) {
      const now = Date.now()
      for (const entry of entries) {
        const document = output.json ? documentOf(entry, single ? undefined : entry.log.name) : {}
        if (follow) output.record(document)
        else output.piece(`${count === 0 ? '' : ','}${output.json ? JSON.stringify(document) : ''}`)
        const name = single ? '' : (names.get(entry.log.name) ?? '')
        output.line(output.json ? '' : name + format(output, entry, now))
        count += 1
      }
      // Whoever reads us slowly is waited for, and does not fill our memory.
      if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
    },
    end() {
      output.piece(']}\n')
      if (count === 0) output.note(single ? 'the log is empty' : 'the logs are empty')
    },
  }
}
