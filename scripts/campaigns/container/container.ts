import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installPackage } from '../installed-package.ts'
import type { Recipe } from './recipe.ts'
import { whyNoContainer, type Ended } from '../containers.ts'

const waitMs = 60_000

/** Why none can be run here; undefined where one can. */
export const whyNotHere = (): string | undefined =>
  whyNoContainer(['debootstrap', 'unshare', 'nsenter', 'ip'], 'debootstrap iproute2')

/**
 * A container as an engine would run the recipe: name spaces of its own for processes, mounts and network; a root that cannot be
 * written, a volume, a /tmp in memory; no privileges. There is no engine in it, so that it runs where none is.
 */
export class Container {
  readonly recipe: Recipe
  readonly #folder: string
  #process: ChildProcess | undefined
  #output = ''

  static make(recipe: Recipe, agents: Readonly<Record<string, string>>): Container {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-container-'))
    try {
      const container = new Container(folder, recipe)
      container.#furnish(agents)
      return container
    } catch (error) {
      fs.rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(folder: string, recipe: Recipe) {
    this.#folder = folder
    this.recipe = recipe
  }

  /** Runs the command of the recipe as process 1. */
  start(): void {
    const { user, volume, workingFolder, command } = this.recipe
    const root = path.join(this.#folder, 'root')
    const script = `
      set -e
      mount --make-rprivate /
      mount --bind "${root}" "${root}"
      mount -t proc proc "${root}/proc"
      mount --rbind /dev "${root}/dev"
      mount -t tmpfs tmpfs "${root}/tmp"
      mount --bind "${this.#folder}/volume" "${root}${volume}"
      mount --bind -o ro "${this.#folder}/agents" "${root}/agents"
      mount -o remount,bind,ro "${root}/agents"
      mount -o remount,bind,ro "${root}"
      ip link set lo up
      exec chroot "${root}" /usr/bin/env -C ${workingFolder} /usr/bin/setpriv --reuid ${user} --regid ${user} \\
        --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"`
    const names = ['--mount', '--pid', '--fork', '--kill-child', '--ipc', '--uts', '--net']
    this.#output = ''
    const child = spawn('unshare', [...names, '--', '/bin/sh', '-c', script, 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...this.recipe.environment },
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString('utf8')))
    this.#process = child
  }

  /** Runs a program in it to its end, as an engine's `exec` does. */
  run(words: readonly string[], timeoutMs = 120_000): Ended {
    const leader = this.leader
    if (leader === undefined) return { code: null, stdout: '', stderr: 'it does not run' }
    const { user, workingFolder, environment } = this.recipe
    const enter = ['--target', String(leader), '--all', '--root', `--wdns=${workingFolder}`]
    const who = ['/usr/bin/setpriv', '--reuid', user, '--regid', user, '--clear-groups', '--no-new-privs']
    const { status, stdout, stderr } = spawnSync('nsenter', [...enter, '--', ...who, '--', ...words], {
      encoding: 'utf8',
      timeout: timeoutMs,
      env: { ...environment },
    })
    return { code: status, stdout, stderr }
  }

  perdura(...words: readonly string[]): Ended {
    return this.run(['perdura', ...words])
  }

  /** What an engine would make of it: 0 is healthy, and one that takes longer than it may is not. */
  health(): number | null {
    const { healthCheck, healthTimeoutSeconds } = this.recipe
    return this.run(healthCheck, healthTimeoutSeconds * 1_000).code
  }

  /** As this machine knows process 1 of it. */
  get leader(): number | undefined {
    const pid = this.#process?.pid
    if (pid === undefined) return undefined
    try {
      const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      return children === '' ? undefined : Number(children.split(' ')[0])
    } catch {
      return undefined
    }
  }

  /** All that is in it: pid there, state, command. */
  processes(): { readonly pid: number; readonly state: string; readonly args: string }[] {
    const { stdout } = this.run(['ps', '-eo', 'pid=,stat=,args='])
    return stdout.split('\n').flatMap((line) => {
      const [, pid, state = '', args = ''] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
      return pid === undefined ? [] : [{ pid: Number(pid), state, args }]
    })
  }

  /** A signal to process 1, and how the container ends by it. */
  async signal(name: NodeJS.Signals): Promise<{ readonly code: number | null; readonly tookMs: number }> {
    const [child, leader] = [this.#process, this.leader]
    if (child === undefined || leader === undefined) throw new Error('it does not run')
    const startedMs = performance.now()
    const ended = once(child, 'exit')
    process.kill(leader, name)
    await ended
    return { code: child.exitCode, tookMs: performance.now() - startedMs }
  }

  async until(what: string, holds: () => boolean): Promise<number> {
    const startedMs = performance.now()
    while (!holds()) {
      if (performance.now() - startedMs > waitMs)
        throw new Error(`waited ${waitMs / 1_000} s in vain until ${what}\n${this.#output}`)
      await sleep(25)
    }
    return performance.now() - startedMs
  }

  /** The file in the volume. */
  file(...names: readonly string[]): string {
    return path.join(this.#folder, 'volume', ...names)
  }

  async remove(): Promise<void> {
    if (this.leader !== undefined) await this.signal('SIGKILL')
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }

  /** What building the image would have put there. */
  #furnish(agents: Readonly<Record<string, string>>): void {
    const { suite, user, volume } = this.recipe
    const root = path.join(this.#folder, 'root')
    const packages = 'tini,libstdc++6,procps'
    execFileSync('debootstrap', ['--variant=minbase', `--include=${packages}`, suite, root], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    execFileSync('chroot', [root, 'useradd', '--uid', '1000', '--create-home', user])
    fs.copyFileSync(process.execPath, path.join(root, 'usr/local/bin/node'))
    installPackage(root, '/opt/perdura/lib/node_modules')
    fs.mkdirSync(path.join(root, 'opt/perdura/bin'))
    fs.symlinkSync('../lib/node_modules/perdura/bin/perdura.mjs', path.join(root, 'opt/perdura/bin/perdura'))
    for (const folder of [path.join(root, volume), path.join(root, 'agents')]) fs.mkdirSync(folder)
    for (const name of ['volume', 'agents']) fs.mkdirSync(path.join(this.#folder, name), { mode: 0o755 })
    fs.chmodSync(this.#folder, 0o755)
    fs.chownSync(path.join(this.#folder, 'volume'), 1_000, 1_000)
    fs.chmodSync(path.join(this.#folder, 'volume'), 0o700)
    for (const [name, code] of Object.entries(agents))
      fs.writeFileSync(path.join(this.#folder, 'agents', name), code)
  }
}
