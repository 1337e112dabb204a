import fs from 'node:fs'
import { dirname } from 'node:path'
import type { AppendFile } from '../append-file.ts'

/** Of a file that is larger, the end is read: one of ours is set aside long before. */
const readBytesMax = 4 * 1_048_576

/** Opened for each write: a few lines a minute are not worth a descriptor for each of a hundred agents. */
export function createAppendFile(path: string): AppendFile {
  const older = `${path}.1`
  let torn: boolean | undefined
  return {
    read: () => readEnd(older) + readEnd(path),
    get passedOverBytes() {
      return [older, path].reduce((sum, file) => sum + Math.max(0, sizeOf(file) - readBytesMax), 0)
    },
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
      return sizeOf(path)
    },
    rotate() {
      if (fs.existsSync(path)) fs.renameSync(path, older)
      torn = false
    },
  }
}

function readEnd(path: string): string {
  const sizeBytes = sizeOf(path)
  if (sizeBytes === 0) return ''
  const from = Math.max(0, sizeBytes - readBytesMax)
  const text = from === 0 ? fs.readFileSync(path, 'utf8') : readFrom(path, from)
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

/** From the first line that begins there. */
function readFrom(path: string, from: number): string {
  const file = fs.openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(readBytesMax)
    const text = bytes.toString('utf8', 0, fs.readSync(file, bytes, 0, readBytesMax, from))
    return text.slice(text.indexOf('\n') + 1)
  } finally {
    fs.closeSync(file)
  }
}

function sizeOf(path: string): number {
  return fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function isTorn(path: string): boolean {
  const size = sizeOf(path)
  if (size === 0) return false
  const file = fs.openSync(path, 'r')
  try {
    const last = Buffer.alloc(1)
    return fs.readSync(file, last, 0, 1, size - 1) === 1 && last.toString() !== '\n'
  } finally {
    fs.closeSync(file)
  }
}
