import { spawn, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FakeLaunchdHost, type FakeJob } from './fake-launchd.ts'

/** How long a job that has ended waits for its next process. launchd has 10 s from start to start. */
const throttleMs = 200

/** A Mac whose jobs are real processes, kept alive as launchd does it: by what the property list says, and by nothing else. */
export class SmallLaunchd extends FakeLaunchdHost {
  readonly home: string
  terminateWith: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'
  readonly #processes = new Map<FakeJob, ChildProcess>()
  readonly #timers = new Set<NodeJS.Timeout>()

  /** `home` is that of Perdura, in the folder of a person called ada. */
  constructor(home: string) {
    super()
    this.home = home
    this.accounts.splice(0, 2, { name: 'ada', uid: 501, gid: 20, home: path.dirname(home) })
  }

  override exists(file: string): boolean {
    return super.exists(file) || fs.existsSync(file)
  }

  override makeFolder(folder: string): void {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  override async sleep(ms = 0): Promise<void> {
    await delay(ms)
  }

  /** Lets go of what it has started; the processes are the home's. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const process of this.#processes.values()) process.removeAllListeners('exit').unref()
  }

  protected override launch(job: FakeJob): number | null {
    const [program = '', ...words] = textsOf(job.text, 'ProgramArguments', 'array')
    const variables = textsOf(job.text, 'EnvironmentVariables', 'dict')
    const keys = [...sectionOf(job.text, 'EnvironmentVariables', 'dict').matchAll(/<key>([^<]*)<\/key>/g)]
    const output = fs.openSync(valueOf(job.text, 'StandardOutPath'), 'a')
    const child = spawn(program, words, {
      cwd: valueOf(job.text, 'WorkingDirectory'),
      env: {
        HOME: path.dirname(this.home),
        // By it whoever cleans up finds all that belongs to this home.
        PERDURA_HOME: this.home,
        PERDURA_KEYCHAIN: 'off',
        ...Object.fromEntries(keys.map(([, key = ''], index) => [key, variables[index]])),
      },
      stdio: ['ignore', output, output],
      detached: true,
    })
    fs.closeSync(output)
    this.#processes.set(job, child)
    child.on('error', () => this.#ended(job, '78: EX_CONFIG', null))
    child.on('exit', (code, signal) => this.#ended(job, String(code), signal))
    return child.pid ?? null
  }

  protected override terminate(job: FakeJob): void {
    job.endsAt = 0
    if (job.pid !== null) process.kill(job.pid, this.terminateWith)
  }

  protected override hasEnded(job: FakeJob): boolean {
    return job.endsAt !== undefined && job.pid === null
  }

  #ended(job: FakeJob, code: string, signal: string | null): void {
    job.pid = null
    job.lastEnd = signal === null ? `last exit code = ${code}` : `last terminating signal = ${signal}: 9`
    this.#processes.delete(job)
    if (job.endsAt !== undefined) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      if (job.endsAt === undefined && job.pid === null) this.start(job)
    }, throttleMs)
    this.#timers.add(timer)
  }
}

function sectionOf(text: string, key: string, kind: string): string {
  return new RegExp(`<key>${key}</key>\\s*<${kind}>([\\s\\S]*?)</${kind}>`).exec(text)?.[1] ?? ''
}

function textsOf(text: string, key: string, kind: string): string[] {
  return [...sectionOf(text, key, kind).matchAll(/<string>([^<]*)<\/string>/g)].map(([, value = '']) => value)
}

function valueOf(text: string, key: string): string {
  return sectionOf(text, key, 'string')
}
