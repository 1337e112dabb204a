import type { CommandSpec, OptionSpec } from '../command.ts'

const hub = {
  type: 'text',
  value: '<URL>',
  help: 'at this hub, where the agent does not run and is known at several (default: that of the last time)',
} as const satisfies OptionSpec

export const tokenVerbs: readonly CommandSpec[] = [
  {
    name: 'token status',
    summary:
      'show the tokens and the key of an agent: how old, how long good, and where and how they are kept',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    load: () => import('./token-status.ts'),
  },
  {
    name: 'token refresh',
    summary: 'get the next tokens from the hub, now',
    arguments: '<agent>',
    takes: [1, 1],
    options: { hub },
    load: () => import('./token-refresh.ts'),
  },
  {
    name: 'token rotate',
    summary: 'give an agent another key; its other logins end',
    arguments: '<agent>',
    takes: [1, 1],
    options: { hub },
    load: () => import('./token-rotate.ts'),
  },
  {
    name: 'token revoke',
    summary: 'end the login of an agent at its hub; its key gets it the next one',
    arguments: '<agent>',
    takes: [1, 1],
    options: { hub, all: { type: 'boolean', help: 'all logins of the agent, wherever they are' } },
    load: () => import('./token-revoke.ts'),
  },
]
