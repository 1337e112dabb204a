import path from 'node:path'
import { PerduraError } from '../../errors.ts'
import type { ProgramEnd, ServiceHost } from './host.ts'
import {
  hasNoDomain,
  isInTheWay,
  isMissing,
  isRefused,
  isSwitchedOff,
  readJob,
  type PrintedJob,
} from './launchctl.ts'
import { digestOf, launchdLabel, launchdPlist, readPlist, type LaunchdSession } from './launchd-plist.ts'
import type { ServiceManager, ServiceState, StopPatience } from './service-manager.ts'
import type { Account, Installed, ServiceScope, ServiceSpec } from './spec.ts'

export interface LaunchdOptions {
  readonly host: ServiceHost
  readonly scope: ServiceScope
  readonly name: string
  readonly account: Account
}

const launchctl = '/bin/launchctl'
const pollMs = 200
const marginMs = 10_000
/** How long a label may stay taken after its job was seen to be gone, ms. */
const settleMs = 5_000

/** One job of launchd: an agent of a person, or a daemon of the machine. */
export class Launchd implements ServiceManager {
  readonly kind = 'launchd'
  readonly unit: string
  readonly file: string
  readonly logs: string
  readonly #options: LaunchdOptions
  /** Whether the file was written just now: what is loaded was loaded before that, whatever it says. */
  #placed = false

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
    return launchdPlist(spec, await this.#session())
  }

  installedText(): string | undefined {
    return this.#options.host.read(this.file)
  }

  read(text: string): Installed | null {
    return readPlist(text)
  }

  async place(text: string): Promise<void> {
    this.#options.host.write(this.file, text)
    this.#placed = true
  }

  /** A job whose file is in its folder starts by itself, unless it was switched off. */
  async enable(): Promise<boolean> {
    const domain = await this.#domain()
    if (!(await this.#isOff(domain))) return false
    await this.#control(['enable', `${domain}/${this.unit}`])
    return true
  }

  /** By the file as it is now, unless it runs: launchd keeps the file that it has loaded, whatever is written over it. */
  async start(timeoutMs: number): Promise<void> {
    const domain = await this.#domain()
    if (await this.#isOff(domain)) throw this.#switchedOff()
    const job = await this.#job(domain)
    if (job !== undefined && job.pid !== null) return
    // What rests between two tries is started now; if it was loaded from another file, it is loaded anew.
    if (job?.file !== undefined && !this.#isStale(job) && !this.#placed)
      await this.#control(['kickstart', `${domain}/${this.unit}`], timeoutMs)
    else {
      if (job !== undefined) await this.#end(domain, timeoutMs)
      await this.#load(timeoutMs)
    }
  }

  async stop({ timeoutMs }: Pick<StopPatience, 'timeoutMs'>): Promise<void> {
    await this.#end(await this.#domain(), timeoutMs)
  }

  async restart(timeoutMs: number): Promise<void> {
    const domain = await this.#domain()
    if (await this.#isOff(domain)) throw this.#switchedOff()
    await this.#end(domain, timeoutMs)
    await this.#load(timeoutMs)
  }

  async remove(patience: StopPatience): Promise<void> {
    await this.stop(patience)
    this.#options.host.remove(this.file)
  }

  async state(): Promise<ServiceState> {
    const { host } = this.#options
    const domain = await this.#domain()
    const job = await this.#job(domain)
    const wanted = this.#installed()?.stopSeconds
    const given = job?.exitTimeout ?? null
    const stale = job !== undefined && this.#isStale(job)
    return {
      state: job?.state ?? 'not loaded',
      detail: job?.lastEnd ?? '',
      running: job !== undefined && job.pid !== null,
      since: null,
      pid: job?.pid ?? null,
      restarts: job?.runs === null || job === undefined ? null : Math.max(0, job.runs - 1),
      enabled: host.exists(this.file) && !(await this.#isOff(domain)),
      lingers: null,
      said: null,
      dropIns: [],
      leftOver: [],
      stale,
      stopSecondsMax: !stale && given !== null && wanted !== undefined && given < wanted ? given : null,
    }
  }

  /** The session that the job is for: where there is no desktop, as over ssh, one that needs none; and what it was stays. */
  async #session(): Promise<LaunchdSession> {
    if (this.#options.scope === 'system') return 'Aqua'
    if (this.#installed()?.session === 'Background') return 'Background'
    return (await this.#hasDesktop()) ? 'Aqua' : 'Background'
  }

  /** Where the job is loaded; otherwise where its file is for. */
  async #domain(): Promise<string> {
    const { scope, account } = this.#options
    if (scope === 'system') return 'system'
    const [desktop, background] = [`gui/${account.uid}`, `user/${account.uid}`]
    for (const domain of [desktop, background]) if ((await this.#job(domain)) !== undefined) return domain
    const session = this.#installed()?.session ?? (await this.#session())
    return session === 'Background' ? background : desktop
  }

  #installed(): Installed | undefined {
    const text = this.installedText()
    return text === undefined ? undefined : (this.read(text) ?? undefined)
  }

  async #hasDesktop(): Promise<boolean> {
    return (await this.#run(['print', `gui/${this.#options.account.uid}`])).status === 0
  }

  /** Undefined where none is loaded. */
  async #job(domain: string): Promise<PrintedJob | undefined> {
    const words = ['print', `${domain}/${this.unit}`]
    const end = await this.#run(words)
    if (isMissing(end)) return undefined
    // What cannot be told is not to be taken for a job that is gone.
    if (end.status !== 0) throw this.#failed(words, end)
    return readJob(end.stdout)
  }

  #isStale({ file }: PrintedJob): boolean {
    const text = this.installedText()
    return file !== undefined && text !== undefined && digestOf(text) !== file
  }

  async #isOff(domain: string): Promise<boolean> {
    return isSwitchedOff((await this.#run(['print-disabled', domain])).stdout, this.unit)
  }

  async #load(timeoutMs: number): Promise<void> {
    // The domain of a job that was not loaded is that of its file, which may be another one now.
    const domain = await this.#domain()
    const words = ['bootstrap', domain, this.file]
    for (let passedMs = 0; ; passedMs += pollMs) {
      const end = await this.#run(words, timeoutMs)
      // Somebody else may have loaded it in this very moment.
      const job = isInTheWay(end) ? await this.#job(domain) : undefined
      if (end.status === 0 || (job !== undefined && !this.#isStale(job))) {
        this.#placed = false
        return
      }
      // A label stays taken for a moment after its job is gone, and nothing but this answer says so.
      if (!isInTheWay(end) || passedMs >= Math.min(settleMs, timeoutMs)) throw this.#failed(words, end)
      await this.#options.host.sleep(pollMs)
    }
  }

  /** Resolves when launchd does not know the job any more: `bootout` returns while that still stops, with one code or another. */
  async #end(domain: string, timeoutMs: number): Promise<void> {
    const words = ['bootout', `${domain}/${this.unit}`]
    const end = await this.#run(words, timeoutMs)
    if (isMissing(end)) return
    const waitMs = isRefused(end) ? Math.min(settleMs, timeoutMs) : timeoutMs
    for (let passedMs = 0; ; passedMs += pollMs) {
      const job = await this.#run(['print', `${domain}/${this.unit}`])
      if (isMissing(job)) return
      if (passedMs >= waitMs) {
        if (end.status !== 0 && end.status !== inProgress) throw this.#failed(words, end)
        throw new PerduraError(
          'ERR_SERVICE_MANAGER',
          `launchd has not ended ${this.unit} within ${Math.round(waitMs / 1_000)} s (${readJob(job.stdout).state}): wait longer with --timeout`,
        )
      }
      await this.#options.host.sleep(pollMs)
    }
  }

  #run(words: readonly string[], timeoutMs = 0): Promise<ProgramEnd> {
    return this.#options.host.run(launchctl, words, timeoutMs + marginMs)
  }

  async #control(words: readonly string[], timeoutMs = 0): Promise<void> {
    const end = await this.#run(words, timeoutMs)
    if (end.status !== 0) throw this.#failed(words, end)
  }

  #switchedOff(): PerduraError {
    return new PerduraError(
      'ERR_SERVICE_MANAGER',
      `${this.unit} is switched off in launchd: perdura service install switches it on again`,
    )
  }

  #failed(words: readonly string[], end: ProgramEnd): PerduraError {
    const { scope, account } = this.#options
    const said = end.stderr.trim().split('\n').at(-1) ?? ''
    const unsaid = end.status === null ? 'it did not answer in time' : `exit code ${end.status}`
    const forMachine = `sudo perdura service install --system --run-as ${account.name}`
    const advice = isRefused(end)
      ? scope === 'system'
        ? 'run the command with sudo'
        : `run the command as ${account.name}, without sudo`
      : hasNoDomain(end) || end.status === wrongSession
        ? `${account.name} is not logged in at the screen: do that, or have it run without with ${forMachine}`
        : 'perdura logs daemon says what the daemon met'
    return new PerduraError(
      'ERR_SERVICE_MANAGER',
      `launchctl ${words.join(' ')} failed (${said === '' ? unsaid : said}): ${advice}`,
      { details: { status: end.status } },
    )
  }
}

/** EINPROGRESS: it stops. */
const inProgress = 36
/** "Service cannot load in requested session". */
const wrongSession = 134
