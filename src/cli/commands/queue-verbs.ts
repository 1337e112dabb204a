import type { CommandSpec } from '../command.ts'
import { limit } from './limit-option.ts'

export const queueVerbs: readonly CommandSpec[] = [
  {
    name: 'queue list',
    summary: 'list what waits in the inbox and the outbox, and the dead letters',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      inbox: { type: 'boolean', help: 'only what came in' },
      outbox: { type: 'boolean', help: 'only what must go out' },
      dead: {
        type: 'boolean',
        help: 'only dead letters: turns that were set aside, messages that will not arrive',
      },
      limit,
    },
    examples: ['perdura queue list Ada --outbox'],
    load: () => import('./queue-list.ts'),
  },
  {
    name: 'queue show',
    summary: 'show one entry of a queue whole',
    arguments: '<agent> <in:turn|out:message>',
    takes: [2, 2],
    options: {},
    examples: ['perdura queue show Ada out:7'],
    load: () => import('./queue-show.ts'),
  },
  {
    name: 'queue retry',
    summary: 'handle a dead letter of the inbox again, or send one of the outbox again',
    arguments: '<agent> [in:turn|out:message]',
    takes: [1, 2],
    options: {
      all: { type: 'boolean', help: 'all dead letters' },
      inbox: { type: 'boolean', help: 'with --all: only those of the inbox' },
      outbox: { type: 'boolean', help: 'with --all: only those of the outbox' },
    },
    examples: ['perdura queue retry Ada out:7', 'perdura queue retry Ada --all --outbox'],
    load: () => import('./queue-retry.ts'),
  },
  {
    name: 'queue purge',
    summary: 'forget dead letters, or give up what waits to be sent',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      inbox: { type: 'boolean', help: 'only dead letters of the inbox' },
      outbox: { type: 'boolean', help: 'only dead letters of the outbox' },
      pending: {
        type: 'boolean',
        help: 'instead, what waits in the outbox and is not under way; with --yes',
      },
    },
    load: () => import('./queue-purge.ts'),
  },
  {
    name: 'queue pause',
    summary: 'stop handling what comes in, or sending, or both, until they are resumed',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      inbox: { type: 'boolean', help: 'only the handling' },
      outbox: { type: 'boolean', help: 'only the sending' },
    },
    load: () => import('./queue-pause.ts'),
  },
  {
    name: 'queue resume',
    summary: 'go on with what was paused',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      inbox: { type: 'boolean', help: 'only the handling' },
      outbox: { type: 'boolean', help: 'only the sending' },
    },
    load: () => import('./queue-resume.ts'),
  },
]
