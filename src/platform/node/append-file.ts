import fs from 'node:fs'
import { dirname } from 'node:path'
import type { AppendFile } from '../append-file.ts'

/** More than that is not read: it is not one of ours. */
const readBytesMax = 16 * 1_048_576

/** Opened for each write: a few lines a minute are not worth a descriptor for each of a hundred agents. */
export function createAppendFile(path: string): AppendFile {
  const older = `${path}.1`
  let torn: boolean | undefined
  return {
    read: () => readWhole(older) + readWhole(path),
    append(lines, { sync = false } = {}) {
      fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      torn ??= isTorn(path)
      const file = fs.openSync(path, 'a', 0o600)
      try {
        const bytes = Buffer.from(torn ? `\n${lines}` : lines)
        // What of it is written when it fails is not known.
        torn = true
        for (let written = 0; written < bytes.length;) written += fs.writeSync(file, bytes, written)
        torn = false
        if (sync) fs.fdatasyncSync(file)
      } finally {
        fs.closeSync(file)
      }
    },
    get sizeBytes() {
      return fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
    },
    rotate() {
      if (fs.existsSync(path)) fs.renameSync(path, older)
      torn = false
    },
  }
}

function readWhole(path: string): string {
  const size = fs.statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined || size > readBytesMax) return ''
  const text = fs.readFileSync(path, 'utf8')
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function isTorn(path: string): boolean {
  const size = fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return false
  const file = fs.openSync(path, 'r')
  try {
    const last = Buffer.alloc(1)
    return fs.readSync(file, last, 0, 1, size - 1) === 1 && last.toString() !== '\n'
  } finally {
    fs.closeSync(file)
  }
}
