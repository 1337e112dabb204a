import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

/** What the figures depend on. */
export interface Environment {
  readonly file_system: string
  readonly cpu: string
  readonly cores: number
  readonly memory_gb: number
  readonly node: string
}

export function describeEnvironment(folder: string): Environment {
  const processors = cpus()
  return {
    file_system: fileSystemOf(folder),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gb: Math.round(totalmem() / 1e9),
    node: process.versions.node,
  }
}

/** Runs with a folder of its own, which is removed afterwards. */
export async function withFolder<T>(
  parent: string | undefined,
  run: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(parent ?? defaultParent(), 'perdura-bench-'))
  try {
    return await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The folder for temporary files, unless that is memory: syncing there costs nothing, and measures nothing. */
function defaultParent(): string {
  if (!/^(tmpfs|ramfs)/.test(fileSystemOf(tmpdir()))) return tmpdir()
  const cache = join(import.meta.dirname, '..', '..', 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  return cache
}

/** `ext4`, `ext4 without a journal`, `xfs`, …; `unknown` where there is no /proc. */
function fileSystemOf(folder: string): string {
  if (!existsSync('/proc/mounts')) return 'unknown'
  const path = realpathSync(folder)
  const mounts = readFileSync('/proc/mounts', 'utf8').trim().split('\n')
  const holding = mounts
    .map((line) => line.split(' '))
    .filter(([, point = '']) => path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`))
    .toSorted(([, a = ''], [, b = '']) => b.length - a.length)
  const [device = '', , type = 'unknown'] = holding[0] ?? []
  return type === 'ext4' && !hasJournal(device) ? 'ext4 without a journal' : type
}

/** The journaling layer of ext4 names its entries `<device>-<inode of the journal>`. */
function hasJournal(device: string): boolean {
  const name = device.split('/').at(-1) ?? ''
  return (
    existsSync('/proc/fs/jbd2') && readdirSync('/proc/fs/jbd2').some((entry) => entry.startsWith(`${name}-`))
  )
}
