import path from 'node:path'
import { PerduraError } from '../../errors.ts'
import type { ProcessTable } from '../../platform/process-table.ts'
import type { ProgramEnd, ServiceHost } from './host.ts'
import { processesIn, sweep } from './left-over.ts'
import type { ServiceManager, ServiceState, StopPatience } from './service-manager.ts'
import type { Account, Installed, ServiceScope, ServiceSpec } from './spec.ts'
import { readUnit, systemdUnit, unitFolder } from './systemd-unit.ts'

export interface SystemdOptions {
  readonly host: ServiceHost
  readonly processes: ProcessTable
  readonly scope: ServiceScope
  readonly name: string
  /** Whose service it is. */
  readonly account: Account
}

/** Says on a machine that runs under systemd that it does; see sd_booted(3). */
const bootedFolder = '/run/systemd/system'
const lingerFolder = '/var/lib/systemd/linger'
/** The manager has its own deadlines; ours are for a manager that does not answer. */
const marginMs = 10_000

const properties = [
  'ActiveState',
  'SubState',
  'Result',
  'StateChangeTimestampMonotonic',
  'NRestarts',
  'MainPID',
  'UnitFileState',
  'StatusText',
  'ControlGroup',
  'DropInPaths',
  'NeedDaemonReload',
] as const

export class Systemd implements ServiceManager {
  readonly kind = 'systemd'
  readonly unit: string
  readonly file: string
  readonly logs: string
  readonly #options: SystemdOptions
  #version: number | undefined

  constructor(options: SystemdOptions) {
    const { scope, name, account, host } = options
    this.#options = options
    this.unit = `${name}.service`
    this.file = path.join(unitFolder(scope, account, host.environment), this.unit)
    this.logs = `journalctl ${scope === 'user' ? '--user ' : ''}-u ${name}`
  }

  async check(): Promise<void> {
    const { host, scope, account } = this.#options
    if (!host.exists(bootedFolder)) throw notBooted(host)
    if (scope !== 'user' || this.#runtimeFolder() !== undefined) return
    throw new PerduraError(
      'ERR_SERVICE_BUS',
      `systemd runs no manager for ${account.name}, which it does for whoever is logged in (su and sudo are no logins): log in over ssh or ` +
        `at the console, or have one run always with sudo loginctl enable-linger ${account.name}`,
    )
  }

  async render(spec: ServiceSpec): Promise<string> {
    return systemdUnit(spec, await this.#readVersion())
  }

  installedText(): string | undefined {
    return this.#options.host.read(this.file)
  }

  read(text: string): Installed | null {
    return readUnit(text)
  }

  async place(text: string): Promise<void> {
    this.#options.host.write(this.file, text)
    await this.#control(['daemon-reload'])
  }

  async enable(): Promise<boolean> {
    const before = await this.state()
    if (before.enabled) return false
    await this.#control(['enable', this.unit])
    return true
  }

  async start(timeoutMs: number): Promise<void> {
    await this.#readAgain()
    await this.#control(['start', this.unit], timeoutMs)
  }

  async restart(timeoutMs: number): Promise<void> {
    await this.#readAgain()
    await this.#control(['restart', this.unit], timeoutMs)
  }

  async stop({ timeoutMs, leftOverMs }: StopPatience): Promise<void> {
    // A daemon that is dead and waits to be started again ends no agents, and neither does the manager.
    const group = (await this.#show())['ControlGroup']
    await this.#control(['stop', this.unit], timeoutMs)
    const { host, processes } = this.#options
    if (group !== undefined && group !== '') await sweep(host, processes, group, leftOverMs)
  }

  async remove(patience: StopPatience): Promise<void> {
    const { host } = this.#options
    await this.stop(patience)
    if ((await this.state()).enabled) await this.#control(['disable', this.unit])
    host.remove(this.file)
    await this.#control(['daemon-reload'])
    // A unit that failed is kept in memory for people to see; one that did not is not known, which is fine.
    await this.#systemctl(['reset-failed', this.unit])
  }

  async linger(): Promise<void> {
    const { host, account } = this.#options
    const end = await host.run('loginctl', ['enable-linger', account.name])
    if (end.status === 0) return
    throw new PerduraError(
      'ERR_SERVICE_MANAGER',
      `lingering could not be switched on (${firstLine(end)}): run sudo loginctl enable-linger ${account.name}`,
    )
  }

  async state(): Promise<ServiceState> {
    const { host, scope, account } = this.#options
    const shown = await this.#show()
    const pid = Number(shown['MainPID'] ?? 0)
    const group = shown['ControlGroup'] ?? ''
    const changedUs = Number(shown['StateChangeTimestampMonotonic'] ?? 0)
    const nowUs = Number(process.hrtime.bigint() / 1_000n)
    return {
      state: shown['ActiveState'] ?? 'unknown',
      detail: detailOf(shown),
      running: shown['ActiveState'] === 'active' || shown['ActiveState'] === 'reloading',
      since: changedUs > 0 ? Math.round(Date.now() - (nowUs - changedUs) / 1_000) : null,
      pid: pid > 0 ? pid : null,
      restarts: /^\d+$/.test(shown['NRestarts'] ?? '') ? Number(shown['NRestarts']) : null,
      enabled: shown['UnitFileState'] === 'enabled',
      lingers: scope === 'user' ? host.exists(path.join(lingerFolder, account.name)) : null,
      said: (shown['StatusText'] ?? '') === '' ? null : (shown['StatusText'] ?? null),
      dropIns: (shown['DropInPaths'] ?? '').split(' ').filter((file) => file !== ''),
      leftOver: pid > 0 || group === '' ? [] : processesIn(host, group),
      stale: shown['NeedDaemonReload'] === 'yes',
      stopSecondsMax: null,
    }
  }

  /** Somebody has changed the file, or added to it, and told nobody. */
  async #readAgain(): Promise<void> {
    if ((await this.#show())['NeedDaemonReload'] === 'yes') await this.#control(['daemon-reload'])
  }

  async #show(): Promise<Partial<Record<string, string>>> {
    const { stdout } = await this.#control(['show', this.unit, `--property=${properties.join(',')}`])
    return Object.fromEntries(
      stdout
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
  }

  async #readVersion(): Promise<number> {
    if (this.#version !== undefined) return this.#version
    const { stdout } = await this.#options.host.run('systemctl', ['--version'])
    // Where it is not there (a unit printed for another machine), the oldest that is in use.
    this.#version = Number(/^systemd (\d+)/.exec(stdout)?.[1] ?? 247)
    return this.#version
  }

  /** What answers for the manager of a person; undefined where none runs. */
  #runtimeFolder(): string | undefined {
    const { host, account } = this.#options
    const folders = [host.environment['XDG_RUNTIME_DIR'], `/run/user/${account.uid}`]
    return folders.find(
      (folder) =>
        folder !== undefined && folder !== '' && host.exists(path.join(folder, 'systemd', 'private')),
    )
  }

  #systemctl(words: readonly string[], timeoutMs = 0): Promise<ProgramEnd> {
    const { host, scope } = this.#options
    if (scope === 'system') return host.run('systemctl', words, timeoutMs + marginMs)
    // After `su`, and in a job of cron, the variable is missing although the manager is there.
    const folder = this.#runtimeFolder()
    const given = folder === undefined ? {} : { XDG_RUNTIME_DIR: folder }
    return host.run('systemctl', ['--user', ...words], timeoutMs + marginMs, given)
  }

  async #control(words: readonly string[], timeoutMs = 0): Promise<ProgramEnd> {
    const end = await this.#systemctl(words, timeoutMs)
    if (end.status === 0) return end
    const said = firstLine(end)
    if (
      /connect to (?:the )?(?:user scope )?bus|No medium found|\$DBUS_SESSION_BUS_ADDRESS/i.test(end.stderr)
    ) {
      throw new PerduraError(
        'ERR_SERVICE_BUS',
        `systemd does not answer (${said}): log in as the person whose service it is, over ssh or at the console`,
      )
    }
    const denied = /access denied|authentication|permission denied/i.test(end.stderr)
    throw new PerduraError(
      'ERR_SERVICE_MANAGER',
      `systemctl ${words.slice(0, 2).join(' ')} failed (${said}): ${denied ? 'run the command with sudo' : `${this.logs} says why`}`,
      { details: { status: end.status } },
    )
  }
}

function notBooted(host: ServiceHost): PerduraError {
  const kernel = host.read('/proc/sys/kernel/osrelease') ?? ''
  const inContainer = host.exists('/.dockerenv') || host.exists('/run/.containerenv')
  const advice = /microsoft/i.test(kernel)
    ? 'in WSL write [boot] and systemd=true into /etc/wsl.conf, and run wsl --shutdown'
    : inContainer
      ? 'in a container let perdura daemon run be what the container runs'
      : 'have what starts things on this machine run perdura daemon run'
  return new PerduraError('ERR_SERVICE_UNSUPPORTED', `this machine does not run under systemd: ${advice}`)
}

function detailOf(shown: Partial<Record<string, string>>): string {
  const { SubState: sub = '', Result: result = '' } = shown
  return result === '' || result === 'success' ? sub : `${sub}, ${result}`
}

/** What it said last: in front of it systemctl says where to look, which is said anyway. */
function firstLine(end: ProgramEnd): string {
  const [line = ''] = end.stderr.trim().split('\n')
  if (end.status === null && line === '') return 'it did not answer in time'
  return line === '' ? `exit code ${String(end.status)}` : line.replace(/\.$/, '')
}
