import fs from 'node:fs'
import { dirname } from 'node:path'
import type { MarkFile } from '../mark-file.ts'

/** Always of this length: written over, nothing of the line before is left, and a full disk has room for it. */
const lengthBytes = 200

export function createMarkFile(path: string): MarkFile {
  return {
    read() {
      let file: number
      try {
        file = fs.openSync(path, 'r')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
        throw error
      }
      try {
        const bytes = Buffer.alloc(lengthBytes)
        return bytes.toString('utf8', 0, fs.readSync(file, bytes, 0, lengthBytes, 0))
      } finally {
        fs.closeSync(file)
      }
    },
    write(line) {
      fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      const file = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_CREAT, 0o600)
      try {
        fs.writeSync(file, Buffer.from(`${line.trimEnd().padEnd(lengthBytes - 1)}\n`), 0, lengthBytes, 0)
      } finally {
        fs.closeSync(file)
      }
    },
  }
}
