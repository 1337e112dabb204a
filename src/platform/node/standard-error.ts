import fs from 'node:fs'
import type { LogSink } from '../logger.ts'

/**
 * Synchronous, since nothing asynchronous may happen any more. A reader that does not keep up, or is gone, costs the
 * line and nothing else.
 */
export function writeToStandardError(line: string): void {
  const bytes = Buffer.from(line)
  let written = 0
  for (let attempt = 0; attempt < 100 && written < bytes.length; attempt += 1) {
    try {
      written += fs.writeSync(2, bytes, written)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
    }
  }
}

export const standardError: LogSink = { write: writeToStandardError }
