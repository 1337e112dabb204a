import { homedir } from 'node:os'
import { PerduraError } from '../errors.ts'
import type { Disk } from '../platform/disk.ts'
import { createNodeDisk } from '../platform/node/disk.ts'
import { createNodeProcessTable } from '../platform/node/process-table.ts'
import { createNodeUsageTable } from '../platform/node/process-usage.ts'
import type { ProcessTable } from '../platform/process-table.ts'
import type { UsageTable } from '../platform/process-usage.ts'
import { resolveHome } from '../runtime/home.ts'
import { choiceOption, countOption, durationOption, textOption, type OptionValues } from './args.ts'
import type { Output } from './output.ts'

export interface CallOptions {
  /** As it was written: `start`, `hub run`. */
  readonly verb: string
  readonly arguments: readonly string[]
  readonly values: OptionValues
  readonly output: Output
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** One run of one verb: what was written, and what it may use. */
export class Call {
  readonly verb: string
  readonly arguments: readonly string[]
  readonly values: OptionValues
  readonly output: Output
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly disk: Disk = createNodeDisk()
  readonly processes: ProcessTable = createNodeProcessTable()
  readonly usage: UsageTable = createNodeUsageTable()
  /** Called when whoever read our output is gone; without it the process ends at once. */
  onBrokenPipe: (() => void) | undefined

  constructor(options: CallOptions) {
    this.verb = options.verb
    this.arguments = options.arguments
    this.values = options.values
    this.output = options.output
    this.environment = options.environment
    // An empty variable in somebody's script: the default home is not what was meant.
    if (this.text('home') === '') throw new PerduraError('ERR_USAGE', '--home needs a folder, and is empty')
    this.home = resolveHome({
      home: this.text('home'),
      environment: options.environment,
      userFolder: homedir(),
      workingFolder: process.cwd(),
    })
  }

  /** The same, of another home. */
  in(home: string): Call {
    const { verb, arguments: given, values, output, environment } = this
    return new Call({ verb, arguments: given, values: { ...values, home }, output, environment })
  }

  /** The argument at `index`; empty where it was not given. */
  argument(index: number): string {
    return this.arguments[index] ?? ''
  }

  text(name: string): string | undefined {
    return textOption(this.values, name)
  }

  flag(name: string): boolean {
    return this.values[name] === true
  }

  durationMs(name: string, fallbackMs: number, maxMs?: number): number {
    return durationOption(this.values, name, fallbackMs, maxMs)
  }

  count(name: string, fallback: number, max: number, min = 0): number {
    return countOption(this.values, name, fallback, max, min)
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    return choiceOption(this.values, name, choices)
  }

  /** How the reader of our hints starts us: from a clone that npm runs, the command is not on the path. */
  get program(): string {
    const { npm_command: command, npm_lifecycle_event: script } = this.environment
    return command === 'exec' || command === 'run-script' || command === 'start' || script !== undefined
      ? 'npx perdura'
      : 'perdura'
  }

  /** A command as the reader can type it. */
  hint(command: string): string {
    return command.replace(/^perdura\b/, this.program)
  }
}
