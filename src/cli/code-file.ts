import fs from 'node:fs'

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
