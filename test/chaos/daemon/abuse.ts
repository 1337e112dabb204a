import { cpSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSeededRandom, type SeededRandom } from '../../../src/testing/random.ts'
import { CommandLine } from '../../helpers/command-line.ts'
import { killProcessesOf, livingLeftoversOf, processesOf } from '../../helpers/home-processes.ts'
import { judge, type Verdict } from '../soak/ledger.ts'
import { Members } from '../soak/members.ts'
import { Traffic } from '../soak/traffic.ts'

export interface AbuseOptions {
  readonly kills: number
  readonly seed: number
  /** What is waited for at most, ms. */
  readonly patienceMs: number
  readonly signal?: AbortSignal
  /** Leaves a copy of the home where a promise was broken. */
  readonly keepEvidence?: boolean
  readonly onKill?: (kills: number) => void
}

export interface AbuseReport extends Verdict {
  readonly kills: number
  /** Of each kind of process. */
  readonly killsOf: Readonly<Record<string, number>>
  readonly commands: number
  readonly seed: number
  readonly durationMs: number
  readonly kept: boolean
  /** Where the evidence is. */
  readonly folder: string | undefined
}

const agents = ['Ada', 'Bo'] as const
const program = join(import.meta.dirname, '..', 'soak', 'agent.ts')

/** What a person does, at one or two terminals at once. */
const deeds: readonly (readonly (readonly string[])[])[] = [
  [['start', 'Ada']],
  [['stop', 'Ada']],
  [['restart', 'Ada']],
  [['stop', 'Bo']],
  [['start', 'Bo']],
  [['restart', 'Bo']],
  [['daemon', 'start']],
  [['daemon', 'stop']],
  [['daemon', 'stop', '--keep-agents']],
  [['daemon', 'restart']],
  [
    ['start', 'Ada'],
    ['start', 'Ada'],
  ],
  [
    ['start', 'Ada'],
    ['stop', 'Ada'],
  ],
  [
    ['restart', 'Ada'],
    ['daemon', 'restart'],
  ],
  [
    ['daemon', 'start'],
    ['daemon', 'start'],
  ],
  [
    ['stop', 'Ada'],
    ['daemon', 'stop'],
  ],
  [
    ['start', 'Ada'],
    ['start', 'Bo'],
  ],
]

/**
 * Has persons start, stop and restart a daemon and two agents that write to each other, and meanwhile kills the daemon,
 * agents, and the commands themselves with SIGKILL at random moments. Every few times all is made to run again and looked
 * at: one daemon, one process of each agent, and they work; or all is stopped, and nothing is left.
 */
export async function runAbuse(options: AbuseOptions): Promise<AbuseReport> {
  const cli = new CommandLine(mkdtempSync(join(tmpdir(), 'perdura-abuse-')))
  const abuse = new Abuse(cli, options)
  try {
    const report = await abuse.execute()
    const folder = options.keepEvidence === true && !report.kept ? copyOf(cli.home) : undefined
    return { ...report, folder }
  } finally {
    await abuse.end()
    await killProcessesOf(cli.home)
    await cli.close()
  }
}

/** Without sockets, which cannot be copied. */
function copyOf(home: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-evidence-'))
  cpSync(home, folder, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  return folder
}

class Abuse {
  readonly #cli: CommandLine
  readonly #options: AbuseOptions
  readonly #members: Members
  readonly #random: SeededRandom
  readonly #traffic: Traffic
  readonly #findings: string[] = []
  readonly #killsOf: Record<string, number> = {}
  readonly #startedMs = performance.now()
  #commands = 0
  #kills = 0

  constructor(cli: CommandLine, options: AbuseOptions) {
    this.#cli = cli
    this.#options = options
    this.#members = new Members(cli.home)
    this.#random = createSeededRandom(options.seed)
    this.#traffic = new Traffic({
      agents,
      ingressOf: (name) => this.#members.ingressOf(name),
      paceMs: 100,
    })
  }

  async execute(): Promise<Omit<AbuseReport, 'folder'>> {
    for (const name of agents) await this.#must('start', program, '--name', name, '--no-hub', '--port', '0')
    this.#traffic.start()
    const { kills } = this.#options
    for (let round = 1; this.#kills < kills && this.#options.signal?.aborted !== true; round += 1) {
      await this.#strike()
      if (round % 6 === 0 && round % 12 !== 0) await this.#rest()
      if (round % 12 === 0) await this.#makeGood()
    }
    await this.#makeGood()
    await this.#traffic.stop()
    await this.#until('everything is at rest', () =>
      agents.every((name) => this.#members.unrest(name) === ''),
    )
    await this.#rest()
    const ledgers = new Map(
      agents.flatMap((name) => {
        const ledger = this.#members.ledger(name)
        return ledger === undefined ? [] : [[name, ledger] as const]
      }),
    )
    const verdict = judge(this.#traffic.expected(), ledgers)
    const findings = [...this.#findings, ...this.#traffic.complaints, ...verdict.findings]
    return {
      ...verdict,
      findings,
      kills: this.#kills,
      killsOf: this.#killsOf,
      commands: this.#commands,
      seed: this.#options.seed,
      durationMs: Math.round(performance.now() - this.#startedMs),
      kept: findings.length === 0,
    }
  }

  async end(): Promise<void> {
    await this.#traffic.abandon()
  }

  /** A deed, and SIGKILL to somebody before it is done, or just after. */
  async #strike(): Promise<void> {
    const deed = this.#random.pick(deeds)
    const running = deed.map((args) => ({ args, run: this.#cli.start(args) }))
    this.#commands += running.length
    await sleep(this.#random.fraction() * this.#random.pick([50, 300, 900]))
    const victim = this.#random.pick(['daemon', 'daemon', 'agent', 'command'] as const)
    if (victim === 'command') {
      const { run } = this.#random.pick(running)
      if (run.child.exitCode === null) this.#killed('command')
      run.kill('SIGKILL')
    } else this.#kill(victim)
    for (const { args, run } of running) {
      const ended = await Promise.race([
        run.ended,
        sleep(this.#options.patienceMs, undefined, { ref: false }),
      ])
      const name = `perdura ${args.join(' ')}`
      if (ended === undefined) {
        this.#findings.push(`${name} did not end: ${run.stdout}${run.stderr}`)
        run.kill('SIGKILL')
        await run.ended
      } else if (/ERR_INTERNAL|\n\s+at /.test(ended.stderr)) this.#findings.push(`${name}: ${ended.stderr}`)
    }
  }

  #kill(victim: 'daemon' | 'agent'): void {
    const name = victim === 'daemon' ? 'daemon' : this.#random.pick(agents)
    const pid = this.#members.pidOf(name)
    if (pid === undefined) return
    try {
      process.kill(pid, 'SIGKILL')
      this.#killed(victim)
    } catch {
      // It ended in this very moment.
    }
  }

  #killed(victim: string): void {
    this.#kills += 1
    this.#killsOf[victim] = (this.#killsOf[victim] ?? 0) + 1
    this.#options.onKill?.(this.#kills)
  }

  /** What was asked for at last comes to be: one daemon, and one process of each agent, which works. */
  async #makeGood(): Promise<void> {
    await this.#must('start', ...agents)
    const before = this.#traffic.handedIn
    await this.#until('both agents answer', async () => {
      const views = await Promise.all(agents.map((name) => this.#members.agent(name)))
      return views.every((view) => view !== undefined)
    })
    await this.#until('they take messages in', () => this.#traffic.handedIn > before + 4)
    await this.#until(
      'there is one process of each',
      () => this.#surplus().length === 0,
      () => this.#surplus().join('; '),
    )
  }

  /** Stopped is stopped: nothing runs any more, and nothing is left. */
  async #rest(): Promise<void> {
    await this.#must('daemon', 'stop')
    const left = livingLeftoversOf(this.#cli.home)
    for (const text of left)
      this.#findings.push(`${new Date().toISOString()} left behind after ${this.#kills} kills: ${text}`)
    await killProcessesOf(this.#cli.home)
    // They ran before, so they run again, and nobody has to name them.
    await this.#must('daemon', 'start')
  }

  /** Processes that are not the one that is to be. */
  #surplus(): string[] {
    const wanted = ['daemon', ...agents].map((name) => this.#members.pidOf(name))
    return processesOf(this.#cli.home)
      .filter(({ pid }) => !wanted.includes(pid))
      .map(({ pid, command }) => `${pid} ${command}`)
  }

  async #must(...args: readonly string[]): Promise<void> {
    this.#commands += 1
    const { code, stdout, stderr } = await this.#cli.run(args)
    if (code !== 0) this.#findings.push(`perdura ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  }

  async #until(
    what: string,
    done: () => boolean | Promise<boolean>,
    describe: () => string = () => '',
  ): Promise<void> {
    const deadlineMs = performance.now() + this.#options.patienceMs
    while (!(await done())) {
      if (performance.now() > deadlineMs) {
        this.#findings.push(
          `after ${this.#kills} kills, ${what}: not within ${this.#options.patienceMs} ms ${describe()}`,
        )
        return
      }
      await sleep(50)
    }
  }
}
