import { isJsonObject, type Json, type JsonObject } from '../json.ts'
import type { Disk } from './disk.ts'

/** A small JSON object from a file; undefined when it is missing or is not one. */
export function readJson(disk: Pick<Disk, 'readFile'>, path: string): JsonObject | undefined {
  const bytes = disk.readFile(path)
  if (bytes === undefined) return undefined
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as Json
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
