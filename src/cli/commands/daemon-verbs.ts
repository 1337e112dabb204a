import type { CommandSpec } from '../command.ts'

/** The verbs of `perdura daemon`. */
export const daemonVerbs: readonly CommandSpec[] = [
  {
    name: 'daemon run',
    summary: 'keep the agents of this home running, in this process',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./daemon-run.ts'),
  },
  {
    name: 'daemon start',
    summary: 'start the daemon in the background, and with it the agents that ran before',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./daemon-start.ts'),
  },
  {
    name: 'daemon stop',
    summary: 'stop the daemon and the agents that it keeps running',
    arguments: '',
    takes: [0, 0],
    options: { 'keep-agents': { type: 'boolean', help: 'let the agents go on, for the next daemon' } },
    load: () => import('./daemon-stop.ts'),
  },
  {
    name: 'daemon restart',
    summary: 'replace the daemon, by one of another version too; its agents go on',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./daemon-restart.ts'),
  },
  {
    name: 'daemon status',
    summary: 'show whether the daemon runs',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./daemon-status.ts'),
  },
]
