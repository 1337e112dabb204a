import type { OptionSpec } from '../command.ts'

/** For verbs that take one, several or all agents; see `chosen-agents.ts`. */
export const all = {
  type: 'boolean',
  help: 'every agent of the home',
} as const satisfies OptionSpec

/** How many names may be written: what a shell makes of `$(…)`, and no more than a home is meant for. */
export const agentsMax = 1_000
