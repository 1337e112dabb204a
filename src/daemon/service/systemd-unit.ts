import path from 'node:path'
import { serviceDescriptorName } from '../../platform/service-notifier.ts'
import { formatMark, serviceVariable } from './mark.ts'
import { argument, pattern, plain, program, word } from './unit-text.ts'
import {
  installedOf,
  parseInstalled,
  searchPath,
  startSeconds,
  type Account,
  type Installed,
  type ServiceScope,
  type ServiceSpec,
} from './spec.ts'

/** A directive, and since which version of systemd there is one of its name; older ones would warn at every start. */
type Directive = readonly [name: string, value: string, since?: number]

/**
 * The unit of a service. `version` is that of the machine's systemd. docs/design/service.md says why each line is as it is.
 */
export function systemdUnit(spec: ServiceSpec, version: number): string {
  const { scope, account } = spec
  const own = scope === 'user'
  const control = own ? '--user ' : ''
  const unit: Directive[] = [
    ['Description', plain(`Perdura, which keeps the agents in ${spec.home} running`)],
    ...(own
      ? []
      : ([
          // For the order at the end: agents say goodbye while there is a network.
          ['After', 'network.target'],
          ['RequiresMountsFor', word(spec.home)],
        ] as const)),
    // It never gives up: no number of failures within a time ends the trying, it only becomes slower.
    ['StartLimitIntervalSec', '0'],
  ]
  const service: Directive[] = [
    ...manner(spec, version),
    [
      'Environment',
      `${word(`PATH=${searchPath(spec)}`)} ${serviceVariable}=${formatMark({ manager: 'systemd', scope, name: spec.name })}`,
    ],
    ['EnvironmentFile', `-${pattern(environmentFile(spec.home))}`],
    ['WorkingDirectory', plain(spec.home)],
    ...(own ? [] : ([['User', plain(account.name)]] as const)),
    ['UMask', '0077'],
    ['LimitNOFILE', '65536'],
    // A core has keys and tokens in it.
    ['LimitCORE', '0'],
    ...(own ? [] : ([['ImportCredential', 'perdura-key', 254]] as const)),
    ['SyslogIdentifier', spec.name],
    ...(own ? confinement : [...confinement, ...systemConfinement(spec.home)]),
  ]
  return [
    '# Written by `perdura service install`, which replaces it when it is run again: what you want otherwise belongs into a',
    `# file beside it (systemctl ${control}edit ${spec.name}).`,
    section('Unit', unit, version),
    section('Service', service, version),
    section('Install', [['WantedBy', own ? 'default.target' : 'multi-user.target']], version),
    // Not for systemd, which passes over sections of this kind.
    section('X-Perdura', [['Installed', JSON.stringify(installedOf(spec))]], version),
  ].join('\n')
}

/** How it is started, watched, reloaded and ended. */
function manner(spec: ServiceSpec, version: number): Directive[] {
  const { scope, name, home, stopSeconds } = spec
  const run = (...words: string[]): string =>
    [program(spec.node), ...[spec.program, ...words].map(argument)].join(' ')
  const byDescriptor = scope === 'system' && version >= 253
  return [
    ['Type', version >= 253 ? 'notify-reload' : 'notify'],
    ['NotifyAccess', byDescriptor ? 'main' : 'all'],
    ...(byDescriptor ? ([['OpenFile', `/run/systemd/notify:${serviceDescriptorName}`]] as const) : []),
    ['ExecStart', run('daemon', 'run', '--home', home)],
    ...(version >= 253 ? [] : ([['ExecReload', "/bin/sh -c 'kill -HUP $MAINPID'"]] as const)),
    [
      'ExecStopPost',
      `-${run('service', 'sweep', '--home', home, '--name', name, ...(scope === 'system' ? ['--system'] : []))}`,
    ],
    // Agents outlive their daemon, and the next one takes them over. A stop leaves nothing all the same: the daemon ends
    // them, and where it could not, ExecStopPost does.
    ['KillMode', 'process'],
    ['TimeoutStartSec', String(startSeconds)],
    ['TimeoutStopSec', String(stopSeconds)],
    // After the watchdog has found that it hangs, it is not to be waited for.
    ['TimeoutAbortSec', '5', 243],
    ['WatchdogSec', '30'],
    ['Restart', 'always'],
    ['RestartPreventExitStatus', '78'],
    // The count of steps is never taken back by systemd, so their end is where a daemon that has failed ten times in a year is.
    ...(version >= 254
      ? ([
          ['RestartSec', '100ms'],
          ['RestartSteps', '10'],
          ['RestartMaxDelaySec', '10s'],
        ] as const)
      : ([['RestartSec', '2s']] as const)),
    // One agent that took all the memory is no reason to stop the others.
    ['OOMPolicy', 'continue', 243],
  ]
}

/** What holds without rights of any kind, so in the manager of a person too. */
const confinement: readonly Directive[] = [
  ['NoNewPrivileges', 'yes'],
  ['LockPersonality', 'yes'],
  ['RestrictRealtime', 'yes'],
  ['RestrictSUIDSGID', 'yes', 242],
  ['SystemCallArchitectures', 'native'],
]

/**
 * What agents need is left: the JIT of Node (so no MemoryDenyWriteExecute), name spaces and chroot (the sandbox of a
 * browser), /tmp (control sockets of agents with a long path, which the command line looks for there), /proc as everybody has it
 * (processes are known by it, and in a container another one of it has another boot), the code of agents in somebody's home to
 * read, and the network.
 */
function systemConfinement(home: string): Directive[] {
  return [
    ['CapabilityBoundingSet', ''],
    ['AmbientCapabilities', ''],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'read-only'],
    ['ReadWritePaths', `${word(home)} /tmp /var/tmp`],
    ['PrivateDevices', 'yes'],
    ['ProtectClock', 'yes', 245],
    ['ProtectHostname', 'yes', 242],
    ['ProtectKernelModules', 'yes'],
    ['ProtectKernelLogs', 'yes', 244],
    ['RestrictAddressFamilies', 'AF_UNIX AF_INET AF_INET6 AF_NETLINK'],
    ['SystemCallFilter', '~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap'],
    ['SystemCallErrorNumber', 'EPERM'],
  ]
}

/** Variables for the daemon and its agents, such as keys of model providers; nobody has to write it. */
function environmentFile(home: string): string {
  return `${home}/service.env`
}

/** Where the units of that scope are that people write. */
export function unitFolder(
  scope: ServiceScope,
  account: Account,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  if (scope === 'system') return '/etc/systemd/system'
  const configured = environment['XDG_CONFIG_HOME']
  const config = configured?.startsWith('/') === true ? configured : path.join(account.home, '.config')
  return path.join(config, 'systemd', 'user')
}

/** What a unit of ours was made from; null for a unit of somebody else. */
export function readUnit(text: string): Installed | null {
  const line = /^\[X-Perdura\]\nInstalled=(\{.*\})$/m.exec(text)?.[1]
  return line === undefined ? null : parseInstalled(line)
}

function section(title: string, directives: readonly Directive[], version: number): string {
  const known = directives.filter(([, , since = 0]) => version >= since)
  return [`[${title}]`, ...known.map(([name, value]) => `${name}=${value}`), ''].join('\n')
}
