import { PerduraError } from '../../errors.ts'
import type { Disk } from '../../platform/disk.ts'
import { readJson } from '../../platform/json-file.ts'

/** Left in the folder of an agent that was exported: what starts it there would be a second one of it. */
export interface Moved {
  /** Wall-clock ms. */
  readonly at: number
  /** Of the export, as its manifest has it. */
  readonly exportId: string
  /** Where the export was written to. */
  readonly file: string
}

export function writeMoved(disk: Disk, path: string, moved: Moved): void {
  disk.replaceFile(path, Buffer.from(`${JSON.stringify(moved)}\n`))
}

/** Undefined where the agent was not exported; what cannot be read counts as a marker all the same. */
export function readMoved(disk: Disk, path: string): Moved | undefined {
  if (!disk.exists(path)) return undefined
  const { at, exportId, file } = readJson(disk, path) ?? {}
  return {
    at: typeof at === 'number' ? at : 0,
    exportId: typeof exportId === 'string' ? exportId : '',
    file: typeof file === 'string' ? file : '',
  }
}

/** ERR_AGENT_MOVED where the agent was exported from here. */
export function refuseMoved(disk: Disk, path: string, name: string): void {
  const moved = readMoved(disk, path)
  if (moved === undefined) return
  const { at, file } = moved
  const when = at === 0 ? '' : ` on ${new Date(at).toISOString()}`
  throw new PerduraError(
    'ERR_AGENT_MOVED',
    `${name} was exported from here${when}${file === '' ? '' : ` (to ${file})`}, and goes on where that was imported: start it ` +
      'there. If it was imported nowhere and never will be, start it here with --despite-move; its hub refuses it all the ' +
      'same once the other has been there',
    { details: { agent: name, file, at } },
  )
}

/** It is to live here again. */
export function removeMoved(disk: Disk, path: string): void {
  if (disk.exists(path)) disk.remove(path)
}
