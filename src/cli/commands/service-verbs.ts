import type { CommandSpec, OptionSpec } from '../command.ts'

const which = {
  system: { type: 'boolean', help: 'the service of the machine, which starts with it; takes root' },
  name: { type: 'text', value: '<name>', help: 'what the service is called (default: perdura)' },
} as const satisfies Record<string, OptionSpec>

const runAs = {
  type: 'text',
  value: '<user>',
  help: 'with --system: whose processes the agents are (default: who called sudo)',
} as const satisfies OptionSpec

/** The verbs of `perdura service`. */
export const serviceVerbs: readonly CommandSpec[] = [
  {
    name: 'service install',
    summary: 'have the machine keep the agents of this home running, from now on',
    arguments: '',
    takes: [0, 0],
    options: {
      ...which,
      'run-as': runAs,
      linger: { type: 'boolean', help: 'also while you are not logged in (loginctl enable-linger)' },
      'no-linger': { type: 'boolean', help: 'only while you are logged in, without being asked' },
      'no-start': { type: 'boolean', help: 'start it only with the machine, not now' },
    },
    examples: ['perdura service install --linger', 'sudo perdura service install --system --run-as ada'],
    load: () => import('./service-install.ts'),
  },
  {
    name: 'service uninstall',
    summary: 'stop the service, and take away all that install made',
    arguments: '',
    takes: [0, 0],
    options: which,
    load: () => import('./service-uninstall.ts'),
  },
  {
    name: 'service start',
    summary: 'start the service; done when its agents are started',
    arguments: '',
    takes: [0, 0],
    options: which,
    load: async () => ({ run: (await import('./service-control.ts')).start }),
  },
  {
    name: 'service stop',
    summary: 'stop the service with all its agents, until it is started or the machine is',
    arguments: '',
    takes: [0, 0],
    options: which,
    load: async () => ({ run: (await import('./service-control.ts')).stop }),
  },
  {
    name: 'service restart',
    summary: 'stop the service with all its agents, and start them again',
    arguments: '',
    takes: [0, 0],
    options: which,
    load: async () => ({ run: (await import('./service-control.ts')).restart }),
  },
  {
    name: 'service status',
    summary: 'show how the service is, and what of it is not as it would be installed now',
    arguments: '',
    takes: [0, 0],
    options: which,
    load: () => import('./service-status.ts'),
  },
  {
    name: 'service print',
    summary: 'print the file that install would write, and write nothing',
    arguments: '',
    takes: [0, 0],
    options: { ...which, 'run-as': runAs },
    load: () => import('./service-print.ts'),
  },
  {
    name: 'service sweep',
    summary:
      'what the unit itself runs after its daemon has ended: ends what is left, if it is being stopped',
    arguments: '',
    takes: [0, 0],
    options: which,
    load: () => import('./service-sweep.ts'),
  },
]
