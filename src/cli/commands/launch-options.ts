import type { OptionSpec } from '../command.ts'
import { despiteMove } from './session-verbs.ts'

const port = {
  type: 'text',
  value: '<port>',
  help: 'port of the HTTP ingress on loopback; 0 takes any (default: 8760, or any where that is taken)',
} as const satisfies OptionSpec

const name = {
  type: 'text',
  value: '<Name>',
  help: 'run under this name instead of the one that the definition has',
} as const satisfies OptionSpec

const hub = {
  type: 'text',
  value: '<URL>',
  help: 'the hub to be at, such as http://127.0.0.1:8767, or several addresses of it, with commas (also: PERDURA_HUB; default: that of the last time, or of this home if it runs)',
} as const satisfies OptionSpec

/** What CloudBrain's agents take. */
const cloudbrain = {
  server: {
    type: 'text',
    value: '<URL>',
    help: 'the same as --hub, as CloudBrain has it: ws://127.0.0.1:8768 (also: CLOUDBRAIN_SERVER, CLOUDBRAIN_REST_API)',
  },
  'max-reconnect': {
    type: 'text',
    value: '<n>',
    help: 'attempts in a row to reach the hub, after which it waits to be asked (also: MAX_RECONNECT_ATTEMPTS; default: no end)',
  },
  'reconnect-delay': {
    type: 'text',
    value: '<duration>',
    help: 'unit of the growing delays between them, also in seconds (also: BASE_RECONNECT_DELAY; default: 1s)',
  },
  'heartbeat-interval': {
    type: 'text',
    value: '<duration>',
    help: 'how long the connection may be quiet until it is tried, also in seconds (also: HEARTBEAT_INTERVAL; default: 10s)',
  },
} as const satisfies Record<string, OptionSpec>

const noHub = { type: 'boolean', help: 'be at no hub' } as const satisfies OptionSpec

const takeover = {
  type: 'boolean',
  help: 'take the session at the hub from whichever process has it',
} as const satisfies OptionSpec

export const trustNewHub = {
  type: 'boolean',
  help: 'accept that another hub than before is at this address: the old one is gone for good',
} as const satisfies OptionSpec

/** How an agent is started, by whichever verb. */
export const launch = {
  port,
  name,
  hub,
  'no-hub': noHub,
  takeover,
  'trust-new-hub': trustNewHub,
  ...cloudbrain,
  'despite-move': despiteMove,
} as const satisfies Record<string, OptionSpec>
