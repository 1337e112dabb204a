import type { CommandSpec, OptionSpec } from '../command.ts'

export const despiteMove = {
  type: 'boolean',
  help: 'although it was exported from here: it was imported nowhere, and never will be',
} as const satisfies OptionSpec

const passphraseFile = {
  type: 'text',
  value: '<file>',
  help: 'file with the passphrase that seals the export',
} as const satisfies OptionSpec

/** The verbs about an agent's session; see `commands`. */
export const sessionVerbs: readonly CommandSpec[] = [
  {
    name: 'session show',
    summary: 'show how an agent stands at its hub',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    load: () => import('./session-show.ts'),
  },
  {
    name: 'session list',
    summary: 'list the sessions of an agent at its hub, the newest first',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    load: () => import('./session-list.ts'),
  },
  {
    name: 'session end',
    summary: 'end the session of an agent at its hub, and the process that has it',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    examples: ['perdura session end Ada --yes'],
    load: () => import('./session-end.ts'),
  },
  {
    name: 'session reconnect',
    summary: 'have an agent connect to its hub anew, now',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    examples: ['perdura session reconnect Ada'],
    load: () => import('./session-reconnect.ts'),
  },
  {
    name: 'session handover',
    summary: 'have the next process of an agent take its session over, without a gap to speak of',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      deadline: {
        type: 'text',
        value: '<duration>',
        help: 'time for turns to finish and for what they send (default: 10s; an hour at most)',
      },
    },
    examples: ['perdura session handover Ada'],
    load: () => import('./session-handover.ts'),
  },
  {
    name: 'session export',
    summary: 'stop an agent, and put all that it owns into one file to go on elsewhere',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      to: { type: 'text', value: '<file>', help: 'where to write it (default: <agent>.perdura-export)' },
      'passphrase-file': passphraseFile,
      'despite-move': despiteMove,
    },
    examples: ['perdura session export Ada --passphrase-file ./phrase'],
    load: () => import('./session-export.ts'),
  },
  {
    name: 'session import',
    summary: 'make an agent of an export; its first start takes its session over',
    arguments: '<file>',
    takes: [1, 1],
    options: {
      hub: {
        type: 'text',
        value: '<URL>',
        help: 'where its hub is from here (default: where it was)',
      },
      'passphrase-file': passphraseFile,
    },
    examples: ['perdura session import ./Ada.perdura-export --hub http://192.0.2.7:8767'],
    load: () => import('./session-import.ts'),
  },
]
