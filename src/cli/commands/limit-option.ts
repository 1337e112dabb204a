import type { OptionSpec } from '../command.ts'

export const limit = {
  type: 'text',
  value: '<n>',
  help: 'most entries to print (default: 20)',
} as const satisfies OptionSpec
