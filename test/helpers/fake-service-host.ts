import type { ProgramEnd, ServiceHost } from '../../src/daemon/service/host.ts'
import type { Account } from '../../src/daemon/service/spec.ts'

const done: ProgramEnd = { status: 0, stdout: '', stderr: '' }

/** A machine in memory, with a systemd that does what it is told. What a real one does is for the campaign to show. */
export class FakeServiceHost implements ServiceHost {
  readonly platform: string = 'linux'
  environment: Record<string, string | undefined> = {}
  uid = 1000
  version = 252
  readonly files = new Map<string, string>([
    ['/run/systemd/system', ''],
    ['/run/user/1000/systemd/private', ''],
  ])
  readonly links = new Map<string, string>()
  readonly accounts: Account[] = [
    { name: 'root', uid: 0, gid: 0, home: '/root' },
    { name: 'ada', uid: 1000, gid: 1000, home: '/home/ada' },
  ]
  readonly commands: string[] = []
  readonly enabled = new Set<string>()
  readonly active = new Set<string>()
  readonly folders: string[] = []
  readonly signals: string[] = []
  /** Whether a file was changed that systemd has not read again. */
  needsReload = false
  /** What answers in place of systemctl, where it is to fail. */
  failure: ProgramEnd | undefined

  async run(program: string, words: readonly string[]): Promise<ProgramEnd> {
    this.commands.push([program, ...words].join(' '))
    if (program === 'loginctl') this.files.set(`/var/lib/systemd/linger/${words[1] ?? ''}`, '')
    if (program !== 'systemctl') return done
    if (words[0] === '--version') return { ...done, stdout: `systemd ${this.version} (test)\n` }
    if (this.failure !== undefined) return this.failure
    const [verb, unit = ''] = words[0] === '--user' ? words.slice(1) : words
    switch (verb) {
      case 'daemon-reload':
        this.needsReload = false
        return done
      case 'enable':
        this.enabled.add(unit)
        return done
      case 'disable':
        this.enabled.delete(unit)
        return done
      case 'start':
      case 'restart':
        this.active.add(unit)
        return done
      case 'stop':
        this.active.delete(unit)
        return done
      case 'show': {
        const isActive = this.active.has(unit)
        const facts = [
          `ActiveState=${isActive ? 'active' : 'inactive'}`,
          `SubState=${isActive ? 'running' : 'dead'}`,
          'Result=success',
          `MainPID=${isActive ? 4242 : 0}`,
          `UnitFileState=${this.enabled.has(unit) ? 'enabled' : 'disabled'}`,
          'NRestarts=3',
          `NeedDaemonReload=${this.needsReload ? 'yes' : 'no'}`,
          `StatusText=${isActive ? 'two agents run' : ''}`,
        ]
        return { ...done, stdout: `${facts.join('\n')}\n` }
      }
      default:
        return done
    }
  }

  exists(file: string): boolean {
    return this.files.has(file) || this.links.has(file)
  }

  resolve(file: string): string | undefined {
    return this.links.get(file) ?? (this.files.has(file) ? file : undefined)
  }

  read(file: string): string | undefined {
    return this.files.get(file)
  }

  write(file: string, text: string): void {
    this.files.set(file, text)
  }

  remove(file: string): void {
    this.files.delete(file)
  }

  makeFolder(folder: string, owner: Account): void {
    this.folders.push(`${folder} of ${owner.name}`)
  }

  async account(name?: string): Promise<Account | undefined> {
    return this.accounts.find((account) =>
      name === undefined ? account.uid === this.uid : account.name === name,
    )
  }

  list(folder: string): string[] {
    const inside = [...this.files.keys()].filter((file) => file.startsWith(`${folder}/`))
    return [...new Set(inside.map((file) => file.slice(folder.length + 1).split('/')[0] ?? ''))]
  }

  signal(pid: number, name: string): boolean {
    this.signals.push(`${name} ${pid}`)
    if (name === 'SIGKILL') this.files.delete(`/proc/${pid}/cgroup`)
    return true
  }

  async sleep(): Promise<void> {}
}
