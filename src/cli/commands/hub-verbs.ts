import type { CommandSpec } from '../command.ts'

/** The verbs of `perdura hub`. */
export const hubVerbs: readonly CommandSpec[] = [
  {
    name: 'hub run',
    summary: 'run the hub of this home in this process',
    arguments: '',
    takes: [0, 0],
    options: {
      host: { type: 'text', value: '<host>', help: 'address to listen on (default: 127.0.0.1)' },
      port: { type: 'text', value: '<port>', help: 'port; 0 takes any (default: 8767)' },
      'ws-port': {
        type: 'text',
        value: '<port>',
        help: 'second port, which serves the same (default: 8768 beside 8767, else none)',
      },
      'open-login': { type: 'boolean', help: 'let in original clients, which give a name and no proof' },
      'resume-rate': {
        type: 'text',
        value: '<n>',
        help: 'agents a second that may come back to their sessions (default: 500)',
      },
      'new-rate': {
        type: 'text',
        value: '<n>',
        help: 'agents a second that may come for the first time, and v1 clients (default: 100)',
      },
      drain: {
        type: 'text',
        value: '<duration>',
        help: 'how long it takes leave of its agents when it is stopped, at most (default: 5s)',
      },
      'stale-timeout': {
        type: 'text',
        value: '<duration>',
        help: 'silence after which a v1 client is asked (default: 15m; also CLOUDBRAIN_STALE_TIMEOUT, in minutes)',
      },
      'grace-period': {
        type: 'text',
        value: '<duration>',
        help: 'how long it has to answer (default: 2m; also CLOUDBRAIN_GRACE_PERIOD, in minutes)',
      },
      'max-sleep-time': {
        type: 'text',
        value: '<duration>',
        help: 'how long it may sleep then (default: 60m; also CLOUDBRAIN_MAX_SLEEP_TIME, in minutes)',
      },
    },
    examples: ['perdura hub run', 'perdura hub run --port 0', 'perdura hub run --drain 30s'],
    load: () => import('./hub-run.ts'),
  },
  {
    name: 'hub start',
    summary: 'have the daemon keep the hub of this home running, in the background',
    arguments: '',
    takes: [0, 0],
    options: {
      port: {
        type: 'text',
        value: '<port>',
        help: 'port; 0 takes any, and keeps it (default: that of the last time, or 8767)',
      },
    },
    load: () => import('./hub-start.ts'),
  },
  {
    name: 'hub stop',
    summary: 'stop the hub that the daemon keeps running',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./hub-stop.ts'),
  },
  {
    name: 'hub restart',
    summary: 'restart the hub that the daemon keeps running',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./hub-restart.ts'),
  },
  {
    name: 'hub status',
    summary: 'show whether the hub of this home runs, and what waits at it',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./hub-status.ts'),
  },
  {
    name: 'hub agents',
    summary: 'list the agents that the hub of this home knows',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./hub-agents.ts'),
  },
  {
    name: 'hub revoke',
    summary: 'end all logins of an agent at the hub of this home',
    arguments: '<agent>',
    takes: [1, 1],
    options: { off: { type: 'boolean', help: 'switch it off too: nobody can log in as it, or send to it' } },
    examples: ['perdura hub revoke Ada', 'perdura hub revoke Ada --off'],
    load: () => import('./hub-revoke.ts'),
  },
  {
    name: 'hub allow',
    summary: 'switch an agent on again that was switched off',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    load: () => import('./hub-allow.ts'),
  },
]
