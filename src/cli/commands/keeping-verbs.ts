import type { CommandSpec, OptionSpec } from '../command.ts'
import { agentsMax, all } from './all-option.ts'
import { launch } from './launch-options.ts'

/** How the daemon keeps what it starts. */
const keeping = {
  restart: {
    type: 'text',
    value: '<policy>',
    help: 'when a process that ended is started again: always, on-failure or never (default: always)',
  },
  'memory-max': {
    type: 'text',
    value: '<size>',
    help: 'memory above which it is restarted, such as 512MiB (default: as the settings say)',
  },
  'stop-timeout': {
    type: 'text',
    value: '<duration>',
    help: 'how long it may take to stop before it is killed, from 1s to 1h (default: as the settings say)',
  },
  // Not --env-file: Node takes that for itself, wherever it stands.
  'environment-file': {
    type: 'text',
    value: '<file>',
    help: 'a file of lines NAME=value, added to its environment at each start',
  },
} as const satisfies Record<string, OptionSpec>

/** The verbs by which agents are kept running in the background. */
export const keepingVerbs: readonly CommandSpec[] = [
  {
    name: 'start',
    summary: 'have the daemon keep agents running, in the background; it is started where none runs',
    arguments: '[agent|file…]',
    takes: [0, agentsMax],
    options: { ...launch, ...keeping, all },
    examples: ['perdura start', 'perdura start ./ada.ts', 'perdura start Ada Bo'],
    load: () => import('./start.ts'),
  },
  {
    name: 'stop',
    summary: 'stop running agents, and whatever keeps them running',
    arguments: '<agent…>',
    takes: [0, agentsMax],
    options: { all },
    examples: ['perdura stop Ada', 'perdura stop --all'],
    load: () => import('./stop.ts'),
  },
  {
    name: 'restart',
    summary: 'let agents finish what they are doing, and start them anew',
    arguments: '<agent…>',
    takes: [0, agentsMax],
    options: { all },
    load: () => import('./restart.ts'),
  },
  {
    name: 'reload',
    summary: 'have running agents read their settings again',
    arguments: '<agent…>',
    takes: [0, agentsMax],
    options: { all },
    load: () => import('./reload.ts'),
  },
]
