import type { ProgramEnd } from '../../src/daemon/service/host.ts'
import { FakeServiceHost } from './fake-service-host.ts'

/** A job that launchd has loaded: as its file was at that moment. */
export interface FakeJob {
  readonly label: string
  readonly domain: string
  readonly file: string
  readonly text: string
  pid: number | null
  runs: number
  lastEnd: string
  /** Of the clock below, ms; while it is being ended. */
  endsAt: number | undefined
}

const fine: ProgramEnd = { status: 0, stdout: '', stderr: '' }

/** A Mac in memory. Its launchctl answers as that of macOS 13 to 26 does; whatever it is not asked by ours is an error. */
export class FakeLaunchdHost extends FakeServiceHost {
  override readonly platform: string = 'darwin'
  override uid = 501
  readonly domains = new Set(['system', 'gui/501', 'user/501'])
  readonly jobs = new Map<string, FakeJob>()
  readonly disabled = new Set<string>()
  nowMs = 0
  /** How long a daemon takes to stop, ms. */
  stopMs = 1_000
  /** How long a label is taken when its job is gone already, ms. */
  settleMs = 0
  /** What `bootout` ends with while the job stops: 36 on some systems. */
  bootoutStatus = 0
  /** What a domain that is not there is: 112, or in an ssh session 125. */
  noDomainStatus: 112 | 125 = 112
  /** Time to stop that it gives at most, s. */
  exitTimeoutMax = Infinity
  /** Answers to certain verbs in place of what they do. */
  readonly refusals = new Map<string, ProgramEnd>()
  #pid = 1_000
  #takenUntilMs = 0

  constructor() {
    super()
    this.files.clear()
    this.files.set('/bin/launchctl', '')
    this.accounts.length = 0
    this.accounts.push(
      { name: 'root', uid: 0, gid: 0, home: '/var/root' },
      { name: 'ada', uid: 501, gid: 20, home: '/Users/ada' },
    )
  }

  override async run(program: string, words: readonly string[]): Promise<ProgramEnd> {
    if (program !== '/bin/launchctl') throw new Error(`there is no ${program} on this machine`)
    this.commands.push(`launchctl ${words.join(' ')}`)
    const [verb = '', target = '', file = ''] = words
    return this.refusals.get(verb) ?? this.#answer(verb, target, file)
  }

  override async sleep(ms?: number): Promise<void> {
    this.nowMs += ms ?? 0
  }

  /** All that changed something. */
  get changes(): string[] {
    return this.commands.filter((line) => !line.startsWith('launchctl print'))
  }

  /** A person logs in or out at the screen: their jobs of it are loaded, or gone. */
  logOut(): void {
    this.domains.delete('gui/501')
    for (const [target, { domain }] of this.jobs) if (domain === 'gui/501') this.jobs.delete(target)
  }

  /** Starts the process of a job; null where it cannot be started. */
  protected launch(job: FakeJob): number | null {
    const program = /<key>ProgramArguments<\/key>\s*<array>\s*<string>([^<]*)/.exec(job.text)?.[1] ?? ''
    if (this.files.has(program)) return (this.#pid += 1)
    job.lastEnd = 'last exit code = 78: EX_CONFIG'
    return null
  }

  protected terminate(job: FakeJob): void {
    job.endsAt = this.nowMs + (job.pid === null ? 0 : this.stopMs)
  }

  protected hasEnded(job: FakeJob): boolean {
    return job.endsAt !== undefined && this.nowMs >= job.endsAt
  }

  protected start(job: FakeJob): void {
    job.runs += 1
    job.pid = this.launch(job)
  }

  #answer(verb: string, target: string, file: string): ProgramEnd {
    this.#reap()
    switch (verb) {
      case 'print':
        return this.#print(target)
      case 'print-disabled': {
        const lines = [...this.disabled].map((label) => `\t\t"${label}" => disabled`)
        return said(`\n\tdisabled services = {\n${lines.join('\n')}\n\t}\n`)
      }
      case 'enable':
        this.disabled.delete(labelOf(target))
        return fine
      case 'bootstrap':
        return this.#bootstrap(target, file)
      case 'bootout':
        return this.#bootout(target)
      case 'kickstart': {
        const job = this.jobs.get(target)
        if (job === undefined) return this.#noService(target)
        if (job.pid === null) this.start(job)
        return fine
      }
      default:
        throw new Error(`launchctl ${verb} is not to be needed`)
    }
  }

  #print(target: string): ProgramEnd {
    const domain = domainOf(target)
    if (!this.domains.has(domain)) return this.#noDomain(domain)
    if (domain === target) return said(`${domain} = {\n\ttype = login\n}\n`)
    const job = this.jobs.get(target)
    if (job === undefined) return this.#noService(target)
    const timeout = Number(/<key>ExitTimeOut<\/key>\s*<integer>(\d+)/.exec(job.text)?.[1] ?? 5)
    const variables = [...job.text.matchAll(/<key>(PERDURA_\w+)<\/key>\s*<string>([^<]*)/g)]
    const state = job.endsAt !== undefined ? 'SIGTERMed' : job.pid === null ? 'spawn scheduled' : 'running'
    return said(
      [
        `${target} = {`,
        `\tactive count = ${job.pid === null ? 0 : 1}`,
        `\tpath = ${job.file}`,
        `\ttype = ${domain === 'system' ? 'LaunchDaemon' : 'LaunchAgent'}`,
        `\tstate = ${state}`,
        '',
        '\tenvironment = {',
        ...variables.map(([, name, value]) => `\t\t${name} => ${value}`),
        `\t\tXPC_SERVICE_NAME => ${job.label}`,
        '\t}',
        '',
        `\tdomain = ${domain}`,
        '\tminimum runtime = 10',
        `\texit timeout = ${Math.min(timeout, this.exitTimeoutMax)}`,
        `\truns = ${job.runs}`,
        ...(job.pid === null ? [] : [`\tpid = ${job.pid}`]),
        `\t${job.lastEnd}`,
        '',
        '\tresource coalition = {',
        '\t\tstate = active',
        '\t\tactive count = 1',
        '\t}',
        '}',
        '',
      ].join('\n'),
    )
  }

  #bootstrap(domain: string, file: string): ProgramEnd {
    const text = this.read(file)
    if (!this.domains.has(domain))
      return failure('Bootstrap', 125, 'Domain does not support specified action')
    if (text === undefined) return failure('Bootstrap', 2, 'No such file or directory')
    const label = /<key>Label<\/key>\s*<string>([^<]*)/.exec(text)?.[1] ?? ''
    if (this.disabled.has(label)) return failure('Bootstrap', 119, 'Service is disabled')
    const session = /<key>LimitLoadToSessionType<\/key>\s*<string>([^<]*)/.exec(text)?.[1] ?? 'Aqua'
    const wanted = domain.startsWith('gui/') ? 'Aqua' : 'Background'
    if (domain !== 'system' && session !== wanted)
      return failure('Bootstrap', 134, 'Service cannot load in requested session')
    const target = `${domain}/${label}`
    // The same answer for both, and a hint that is beside the point.
    if (this.jobs.has(target) || this.nowMs < this.#takenUntilMs) {
      const { status, stderr } = failure('Bootstrap', 5, 'Input/output error')
      return {
        status,
        stdout: '',
        stderr: `${stderr}Try re-running the command as root for richer errors.\n`,
      }
    }
    const job: FakeJob = {
      label,
      domain,
      file,
      text,
      pid: null,
      runs: 0,
      lastEnd: 'last exit code = (never exited)',
      endsAt: undefined,
    }
    this.jobs.set(target, job)
    this.start(job)
    return fine
  }

  #bootout(target: string): ProgramEnd {
    const job = this.jobs.get(target)
    if (job === undefined) return failure('Boot-out', 3, 'No such process')
    if (job.endsAt === undefined) this.terminate(job)
    this.#reap()
    return this.bootoutStatus === 0
      ? fine
      : failure('Boot-out', this.bootoutStatus, 'Operation now in progress')
  }

  #reap(): void {
    for (const [target, job] of this.jobs) {
      if (!this.hasEnded(job)) continue
      this.jobs.delete(target)
      this.#takenUntilMs = this.nowMs + this.settleMs
    }
  }

  #noDomain(domain: string): ProgramEnd {
    const [kind, uid] = domain.split('/')
    return this.noDomainStatus === 112
      ? { status: 112, stdout: '', stderr: `Bad request.\nCould not find domain for user ${kind}: ${uid}\n` }
      : failure('Could not print domain', 125, 'Domain does not support specified action')
  }

  #noService(target: string): ProgramEnd {
    const where = domainOf(target).replace('/', ': ').replace('gui', 'user gui')
    const text = `Bad request.\nCould not find service "${labelOf(target)}" in domain for ${where}\n`
    return { status: 113, stdout: '', stderr: text }
  }
}

function said(stdout: string): ProgramEnd {
  return { status: 0, stdout, stderr: '' }
}

function failure(what: string, status: number, why: string): ProgramEnd {
  const failed = what.startsWith('Could') ? what : `${what} failed`
  return { status, stdout: '', stderr: `${failed}: ${status}: ${why}\n` }
}

function domainOf(target: string): string {
  const parts = target.split('/')
  return parts[0] === 'system' ? 'system' : parts.slice(0, 2).join('/')
}

function labelOf(target: string): string {
  return target.split('/').at(-1) ?? ''
}
