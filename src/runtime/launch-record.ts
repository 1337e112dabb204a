import type { Disk } from '../platform/disk.ts'
import { readJson } from './process-record.ts'

/** What an agent was last started from, so that its name is enough the next time. */
export type LaunchRecord = { readonly kind: 'reflex' } | { readonly kind: 'file'; readonly path: string }

export function readLaunchRecord(disk: Disk, path: string): LaunchRecord | undefined {
  const definition = readJson(disk, path)?.['definition'] as
    | { kind?: unknown; path?: unknown }
    | null
    | undefined
  if (definition?.kind === 'reflex') return { kind: 'reflex' }
  if (definition?.kind === 'file' && typeof definition.path === 'string') {
    return { kind: 'file', path: definition.path }
  }
  return undefined
}

/** Writes it if it says something new. */
export function writeLaunchRecord(disk: Disk, path: string, name: string, launch: LaunchRecord): void {
  const text = `${JSON.stringify({ name, definition: launch })}\n`
  const known = disk.readFile(path)
  if (known !== undefined && Buffer.from(known).toString('utf8') === text) return
  disk.replaceFile(path, Buffer.from(text))
}
