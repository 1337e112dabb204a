import type { Disk } from '../platform/disk.ts'
import { readJson } from '../platform/json-file.ts'

/** What an agent was last started from, so that its name is enough the next time. */
export type LaunchSource = { readonly kind: 'reflex' } | { readonly kind: 'file'; readonly path: string }

export interface LaunchRecord {
  readonly source: LaunchSource
  /** The hub that was asked for; undefined where none was. */
  readonly hub: string | undefined
}

export function readLaunchRecord(disk: Disk, path: string): LaunchRecord | undefined {
  const record = readJson(disk, path)
  const source = sourceOf(record?.['definition'])
  if (source === undefined) return undefined
  const hub = record?.['hub']
  return { source, hub: typeof hub === 'string' ? hub : undefined }
}

/** Writes it if it says something new. */
export function writeLaunchRecord(disk: Disk, path: string, name: string, launch: LaunchRecord): void {
  const { source, hub } = launch
  const text = `${JSON.stringify({ name, definition: source, hub })}\n`
  const known = disk.readFile(path)
  if (known !== undefined && Buffer.from(known).toString('utf8') === text) return
  disk.replaceFile(path, Buffer.from(text))
}

/** Says of an agent that was imported where its code was; it is not here, and its name alone is not enough to start it. */
export function writeImportRecord(
  disk: Disk,
  path: string,
  name: string,
  { codePath, hub }: { readonly codePath: string; readonly hub: string | undefined },
): void {
  const definition = { kind: 'elsewhere', path: codePath }
  disk.replaceFile(path, Buffer.from(`${JSON.stringify({ name, definition, hub })}\n`))
}

/** Where the code of an agent was that was imported and has not been started since; undefined for any other. */
export function readImportRecord(
  disk: Disk,
  path: string,
): { readonly codePath: string; readonly hub: string | undefined } | undefined {
  const record = readJson(disk, path)
  const definition = record?.['definition'] as { kind?: unknown; path?: unknown } | null | undefined
  if (definition?.kind !== 'elsewhere' || typeof definition.path !== 'string') return undefined
  const hub = record?.['hub']
  return { codePath: definition.path, hub: typeof hub === 'string' ? hub : undefined }
}

function sourceOf(value: unknown): LaunchSource | undefined {
  const definition = value as { kind?: unknown; path?: unknown } | null | undefined
  if (definition?.kind === 'reflex') return { kind: 'reflex' }
  if (definition?.kind === 'file' && typeof definition.path === 'string') {
    return { kind: 'file', path: definition.path }
  }
  return undefined
}
