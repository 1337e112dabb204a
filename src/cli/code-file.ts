import fs from 'node:fs'
import type { PastFigures } from '../supervisor/history.ts'

/**
 * When the file of an agent's code was changed, wall-clock ms; 0 where it is gone or cannot be looked at. It never throws: it
 * is asked about agents that have failed, mostly because something is wrong with that very file.
 */
export function codeTime(path: string): number {
  try {
    return fs.statSync(path).mtimeMs
  } catch {
    return 0
  }
}

/** When the last process that has ended was started, as far as anybody knows; wall-clock ms. */
export function lastStart({ ends }: Pick<PastFigures, 'ends'>): number {
  const last = ends.at(-1)
  return last === undefined ? Infinity : last.at - (last.livedMs ?? 0)
}
