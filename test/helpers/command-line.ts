import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { killProcessesOf } from './home-processes.ts'
import { hubHost, tryPort } from '../../src/cli/hub-port.ts'
import { createNodeProcessTable } from '../../src/platform/node/process-table.ts'

const processes = createNodeProcessTable()
const program = fileURLToPath(new URL('../../bin/perdura.mjs', import.meta.url))
const waitMs = 20_000

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly home?: string
  readonly environment?: Readonly<Record<string, string>>
}

/** The command line as a user has it: real processes, in a home that is removed with all of them afterwards. */
export class CommandLine {
  readonly home: string
  readonly folder: string
  readonly #running = new Set<Running>()

  constructor(folder: string) {
    this.folder = folder
    this.home = join(folder, 'home')
  }

  /** Runs one command to its end. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const running = this.start(args, options)
    return await running.ended
  }

  /** The document of a command with `--json`, which must succeed. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test knows its document
  async json(args: readonly string[]): Promise<any> {
    const { code, stdout, stderr } = await this.run([...args, '--json'])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  }

  start(args: readonly string[], options: RunOptions = {}): Running {
    const environment = { PERDURA_HOME: options.home ?? this.home, ...options.environment }
    const running = new Running(args, environment, this.folder, options.input)
    this.#running.add(running)
    return running
  }

  /** `up` of one agent, without a hub where nothing else is said, ready. */
  async up(args: readonly string[] = ['Ada']): Promise<Running> {
    const port = args.includes('--port') ? [] : ['--port', '0']
    const running = this.start(['up', ...args, ...port])
    await running.says(/ is ready /)
    return running
  }

  /** What the agent's process wrote about itself. */
  record(agent = 'Ada'): { readonly pid: number; readonly ingressPort: number } {
    return JSON.parse(readFileSync(join(this.home, 'agents', agent, 'agent.pid'), 'utf8'))
  }

  /** `up` without arguments: hub and two agents, all of them connected. */
  async upWithHub(): Promise<Running> {
    await this.placeHub()
    const running = this.start(['up', '--port', '0'])
    await running.says(/Ada .*session online/)
    await running.says(/Bo .*session online/)
    return running
  }

  /** What the hub's process wrote about itself. */
  hubRecord(): { readonly pid: number; readonly addresses: { readonly port: number }[] } {
    return JSON.parse(readFileSync(join(this.home, 'hub', 'hub.pid'), 'utf8'))
  }

  async close(): Promise<void> {
    const records = [...this.#agentPids()]
    if (existsSync(join(this.home, 'hub', 'hub.pid'))) records.push(this.hubRecord().pid)
    for (const running of this.#running) running.kill('SIGKILL')
    for (const pid of records) kill(pid)
    // A daemon, and what it has started since.
    if (process.platform === 'linux') await killProcessesOf(this.home)
    await Promise.all([...this.#running].map(({ ended }) => ended))
    await until('the agents are gone', () => [...records].every((pid) => !isAlive(pid)))
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Its hub goes where one of this home was before: at the usual port, tests that run side by side would meet. */
  async placeHub(): Promise<void> {
    const place = join(this.home, 'hub', 'hub.json')
    if (existsSync(place)) return
    mkdirSync(join(this.home, 'hub'), { recursive: true, mode: 0o700 })
    writeFileSync(place, JSON.stringify({ host: hubHost, port: await tryPort(0) }))
  }

  *#agentPids(): Iterable<number> {
    const agents = join(this.home, 'agents')
    for (const agent of existsSync(agents) ? readdirSync(agents) : []) {
      if (existsSync(join(agents, agent, 'agent.pid'))) yield this.record(agent).pid
    }
  }
}

export async function withCommandLine(use: (cli: CommandLine) => Promise<void>): Promise<void> {
  const cli = new CommandLine(mkdtempSync(join(tmpdir(), 'perdura-cli-')))
  try {
    await use(cli)
  } finally {
    await cli.close()
  }
}

/** One process of the command line. */
export class Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  readonly #args: readonly string[]
  #stdout = ''
  #stderr = ''
  #end: Ended | undefined

  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
    folder: string,
    input: string | undefined,
  ) {
    this.#args = args
    // By its mark, `npm test` finds what a test has left behind.
    const inherited = Object.entries(process.env).filter(
      ([name]) =>
        name === 'PERDURA_TEST_RUN' || !/^(npm_|PERDURA_|CLOUDBRAIN_|NO_COLOR|NODE_TEST)/.test(name),
    )
    this.child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      env: { ...Object.fromEntries(inherited), ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.child.stdin?.on('error', () => undefined)
    this.child.stdin?.end(input ?? '')
    this.ended = once(this.child, 'close').then(([code]) => {
      this.#end = { code: code as number | null, stdout: this.#stdout, stderr: this.#stderr }
      return this.#end
    })
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Waits until it has written what matches, on either stream; `times` times. */
  async says(pattern: RegExp, times = 1): Promise<void> {
    const all = new RegExp(pattern, 'g')
    await until(
      `"perdura ${this.#args.join(' ')}" says ${String(pattern)}`,
      () => ((this.#stdout + this.#stderr).match(all)?.length ?? 0) >= times || this.#tooLate(pattern),
      () => this.#stdout + this.#stderr,
    )
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  #tooLate(pattern: RegExp): boolean {
    if (this.#end === undefined) return false
    throw new Error(
      `it ended (${this.#end.code}) without saying ${String(pattern)}:\n${this.#stdout}${this.#stderr}`,
    )
  }
}

export async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  describe?: () => string,
): Promise<void> {
  const deadlineMs = performance.now() + waitMs
  while (!(await done())) {
    if (performance.now() > deadlineMs) assert.fail(`${what} did not come true\n${describe?.() ?? ''}`)
    await delay(15)
  }
}

/** False for one that has ended and that nobody has asked about yet, which has a number all the same. */
export function isAlive(pid: number): boolean {
  return processes.identify(pid) !== undefined
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}

/** Gives the home its settings, before anything of it is started. */
export function configure(cli: CommandLine, settings: object): void {
  mkdirSync(cli.home, { recursive: true, mode: 0o700 })
  writeFileSync(join(cli.home, 'config.json'), JSON.stringify(settings))
}
