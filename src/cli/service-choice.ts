import { join } from 'node:path'
import { createNodeServiceHost, type ServiceHost } from '../daemon/service/host.ts'
import { Launchd } from '../daemon/service/launchd.ts'
import { isPassing, lastingPath } from '../daemon/service/paths.ts'
import type { ServiceManager, StopPatience } from '../daemon/service/service-manager.ts'
import {
  checkPaths,
  isServiceName,
  stopSecondsOf,
  type Account,
  type Installed,
  type ServiceScope,
  type ServiceSpec,
} from '../daemon/service/spec.ts'
import { Systemd } from '../daemon/service/systemd.ts'
import { PerduraError } from '../errors.ts'
import type { Call } from './call.ts'
import { longestStopMs, stopTimesOf, usualStopTimes } from './stop-times.ts'

/** One service, as a verb means it. */
export interface Service {
  readonly host: ServiceHost
  readonly manager: ServiceManager
  readonly scope: ServiceScope
  readonly name: string
  readonly account: Account
  /** Of Perdura. */
  readonly home: string
  /** What is installed; undefined where nothing is. */
  readonly installed: Installed | undefined
}

/** What the verb is about to do: only look, change what is there, or make it. */
export type ServiceUse = 'look' | 'change' | 'make'

/**
 * Finds out which service is meant: of this person, or with `--system`, and always for root, of the machine. Throws ERR_USAGE
 * where the person who asks cannot have that, and ERR_SERVICE_CONFLICT where the name is somebody else's.
 */
export async function chooseService(
  call: Call,
  use: ServiceUse,
  host: ServiceHost = createNodeServiceHost(),
): Promise<Service> {
  const name = call.text('name') ?? 'perdura'
  if (!isServiceName(name)) {
    throw new PerduraError(
      'ERR_USAGE',
      `${JSON.stringify(name)} cannot be the name of a service: use 1 to 61 letters, digits, "-" or "_"`,
    )
  }
  const scope = chooseScope(call, host, use)
  const self = await requireAccount(host)
  const found = openManager(host, call, scope, name, self)
  const text = found.installedText()
  const installed = text === undefined ? undefined : found.read(text)
  if (installed === null) {
    throw new PerduraError(
      'ERR_SERVICE_CONFLICT',
      `${found.file} was not written by Perdura, and is left alone: choose another name with --name, or move the file away`,
      { details: { file: found.file } },
    )
  }
  const account = scope === 'user' ? self : await chooseAccount(call, host, installed, self, use)
  const home = chooseHome(call, scope, account, installed)
  if (installed !== undefined && installed.home !== home) {
    throw new PerduraError(
      'ERR_SERVICE_CONFLICT',
      `${found.file} is for the agents in ${installed.home}, not for those in ${home}: choose another name with --name, or ` +
        `uninstall that one first`,
      { details: { file: found.file, home: installed.home } },
    )
  }
  const manager = account === self ? found : openManager(host, call, scope, name, account)
  return { host, manager, scope, name, account, home, installed }
}

/** The same for what is there; ERR_SERVICE_NOT_INSTALLED where nothing is. */
export async function requireService(call: Call, host?: ServiceHost): Promise<Service> {
  const service = await chooseService(call, 'change', host)
  if (service.installed !== undefined) return service
  throw new PerduraError(
    'ERR_SERVICE_NOT_INSTALLED',
    `${service.manager.file} is not there: ${call.hint('perdura service install')} makes it`,
    { details: { file: service.manager.file } },
  )
}

/** What would be installed now. */
export function specOf(call: Call, service: Service): ServiceSpec {
  const { host, scope, name, home, account } = service
  const program = process.argv[1] ?? ''
  if (isPassing(program)) {
    throw new PerduraError(
      'ERR_USAGE',
      `this Perdura is in the cache of npx (${program}), which npm empties as it likes: npm install --global perdura, and then ` +
        'perdura service install',
    )
  }
  const spec: ServiceSpec = {
    scope,
    name,
    home,
    account,
    node: lastingPath(process.execPath, host),
    program: lastingPath(program, host),
    stopSeconds: stopSecondsFor(call, service),
  }
  checkPaths(spec)
  return spec
}

/** As its agents are kept now; where that cannot be told, as it was installed. */
function stopSecondsFor(call: Call, { home, installed }: Service): number {
  const times = stopTimesOf(call.in(home))
  return times === undefined && installed !== undefined
    ? installed.stopSeconds
    : stopSecondsOf(times ?? usualStopTimes)
}

/** How long to wait for the service to stop: longer than its manager does, by its file or as that is to be. */
export function stopPatience(call: Call, service: Service): StopPatience {
  const seconds = Math.max(service.installed?.stopSeconds ?? 0, stopSecondsFor(call, service))
  return {
    timeoutMs: call.durationMs('timeout', (seconds + stopMarginSeconds) * 1_000),
    leftOverMs: longestStopMs(call.in(service.home)),
  }
}

/** For what the manager itself takes. */
const stopMarginSeconds = 10

function chooseScope(call: Call, host: ServiceHost, use: ServiceUse): ServiceScope {
  const isRoot = host.uid === 0
  if (!call.flag('system')) {
    if (!isRoot) return 'user'
    if (use !== 'make') return 'system'
    throw new PerduraError(
      'ERR_USAGE',
      'as root there is a choice to make: a service of the machine with --system (and --run-as <user>), or without sudo one of yours',
    )
  }
  if (isRoot || use === 'look') return 'system'
  throw new PerduraError(
    'ERR_USAGE',
    `a service of the machine takes root: sudo ${process.execPath} ${process.argv[1] ?? 'perdura'} ${process.argv.slice(2).join(' ')}`,
  )
}

async function requireAccount(host: ServiceHost, name?: string): Promise<Account> {
  const account = await host.account(name)
  if (account !== undefined) return account
  throw new PerduraError('ERR_USAGE', `there is no user ${JSON.stringify(name ?? '')} on this machine`)
}

/** Whose processes the agents are: root's only where that was said, since they do what others tell them. */
async function chooseAccount(
  call: Call,
  host: ServiceHost,
  installed: Installed | undefined,
  self: Account,
  use: ServiceUse,
): Promise<Account> {
  const sudo = host.environment['SUDO_USER']
  const caller = sudo === undefined || sudo === 'root' || sudo === '' ? undefined : sudo
  const name = call.text('run-as') ?? installed?.account ?? caller
  if (name !== undefined) return await requireAccount(host, name)
  if (use !== 'make' || host.uid !== 0) return self
  throw new PerduraError(
    'ERR_USAGE',
    'say whose processes the agents are to be: --run-as <user>, such as an account made for them (useradd --create-home perdura)',
  )
}

function chooseHome(
  call: Call,
  scope: ServiceScope,
  account: Account,
  installed: Installed | undefined,
): string {
  const isExplicit = call.text('home') !== undefined || (call.environment['PERDURA_HOME'] ?? '') !== ''
  if (isExplicit) return call.home
  if (installed !== undefined) return installed.home
  // What root's own environment says is about root's agents.
  return scope === 'user' ? call.home : join(account.home, '.local', 'state', 'perdura')
}

export function openManager(
  host: ServiceHost,
  call: Call,
  scope: ServiceScope,
  name: string,
  account: Account,
): ServiceManager {
  return host.platform === 'darwin'
    ? new Launchd({ host, scope, name, account })
    : new Systemd({ host, scope, name, account, processes: call.processes })
}
