import fs from 'node:fs'
import { formatLogLine } from '../log-line.ts'
import type { LogSink } from '../logger.ts'

export interface LogFileOptions {
  readonly path: string
  /** Size at which a file is set aside as `path.1`. Default 10 MiB; at least 64 KiB. */
  readonly fileBytesMax?: number
  /** Files in all, `path` and `path.1` to `path.<n-1>`; the oldest goes. Default 5; at least 1. */
  readonly filesMax?: number
}

export interface LogFile extends LogSink {
  close(): void
}

/**
 * Appends lines to a file of bounded size. Each line is written at once, so that the last one before a kill is
 * there. A file that somebody removed or set aside is made again. What cannot be written (a full disk) is counted,
 * and the count is logged as `log:lines:dropped` once there is room again.
 */
export function openLogFile(options: LogFileOptions): LogFile {
  const { path, filesMax = 5 } = options
  const fileBytesMax = Math.max(64 * 1024, options.fileBytesMax ?? 10 * 1024 * 1024)
  let file: { readonly descriptor: number; readonly inode: number; sizeBytes: number } | undefined
  let dropped = 0
  let closed = false
  /** The last line is incomplete: the process was killed, or the disk was full, in its middle. */
  let torn = false

  function open(): { readonly descriptor: number; readonly inode: number; sizeBytes: number } {
    const descriptor = fs.openSync(path, 'a+', 0o600)
    const { ino, size } = fs.fstatSync(descriptor)
    const last = Buffer.alloc(1)
    torn = size > 0 && fs.readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString() !== '\n'
    return { descriptor, inode: ino, sizeBytes: size }
  }

  function close(): void {
    if (file !== undefined) fs.closeSync(file.descriptor)
    file = undefined
  }

  function rotate(): void {
    close()
    if (filesMax <= 1) {
      fs.truncateSync(path)
      return
    }
    for (let index = filesMax - 1; index > 0; index -= 1) {
      const from = index === 1 ? path : `${path}.${index - 1}`
      if (fs.existsSync(from)) fs.renameSync(from, `${path}.${index}`)
    }
  }

  function append(line: string): void {
    const there = fs.statSync(path, { throwIfNoEntry: false })
    if (file !== undefined && file.inode !== there?.ino) close()
    file ??= open()
    // Another process may append to it as well.
    if (there !== undefined) file.sizeBytes = Math.max(file.sizeBytes, there.size)
    if (file.sizeBytes > 0 && file.sizeBytes + Buffer.byteLength(line) > fileBytesMax) {
      rotate()
      file = open()
    }
    const bytes = Buffer.from(torn ? `\n${line}` : line)
    for (let written = 0; written < bytes.length;) {
      const count = fs.writeSync(file.descriptor, bytes, written)
      written += count
      file.sizeBytes += count
      torn = written < bytes.length
    }
  }

  return {
    write(line) {
      if (closed) return
      try {
        if (dropped > 0) {
          append(
            formatLogLine({
              timeMs: Date.now(),
              level: 'warn',
              event: 'log:lines:dropped',
              fields: { dropped },
            }),
          )
          dropped = 0
        }
        append(line)
      } catch {
        dropped += 1
      }
    },
    close() {
      closed = true
      close()
    },
  }
}
