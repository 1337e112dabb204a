import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { whyNoContainer, type Ended } from '../containers.ts'

/** What Debian's smallest root lacks of a machine that people log in to; libstdc++6 is what Node needs. */
const packages = [
  'procps',
  'systemd',
  'systemd-sysv',
  'dbus',
  'dbus-user-session',
  'libpam-systemd',
  'polkitd',
  'libstdc++6',
]
const bootWaitMs = 60_000
const groupRoot = '/sys/fs/cgroup'

/** Why none can be run here; undefined where one can. */
export const whyNotHere = (): string | undefined =>
  whyNoContainer(['debootstrap', 'systemd-nspawn', 'nsenter'], 'debootstrap systemd-container')

/** A Debian of its own in a temporary folder, booted by its own systemd. It shares the kernel, and nothing else. */
export class BootedContainer {
  readonly root: string
  readonly #folder: string
  readonly #machine: string
  readonly #groups: readonly string[]
  #process: ChildProcess | undefined

  /** Takes half a minute, mostly for what it downloads. It is not booted yet. */
  static make(suite: string): BootedContainer {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-systemd-'))
    const root = path.join(folder, 'root')
    try {
      const words = ['--variant=minbase', `--include=${packages.join(',')}`, suite, root]
      execFileSync('debootstrap', words, { stdio: ['ignore', 'ignore', 'pipe'] })
    } catch (error) {
      fs.rmSync(folder, { recursive: true, force: true })
      throw error
    }
    return new BootedContainer(folder, root)
  }

  private constructor(folder: string, root: string) {
    this.#folder = folder
    this.root = root
    this.#machine = path.basename(folder)
    // Where nspawn makes control groups for itself and for what it boots, so that they can be taken away again. On a machine with
    // the old and the new hierarchy systemd uses both.
    const hierarchies = [groupRoot, path.join(groupRoot, 'unified'), path.join(groupRoot, 'systemd')]
    this.#groups = hierarchies
      .filter((hierarchy) => fs.existsSync(path.join(hierarchy, 'cgroup.procs')))
      .map((hierarchy) => path.join(hierarchy, this.#machine))
  }

  /** Boots it, and returns when its systemd has started all that it was to. */
  async boot(): Promise<void> {
    for (const group of this.#groups) fs.mkdirSync(group, { recursive: true })
    const enter = this.#groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join(' && ')
    const words = [
      `--directory=${this.root}`,
      `--machine=${this.#machine}`,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--console=pipe',
      '--link-journal=no',
      '--private-network',
    ]
    this.#process = spawn('/bin/sh', ['-c', `${enter} && exec systemd-nspawn "$@"`, 'sh', ...words], {
      stdio: 'ignore',
      // A machine with both hierarchies would have the container use the old one, which its systemd does not know any more.
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    })
    await this.until('systemd has started', () => {
      const { stdout } = this.run('systemctl', 'is-system-running')
      return ['running', 'degraded'].includes(stdout.trim())
    })
  }

  /** Reboots it: everything in it ends, and its systemd starts anew. */
  async reboot(): Promise<void> {
    const nspawn = this.#process
    this.run('systemctl', 'reboot')
    await this.until('it is down', () => nspawn === undefined || hasEnded(nspawn), 2 * bootWaitMs)
    // What it means by its code is that it wants to be started again.
    if (nspawn?.exitCode !== 133) throw new Error(`the reboot ended with ${String(nspawn?.exitCode)}`)
    await this.boot()
  }

  /** Runs a program in it to its end. */
  run(program: string, ...words: readonly string[]): Ended {
    const leader = this.#leader()
    if (leader === undefined) return { code: null, stdout: '', stderr: 'it does not run' }
    const options = {
      encoding: 'utf8',
      timeout: 150_000,
      cwd: '/',
      // Nothing of this machine's environment is to be in there.
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
    } as const
    // Into its control groups first: its systemd does not talk to processes that are in none of its own.
    const groups = this.#groups.map((group) => path.join(group, 'payload', 'init.scope', 'cgroup.procs'))
    const joins = groups.filter((group) => fs.existsSync(group)).map((group) => `echo $$ > ${group} && `)
    const enter = `${joins.join('')}exec nsenter --target ${leader} --all -- "$@"`
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', enter, 'sh', program, ...words], options)
    return { code: status, stdout, stderr }
  }

  async until(what: string, holds: () => boolean, waitMs = bootWaitMs): Promise<number> {
    const startedMs = performance.now()
    while (!holds()) {
      if (performance.now() - startedMs > waitMs)
        throw new Error(`waited ${waitMs / 1_000} s in vain until ${what}`)
      await sleep(25)
    }
    return performance.now() - startedMs
  }

  /** Switches it off, and takes away all that there is of it. */
  async remove(): Promise<void> {
    const nspawn = this.#process
    if (nspawn !== undefined && !hasEnded(nspawn)) {
      const ended = once(nspawn, 'exit')
      this.run('systemctl', 'poweroff')
      const late = setTimeout(() => nspawn.kill('SIGKILL'), 30_000)
      await ended
      clearTimeout(late)
    }
    for (const group of this.#groups) removeGroups(group)
    // Where /run is no file system in memory, nspawn does not dare to remove it.
    fs.rmSync(path.join('/run/systemd/nspawn/propagate', this.#machine), { recursive: true, force: true })
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The process that is number 1 inside. */
  #leader(): number | undefined {
    const pid = this.#process?.pid
    if (pid === undefined) return undefined
    try {
      const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      return children === '' ? undefined : Number(children.split(' ')[0])
    } catch {
      return undefined
    }
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** Deepest first; one that is still in use stays, which is better than to fail. */
function removeGroups(group: string): void {
  if (!fs.existsSync(group)) return
  for (const entry of fs.readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroups(path.join(group, entry.name))
  try {
    fs.rmdirSync(group)
  } catch {
    // Whatever is in it is for the person at the machine to see.
  }
}
