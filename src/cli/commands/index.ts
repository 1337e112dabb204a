import type { CommandSpec, OptionSpec } from '../command.ts'
import { agentsMax, all } from './all-option.ts'
import { limit } from './limit-option.ts'
import { daemonVerbs } from './daemon-verbs.ts'
import { hubVerbs } from './hub-verbs.ts'
import { keepingVerbs } from './keeping-verbs.ts'
import { launch, trustNewHub } from './launch-options.ts'
import { queueVerbs } from './queue-verbs.ts'
import { serviceVerbs } from './service-verbs.ts'
import { backupVerbs } from './backup-verbs.ts'
import { sessionVerbs } from './session-verbs.ts'
import { tokenVerbs } from './token-verbs.ts'

const as = {
  type: 'text',
  value: '<name>',
  help: 'who you are at the hub (default: your name on this system)',
} as const satisfies OptionSpec

/** Every verb, in the order in which the help shows them. docs/reference/cli.md is tested against this table. */
export const commands: readonly CommandSpec[] = [
  {
    name: 'new',
    summary: 'write a working example of an agent to start from',
    arguments: '<Name>',
    takes: [1, 1],
    options: {
      dir: { type: 'text', value: '<folder>', help: 'folder to write it to (default: the current one)' },
    },
    examples: ['perdura new Ada'],
    load: () => import('./new.ts'),
  },
  {
    name: 'up',
    summary: 'keep an agent running in the foreground, or a hub and two agents, with a live view',
    arguments: '[agent|file]',
    takes: [0, 1],
    options: launch,
    examples: ['perdura up', 'perdura up ./ada.ts'],
    load: () => import('./up.ts'),
  },
  {
    name: 'run',
    summary: 'run an agent in this process, without a supervisor',
    arguments: '[agent|file]',
    takes: [0, 1],
    options: {
      ...launch,
      greet: {
        type: 'text',
        value: '<Name>',
        help: 'agent that a reflex agent asks for a report after each start',
      },
      drain: {
        type: 'text',
        value: '<duration>',
        help: 'time that turns have to finish, and what they send to go out, when it is stopped (default: stop_timeout of the settings, less 5s)',
      },
      'safe-mode': {
        type: 'boolean',
        help: 'with its mind off: its code is not loaded and no turn is begun; it takes in, sends, and can be looked at',
      },
    },
    examples: ['perdura run ./ada.ts --port 9000'],
    load: () => import('./run.ts'),
  },
  {
    name: 'profile',
    summary: 'see where an agent spends its processor time, or what its memory holds',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      cpu: {
        type: 'text',
        value: '<duration>',
        help: 'look where processor time goes, for so long: 100ms to 10m',
      },
      heap: {
        type: 'boolean',
        help: 'take a snapshot of the memory; it holds secrets, and the agent stands still',
      },
      out: {
        type: 'text',
        value: '<file>',
        help: 'the file to write, which must not exist (default: <agent>-<time> here)',
      },
    },
    examples: ['perdura profile Ada --cpu 30s', 'perdura profile Ada --heap --out ada.heapsnapshot'],
    load: () => import('./profile.ts'),
  },
  {
    name: 'send',
    summary: 'give an agent a message; on disk when this returns',
    arguments: '[agent] <text>',
    takes: [1, 1_000],
    options: {
      wait: { type: 'boolean', short: 'w', help: 'wait until it has been handled, and print the replies' },
      id: {
        type: 'text',
        value: '<id>',
        help: 'the same id again is the same message (default: a new UUID)',
      },
      from: { type: 'text', value: '<name>', help: 'who it is from, and where replies go (default: you)' },
      conversation: { type: 'text', value: '<name>', help: 'what it belongs to (default: the sender)' },
      to: {
        type: 'text',
        value: '<agent>',
        help: 'have the agent send it to this other one; with --wait, until it is delivered or refused',
      },
      priority: {
        type: 'text',
        value: '<priority>',
        help: 'with --to: high, normal or low (default: normal)',
      },
      ttl: {
        type: 'text',
        value: '<duration>',
        help: 'with --to: not sent by then, it expires (default: the bound of the outbox, 30 days)',
      },
      hub: {
        type: 'text',
        value: '<URL>',
        help: 'send it to --to yourself, through this hub; without the first argument',
      },
      as,
      'trust-new-hub': trustNewHub,
    },
    examples: [
      'perdura send Ada "remember that the key is under the mat" --wait',
      'echo hello | perdura send Ada -',
      'perdura send Ada "the tea is ready" --to Bo --wait',
    ],
    load: () => import('./send.ts'),
  },
  {
    name: 'chat',
    summary: 'talk with an agent; shows what it has to say as it comes',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      hub: {
        type: 'text',
        value: '<URL>',
        help: 'through this hub, with an agent that may be anywhere (default: with one of this home)',
      },
      as,
      'trust-new-hub': trustNewHub,
    },
    load: () => import('./chat.ts'),
  },
  {
    name: 'status',
    summary: 'show how one agent stands, or several, or all with the hub and the daemon',
    arguments: '[agent…]',
    takes: [0, agentsMax],
    options: { all },
    load: () => import('./status.ts'),
  },
  {
    name: 'health',
    summary:
      'how agents and the hub find themselves, how much of the time they were there, and what kept them from it',
    arguments: '[agent…|hub]',
    takes: [0, agentsMax],
    options: {
      all,
      since: { type: 'text', value: '<duration>', help: 'how far back to look (default: 24h)' },
    },
    examples: ['perdura health', 'perdura health Ada --since 7d', 'perdura health hub'],
    load: () => import('./health.ts'),
  },
  {
    name: 'top',
    summary: 'watch what agents, the hub and the daemon take and do',
    arguments: '[agent…]',
    takes: [0, agentsMax],
    options: {
      all,
      interval: { type: 'text', value: '<duration>', help: 'time between two looks (default: 2s)' },
      count: { type: 'text', short: 'n', value: '<n>', help: 'end after so many looks (default: no end)' },
      sort: {
        type: 'text',
        value: '<figure>',
        help: 'name, cpu, memory, queue or restarts, the most first (default: name)',
      },
    },
    examples: ['perdura top', 'perdura top Ada --json -n 1'],
    load: () => import('./top.ts'),
  },
  {
    name: 'why',
    summary: 'explain why an agent is not doing something',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      turn: { type: 'text', value: '<turn>', help: 'where this turn stands, and what it sent' },
    },
    load: () => import('./why.ts'),
  },
  {
    name: 'logs',
    summary: 'print the logs of agents, the hub and the daemon, put together by time',
    arguments: '[agent…|hub|daemon]',
    takes: [0, agentsMax],
    options: {
      all,
      lines: { type: 'text', short: 'n', value: '<n>', help: 'how many of the last lines (default: 50)' },
      follow: { type: 'boolean', short: 'f', help: 'go on with what is written from now on' },
      level: {
        type: 'text',
        value: '<level>',
        help: 'only debug, info, warn or error and above (default: debug)',
      },
      since: {
        type: 'text',
        value: '<time>',
        help: 'what was logged since then: so long ago (2h), or a time such as 2026-11-28T09:30',
      },
      output: { type: 'boolean', help: 'instead of the log, what its processes wrote to no log' },
    },
    examples: ['perdura logs Ada -f', 'perdura logs Ada hub --since 2h --level warn'],
    load: () => import('./logs.ts'),
  },
  {
    name: 'state show',
    summary: 'print the state of an agent',
    arguments: '<agent>',
    takes: [1, 1],
    options: {},
    load: () => import('./state-show.ts'),
  },
  ...queueVerbs,
  ...backupVerbs,
  ...sessionVerbs,
  ...tokenVerbs,
  {
    name: 'turn list',
    summary: 'list turns, the newest first',
    arguments: '<agent>',
    takes: [1, 1],
    options: {
      status: { type: 'text', value: '<status>', help: 'only pending, running, parked, done or dead ones' },
      conversation: { type: 'text', value: '<name>', help: 'only those of one conversation' },
      limit,
    },
    load: () => import('./turn-list.ts'),
  },
  {
    name: 'turn show',
    summary: 'show everything that is on record about a turn',
    arguments: '<agent> <turn>',
    takes: [2, 2],
    options: {},
    load: () => import('./turn-show.ts'),
  },
  {
    name: 'turn resolve',
    summary: 'decide what became of an effect whose outcome nobody knows',
    arguments: '<agent> <turn> <effect>',
    takes: [3, 3],
    options: {
      done: { type: 'boolean', help: 'it happened: the turn goes on with its result' },
      'not-done': { type: 'boolean', help: 'it did not happen: it is done now' },
      result: { type: 'text', value: '<json>', help: 'what it returned, with --done (default: null)' },
    },
    examples: ['perdura turn resolve Ada 12 charge --done --result \'{"amount":10}\''],
    load: () => import('./turn-resolve.ts'),
  },
  {
    name: 'turn retry',
    summary: 'put a dead letter back into the inbox',
    arguments: '<agent> <turn>',
    takes: [2, 2],
    options: {},
    load: () => import('./turn-retry.ts'),
  },
  ...keepingVerbs,
  {
    name: 'pause',
    summary: 'let agents take messages in without handling them, until they are resumed',
    arguments: '<agent…>',
    takes: [0, agentsMax],
    options: { all },
    examples: ['perdura pause Ada Bo', 'perdura pause --all'],
    load: () => import('./pause.ts'),
  },
  {
    name: 'resume',
    summary: 'let agents go on with what waits in their inbox',
    arguments: '<agent…>',
    takes: [0, agentsMax],
    options: { all },
    load: () => import('./resume.ts'),
  },
  ...daemonVerbs,
  ...hubVerbs,
  ...serviceVerbs,
  {
    name: 'version',
    summary: 'print the version',
    arguments: '',
    takes: [0, 0],
    options: {},
    load: () => import('./version.ts'),
  },
]
