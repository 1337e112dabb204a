import path from 'node:path'
import { PerduraError } from '../../errors.ts'
import type { ProgramEnd, ServiceHost } from './host.ts'
import { readPlist, launchdLabel, launchdPlist } from './launchd-plist.ts'
import type { ServiceManager, ServiceState } from './service-manager.ts'
import type { Account, Installed, ServiceScope, ServiceSpec } from './spec.ts'

export interface LaunchdOptions {
  readonly host: ServiceHost
  readonly scope: ServiceScope
  readonly name: string
  readonly account: Account
}

const launchctl = '/bin/launchctl'
/** What launchctl ends with where there is no such job. */
const noSuchJob = 113
const pollMs = 200
const marginMs = 10_000

/** One job of launchd: an agent of a person, or a daemon of the machine. */
export class Launchd implements ServiceManager {
  readonly kind = 'launchd'
  readonly unit: string
  readonly file: string
  readonly logs: string
  readonly #options: LaunchdOptions

  constructor(options: LaunchdOptions) {
    const { scope, account, name } = options
    this.#options = options
    this.unit = launchdLabel(name)
    const folder =
      scope === 'system' ? '/Library/LaunchDaemons' : path.join(account.home, 'Library', 'LaunchAgents')
    this.file = path.join(folder, `${this.unit}.plist`)
    this.logs = 'perdura logs daemon'
  }

  async check(): Promise<void> {
    if (this.#options.host.exists(launchctl)) return
    throw new PerduraError(
      'ERR_SERVICE_UNSUPPORTED',
      `${launchctl} is missing: services are kept by launchd on macOS alone`,
    )
  }

  async render(spec: ServiceSpec): Promise<string> {
    return launchdPlist(spec)
  }

  installedText(): string | undefined {
    return this.#options.host.read(this.file)
  }

  read(text: string): Installed | null {
    return readPlist(text)
  }

  async place(text: string): Promise<void> {
    this.#options.host.write(this.file, text)
  }

  /** A job whose file is in its folder starts by itself, unless it was switched off. */
  async enable(): Promise<boolean> {
    const { enabled } = await this.state()
    if (!enabled) await this.#control(['enable', await this.#target()])
    return !enabled
  }

  async start(timeoutMs: number): Promise<void> {
    if ((await this.#print()).status !== 0)
      await this.#control(['bootstrap', await this.#domain(), this.file], timeoutMs)
    // Loaded and at rest is what it is after many failures.
    else await this.#control(['kickstart', await this.#target()], timeoutMs)
  }

  async stop(timeoutMs: number): Promise<void> {
    const end = await this.#run(['bootout', await this.#target()], timeoutMs)
    if (end.status === noSuchJob || end.status === 3) return
    // It returns while the job still stops, with whatever code.
    for (let passedMs = 0; (await this.#print()).status === 0; passedMs += pollMs) {
      if (passedMs > timeoutMs) throw failed(['bootout'], end)
      await this.#options.host.sleep(pollMs)
    }
  }

  async restart(timeoutMs: number): Promise<void> {
    await this.stop(timeoutMs)
    await this.start(timeoutMs)
  }

  async remove(timeoutMs: number): Promise<void> {
    await this.stop(timeoutMs)
    this.#options.host.remove(this.file)
  }

  async state(): Promise<ServiceState> {
    const { host } = this.#options
    const domain = await this.#domain()
    const [job, switches] = [await this.#print(), await this.#run(['print-disabled', domain])]
    const loaded = job.status === 0
    const field = (name: string): string | undefined =>
      new RegExp(`^\\s*${name} = (.*)$`, 'm').exec(job.stdout)?.[1]?.trim()
    const pid = Number(field('pid') ?? 0)
    const runs = Number(field('runs') ?? 0)
    const off = new RegExp(`"${this.unit.replaceAll('.', '\\.')}" => (?:true|disabled)`).test(switches.stdout)
    return {
      state: loaded ? (field('state') ?? 'unknown') : 'not loaded',
      detail: field('last exit code') === undefined ? '' : `last exit code ${field('last exit code')}`,
      running: pid > 0,
      since: null,
      pid: pid > 0 ? pid : null,
      restarts: runs > 0 ? runs - 1 : null,
      enabled: !off && host.exists(this.file),
      lingers: null,
      said: null,
      dropIns: [],
      leftOver: [],
    }
  }

  #print(): Promise<ProgramEnd> {
    return this.#target().then((target) => this.#run(['print', target]))
  }

  async #target(): Promise<string> {
    return `${await this.#domain()}/${this.unit}`
  }

  /** Of a person the desktop, where there is one; over ssh alone there is none. */
  async #domain(): Promise<string> {
    const { scope, account } = this.#options
    if (scope === 'system') return 'system'
    const desktop = `gui/${account.uid}`
    return (await this.#run(['print', desktop])).status === 0 ? desktop : `user/${account.uid}`
  }

  #run(words: readonly string[], timeoutMs = 0): Promise<ProgramEnd> {
    return this.#options.host.run(launchctl, words, timeoutMs + marginMs)
  }

  async #control(words: readonly string[], timeoutMs = 0): Promise<void> {
    const end = await this.#run(words, timeoutMs)
    if (end.status !== 0) throw failed(words, end)
  }
}

function failed(words: readonly string[], end: ProgramEnd): PerduraError {
  const [said = ''] = end.stderr.trim().split('\n')
  return new PerduraError(
    'ERR_SERVICE_MANAGER',
    `launchctl ${words.join(' ')} failed (${said === '' ? `exit code ${String(end.status)}` : said}): ` +
      'for a service of the machine run the command with sudo; perdura logs daemon says what the daemon met',
    { details: { status: end.status } },
  )
}
