import { createHash } from 'node:crypto'
import type { Clock } from '../platform/clock.ts'
import type { DiskFile } from '../platform/disk.ts'

/** Less than a millisecond of work. */
const pieceBytes = 262_144

/** Runs steps of about a millisecond each, and lets everything else go on between them. */
export async function inPieces<T>(clock: Pick<Clock, 'defer'>, steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    await new Promise<void>((resolve) => clock.defer(resolve))
  }
}

/** Runs them one after the other. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** SHA-256 (hex) of a file that nobody writes to; yields between pieces. */
export function* digestOf(file: DiskFile): Generator<void, { sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256')
  const { sizeBytes } = file
  // One for all: V8 lets tens of megabytes of them pile up before it collects any.
  const piece = Buffer.alloc(pieceBytes)
  for (let at = 0; at < sizeBytes; at += pieceBytes) {
    hash.update(file.read(at, Math.min(pieceBytes, sizeBytes - at), piece))
    yield
  }
  return { sha256: hash.digest('hex'), sizeBytes }
}
