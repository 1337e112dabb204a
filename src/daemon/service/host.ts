import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PerduraError } from '../../errors.ts'
import type { Account } from './spec.ts'

export interface ProgramEnd {
  /** Null where it could not be started or did not end in time. */
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The machine that a service is installed on: its programs, its files below folders of the manager, its accounts. */
export interface ServiceHost {
  readonly platform: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Of this process. */
  readonly uid: number
  run(
    program: string,
    words: readonly string[],
    timeoutMs?: number,
    variables?: Readonly<Record<string, string>>,
  ): Promise<ProgramEnd>
  exists(file: string): boolean
  /** Where the path leads, all links followed; undefined where it leads nowhere. */
  resolve(file: string): string | undefined
  read(file: string): string | undefined
  /** Replaces the file whole, open to be read by everybody: a manager reads it as somebody else. */
  write(file: string, text: string): void
  remove(file: string): void
  /** Makes the folder where it is missing, and gives what it makes to the account. */
  makeFolder(folder: string, owner: Account, mode: number): void
  /** Undefined where there is none of that name; without a name the one that this process runs under. */
  account(name?: string): Promise<Account | undefined>
  /** Names of the entries of a folder; none where there is no such folder. */
  list(folder: string): string[]
  /** Sends a signal to a process; false where it is gone. */
  signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): boolean
  sleep(ms: number): Promise<void>
}

const patienceMs = 20_000
const outputBytesMax = 4 * 1024 * 1024

export function createNodeServiceHost(environment: NodeJS.ProcessEnv = process.env): ServiceHost {
  const host: ServiceHost = {
    platform: process.platform,
    environment,
    uid: process.getuid?.() ?? -1,
    run: (program, words, timeoutMs = patienceMs, variables = {}) =>
      new Promise((resolve) => {
        const options = {
          encoding: 'utf8',
          timeout: timeoutMs,
          killSignal: 'SIGKILL',
          maxBuffer: outputBytesMax,
          // Its words are read here, so they are to be in the language that this is written in.
          env: { ...environment, LC_ALL: 'C', SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0', ...variables },
        } as const
        execFile(program, words, options, (error, stdout, stderr) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null
          resolve({ status, stdout, stderr: stderr === '' && error !== null ? error.message : stderr })
        })
      }),
    exists: (file) => fs.existsSync(file),
    resolve(file) {
      try {
        return fs.realpathSync(file)
      } catch {
        return undefined
      }
    },
    read(file) {
      try {
        return fs.readFileSync(file, 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw unusable(file, error)
      }
    },
    write(file, text) {
      const temporary = `${file}.${process.pid}.tmp`
      try {
        fs.mkdirSync(path.dirname(file), { recursive: true })
        fs.writeFileSync(temporary, text, { mode: 0o644, flush: true })
        fs.chmodSync(temporary, 0o644)
        fs.renameSync(temporary, file)
      } catch (error) {
        fs.rmSync(temporary, { force: true })
        throw unusable(file, error)
      }
    },
    remove(file) {
      try {
        fs.rmSync(file, { force: true })
      } catch (error) {
        throw unusable(file, error)
      }
    },
    makeFolder(folder, owner, mode) {
      try {
        const first = fs.mkdirSync(folder, { recursive: true, mode })
        if (first === undefined || host.uid === owner.uid) return
        for (let made = folder; made.length >= first.length; made = path.dirname(made))
          fs.chownSync(made, owner.uid, owner.gid)
      } catch (error) {
        throw unusable(folder, error)
      }
    },
    account: (name) => findAccount(host, name),
    list(folder) {
      try {
        return fs.readdirSync(folder)
      } catch {
        return []
      }
    },
    signal(pid, name) {
      try {
        return process.kill(pid, name)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
        throw error
      }
    },
    sleep: (ms) =>
      new Promise((resolve) => {
        setTimeout(resolve, ms)
      }),
  }
  return host
}

/** Asked of the system, which may have its accounts in a directory on the network. */
async function findAccount(host: ServiceHost, name: string | undefined): Promise<Account | undefined> {
  if (name === undefined) {
    const { username, uid, gid, homedir } = os.userInfo()
    return { name: username, uid, gid, home: homedir }
  }
  if (!/^[a-z0-9_][\w.@-]{0,63}$/i.test(name)) return undefined
  const darwin = host.platform === 'darwin'
  const { status, stdout } = await (darwin
    ? host.run('/usr/bin/id', ['-P', name])
    : host.run('getent', ['passwd', name]))
  const fields = stdout.trim().split(':')
  const [found = '', , uid = '', gid = ''] = fields
  // macOS has class, change and expire in between.
  const home = fields[darwin ? 8 : 5] ?? ''
  if (status !== 0 || !/^\d+$/.test(uid) || !home.startsWith('/')) return undefined
  return { name: found, uid: Number(uid), gid: Number(gid), home }
}

function unusable(file: string, cause: unknown): PerduraError {
  const reason = (cause as NodeJS.ErrnoException).code ?? 'for no stated reason'
  return new PerduraError(
    'ERR_SERVICE_FILE',
    `cannot use ${file} (${reason}): give this user the right to, or for a service of the machine run the command with sudo`,
    { cause, details: { file } },
  )
}
