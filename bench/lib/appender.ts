import { fdatasyncSync, openSync, writevSync } from 'node:fs'

export interface Appender {
  /** `done` is called once the bytes are on the disk. */
  append(bytes: Uint8Array, done: () => void): void
}

/** Appends to a growing file; what is appended in one turn of the event loop shares one `fdatasync`. */
export function createAppender(path: string): Appender {
  const file = openSync(path, 'a')
  let waiting: { readonly bytes: Uint8Array; readonly done: () => void }[] = []
  const flush = (): void => {
    const batch = waiting
    waiting = []
    writevSync(
      file,
      batch.map(({ bytes }) => bytes),
    )
    fdatasyncSync(file)
    for (const { done } of batch) done()
  }
  return {
    append(bytes, done) {
      waiting.push({ bytes, done })
      if (waiting.length === 1) setImmediate(flush)
    },
  }
}
