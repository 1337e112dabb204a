import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { ServiceScope } from '../../../src/daemon/service/spec.ts'
import { installPackage } from '../installed-package.ts'
import type { Ended } from '../containers.ts'
import type { BootedContainer } from './container.ts'

const modules = '/opt/perdura/lib/node_modules'
const program = `${modules}/perdura/bin/perdura.mjs`

/** Where Node is at first, and where an upgrade puts it. */
export const nodes = { before: '/opt/node-24.1.0/bin/node', after: '/opt/node-24.2.0/bin/node' } as const

/** What is installed as a service, and by whom. */
export interface Place {
  readonly scope: ServiceScope
  readonly home: string
  readonly unitFile: string
}

/** The two kinds of service; that of the machine in a folder whose name has everything in it that unit files trip over. */
export const places: readonly Place[] = [
  {
    scope: 'system',
    home: '/srv/my "agents"/100% $HOME',
    unitFile: '/etc/systemd/system/perdura.service',
  },
  {
    scope: 'user',
    home: '/home/ada/.local/state/perdura',
    unitFile: '/home/ada/.config/systemd/user/perdura.service',
  },
]

/** A booted machine with Perdura on it, as npm would have put it there, and a person called ada. */
export class Machine {
  readonly container: BootedContainer
  readonly place: Place
  node: string = nodes.before

  constructor(container: BootedContainer, place: Place) {
    this.container = container
    this.place = place
  }

  /** Puts Node and the package into a root that is not booted yet. */
  static furnish(root: string): void {
    installPackage(root, modules)
    fs.mkdirSync(path.join(root, path.dirname(nodes.before)), { recursive: true })
    fs.copyFileSync(process.execPath, path.join(root, nodes.before))
    const user = spawnSync('chroot', [root, 'useradd', '--create-home', '--shell', '/bin/bash', 'ada'])
    if (user.status !== 0) throw new Error('no user could be added')
  }

  /** As who installs the service: root for one of the machine, with what that takes, else ada. */
  perdura(...words: readonly string[]): Ended {
    const { scope } = this.place
    if (scope === 'user') return this.ada(...words)
    const isService = words[0] === 'service'
    return this.container.run(
      'env',
      'HOME=/root',
      `PERDURA_HOME=${this.place.home}`,
      this.node,
      program,
      ...words,
      ...(isService ? ['--system'] : []),
    )
  }

  /** As ada, whose agents they are. */
  ada(...words: readonly string[]): Ended {
    return this.asAda(...this.#ofAda(words))
  }

  /** As ada at a terminal of her own, where she types an answer. */
  adaAtTerminal(answer: string, ...words: readonly string[]): Ended {
    return this.asAda(
      'sh',
      '-c',
      `echo ${answer} | script --quiet --return --command "$0" /dev/null`,
      this.#ofAda(words).join(' '),
    )
  }

  #ofAda(words: readonly string[]): string[] {
    return ['env', 'HOME=/home/ada', `PERDURA_HOME=${this.place.home}`, this.node, program, ...words]
  }

  asAda(...words: readonly string[]): Ended {
    return this.container.run('runuser', '-u', 'ada', '--', ...words)
  }

  systemctl(...words: readonly string[]): Ended {
    if (this.place.scope === 'system') return this.container.run('systemctl', ...words)
    return this.asAda('env', 'XDG_RUNTIME_DIR=/run/user/1000', 'systemctl', '--user', ...words)
  }

  property(name: string): string {
    return this.systemctl('show', 'perdura', `--property=${name}`, '--value').stdout.trim()
  }

  get daemonPid(): number {
    return Number(this.property('MainPID'))
  }

  /** By name, of those whose process lives. */
  agents(): Record<string, number> {
    const folder = path.join(this.container.root, this.place.home, 'agents')
    const names = fs.existsSync(folder) ? fs.readdirSync(folder) : []
    return Object.fromEntries(
      names.flatMap((name): [string, number][] => {
        const file = path.join(folder, name, 'agent.pid')
        if (!fs.existsSync(file)) return []
        const { pid } = JSON.parse(fs.readFileSync(file, 'utf8')) as { pid: number }
        return this.isAlive(pid) ? [[name, pid]] : []
      }),
    )
  }

  isAlive(pid: number): boolean {
    return pid > 0 && this.container.run('test', '-d', `/proc/${pid}`).code === 0
  }

  /** All that runs of Perdura, whoever started it. */
  processes(): string[] {
    const { stdout } = this.container.run('ps', '-eo', 'pid=,args=')
    return stdout.split('\n').filter((line) => line.includes(program))
  }

  kill(pid: number, signal: string): void {
    this.container.run('kill', `-${signal}`, String(pid))
  }

  /** Has a process of Node do nothing but turn in a loop from now on, by its own inspector. */
  keepBusy(pid: number): void {
    this.kill(pid, 'USR1')
    const script = `
      const ask = async () => (await fetch('http://127.0.0.1:9229/json/list')).json()
      const list = async (tries) => ask().catch(async (error) => {
        if (tries === 0) throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
        return list(tries - 1)
      })
      const [{ webSocketDebuggerUrl }] = await list(100)
      const socket = new WebSocket(webSocketDebuggerUrl)
      await new Promise((resolve) => socket.addEventListener('open', resolve))
      socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: 'for (;;);' } }))
      await new Promise((resolve) => setTimeout(resolve, 200))
      process.exit()`
    const { code, stderr } = this.asAda(this.node, '--input-type=module', '--eval', script)
    if (code !== 0) throw new Error(`the process cannot be kept busy: ${stderr}`)
  }

  journal(): string {
    const words = ['-b', '--no-pager', '-n', '60', '-o', 'cat', '_UID=1000', '+', 'UNIT=perdura.service']
    return this.container.run('journalctl', ...words).stdout
  }

  until(what: string, holds: () => boolean, waitMs?: number): Promise<number> {
    return this.container.until(what, holds, waitMs)
  }
}
