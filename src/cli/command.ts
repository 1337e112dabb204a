import type { Call } from './call.ts'

export interface OptionSpec {
  readonly type: 'boolean' | 'text'
  readonly short?: string
  /** What stands for the value in the help: `<id>`. */
  readonly value?: string
  readonly help: string
}

/** One verb: what the help, the suggestions and the reference page know about it. */
export interface CommandSpec {
  /** One word, or two: `turn list`. */
  readonly name: string
  readonly summary: string
  /** The arguments, as the help shows them: `<agent> <text>`. */
  readonly arguments: string
  /** Fewest and most arguments. */
  readonly takes: readonly [number, number]
  readonly options: Readonly<Record<string, OptionSpec>>
  readonly examples?: readonly string[]
  /** Loaded only when it is run: the start of `perdura version` must not cost what `perdura run` needs. */
  readonly load: () => Promise<{ readonly run: Command }>
}

/** Resolves to the exit code; undefined is 0. */
export type Command = (call: Call) => Promise<number | undefined> | number | undefined

/** What every verb takes. */
export const globalOptions = {
  home: {
    type: 'text',
    value: '<folder>',
    help: 'where the agents are kept (default: $PERDURA_HOME, else ~/.local/state/perdura)',
  },
  json: { type: 'boolean', help: 'print one JSON document on standard output' },
  timeout: { type: 'text', value: '<duration>', help: 'longest time to wait: 500ms, 30s, 5m, 24h' },
  'no-color': { type: 'boolean', help: 'print without colours (also: NO_COLOR)' },
  quiet: { type: 'boolean', short: 'q', help: 'print no notes, only data and errors' },
  yes: { type: 'boolean', short: 'y', help: 'answer every question with yes' },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
} as const satisfies Record<string, OptionSpec>
