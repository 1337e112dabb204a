import fs from 'node:fs'
import { formatLogLine } from '../log-line.ts'
import type { LogFields } from '../log.ts'
import type { LogSink } from '../logger.ts'
import { listRotated, reserveNext } from './rotated-logs.ts'

/** Bounds of a log; see `rotated-logs.ts` for its files. */
export interface LogBounds {
  /** Size at which the file is set aside. Default 10 MiB; at least 64 KiB. */
  readonly fileBytesMax?: number
  /** Age of its first line at which it is set aside, ms. Default 7 days; at least a minute. */
  readonly fileAgeMs?: number
  /** Files in all, the one that is written and those set aside; the oldest goes. Default 10; at least 1, with an archive 2. */
  readonly filesMax?: number
  /** Time since its last line after which a file that was set aside goes, ms. Default 90 days. */
  readonly ageMs?: number
  /** Whether files that were set aside are compressed (gzip), which makes a log about ten times smaller. Default true. */
  readonly compress?: boolean
  /**
   * Folder that takes the files which are kept no longer; without it they are removed. What it has is the owner's and has no
   * bound. While it cannot be used (not mounted, full), twice as many files are kept here; then the oldest goes all the same.
   */
  readonly archive?: string
}

export interface LogFileOptions extends LogBounds {
  readonly path: string
}

export interface LogFile extends LogSink {
  /** Other bounds from now on. */
  bound(bounds: LogBounds): void
  close(): void
}

interface OpenFile {
  readonly descriptor: number
  readonly inode: number
  /** When its first line was written, wall-clock ms. */
  readonly begunAt: number
  sizeBytes: number
}

/** When what was set aside is looked after: a little after that, and now and then for what grows old. */
const soonMs = 1_500
const laterMs = 3_600_000

/**
 * Appends lines to a file that is set aside under the next number when it is large or old. Each line is written at once, so
 * that the last one before a kill is there; several processes may write. A file that somebody removed or set aside is made
 * again. What cannot be written (a full disk) is counted, and the count is logged as `log:lines:dropped` once there is room
 * again. What was set aside is compressed, archived and removed in the background (`log-upkeep.ts`).
 */
export function openLogFile({ path, ...initial }: LogFileOptions): LogFile {
  let bounds = withDefaults(initial)
  let file: OpenFile | undefined
  let dropped = 0
  let closed = false
  /** The last line is incomplete: the process was killed, or the disk was full, in its middle. */
  let torn = false
  let timer: NodeJS.Timeout | undefined
  let dueMs = 0
  let looking = false
  /** When it is to be done again after this time. */
  let nextMs = laterMs
  /** The last thing that went wrong in the background; said once, and again after it went well. */
  let trouble: string | undefined

  function open(): OpenFile {
    const descriptor = fs.openSync(path, 'a+', 0o600)
    const { ino, size, birthtimeMs } = fs.fstatSync(descriptor)
    const last = Buffer.alloc(1)
    torn = size > 0 && fs.readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString() !== '\n'
    const begunAt = size === 0 ? Date.now() : (firstTime(descriptor) ?? birthtimeMs)
    return { descriptor, inode: ino, begunAt, sizeBytes: size }
  }

  function close(): void {
    if (file !== undefined) fs.closeSync(file.descriptor)
    file = undefined
  }

  function setAside({ inode }: OpenFile): void {
    close()
    if (bounds.filesMax <= 1) {
      fs.truncateSync(path)
      return
    }
    const target = reserveNext(path)
    try {
      // Another process may have set it aside since we looked, and what is there now is a new one.
      if (inodeOf(path) === inode) fs.renameSync(path, target)
      else fs.unlinkSync(target)
    } catch (error) {
      fs.rmSync(target, { force: true })
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    // Now, since files may come faster than they can be compressed.
    const kept = bounds.archive === undefined ? bounds.filesMax - 1 : 2 * bounds.filesMax
    for (const { plain, compressed } of listRotated(path).slice(0, -kept)) {
      for (const name of [plain, compressed]) if (name !== undefined) fs.rmSync(name, { force: true })
    }
    schedule(soonMs)
  }

  function append(line: string): void {
    const there = fs.statSync(path, { throwIfNoEntry: false })
    if (file !== undefined && file.inode !== there?.ino) close()
    file ??= open()
    // Another process may append to it as well.
    if (there !== undefined) file.sizeBytes = Math.max(file.sizeBytes, there.size)
    const isFull = file.sizeBytes + Buffer.byteLength(line) > bounds.fileBytesMax
    // A clock that was set back makes no file old.
    if (file.sizeBytes > 0 && (isFull || Date.now() - file.begunAt > bounds.fileAgeMs)) {
      setAside(file)
      file = open()
    }
    const bytes = Buffer.from(torn ? `\n${line}` : line)
    for (let written = 0; written < bytes.length;) {
      const count = fs.writeSync(file.descriptor, bytes, written)
      written += count
      file.sizeBytes += count
      torn = written < bytes.length
    }
    // Set aside, compressed and removed since we looked (we were suspended): the line is nowhere.
    if (fs.fstatSync(file.descriptor).nlink === 0 && inodeOf(path) !== file.inode) {
      close()
      file = open()
      file.sizeBytes += fs.writeSync(file.descriptor, line)
    }
  }

  function warn(event: string, fields: LogFields): void {
    append(formatLogLine({ timeMs: Date.now(), level: 'warn', event, fields }))
  }

  function write(line: string): void {
    if (closed) return
    try {
      if (dropped > 0) {
        warn('log:lines:dropped', { dropped })
        dropped = 0
      }
      append(line)
    } catch {
      dropped += 1
    }
  }

  /** At that time, or when it is due already: files that are set aside in quick succession must not put it off for ever. */
  function schedule(delayMs: number): void {
    const atMs = performance.now() + delayMs
    if (looking) nextMs = Math.min(nextMs, delayMs)
    if (closed || looking || (timer !== undefined && dueMs <= atMs)) return
    clearTimeout(timer)
    dueMs = atMs
    timer = setTimeout(() => {
      timer = undefined
      looking = true
      nextMs = laterMs
      void lookAfter().finally(() => {
        looking = false
        schedule(nextMs)
      })
    }, delayMs)
    timer.unref()
  }

  async function lookAfter(): Promise<void> {
    const { filesMax, ageMs, compress, archive } = bounds
    try {
      // Loaded only by who has something to look after.
      if (listRotated(path).length === 0) return
      const { keepUp } = await import('./log-upkeep.ts')
      const soon = await keepUp({ path, keptMax: filesMax - 1, keptMs: ageMs, compress, archive })
      if (soon) schedule(soonMs)
      trouble = undefined
    } catch (error) {
      const { message } = error as Error
      if (message === trouble || closed) return
      trouble = message
      try {
        warn('log:upkeep:failed', { error: error as Error })
      } catch {
        // The disk is full, most likely; it is tried again.
      }
    }
  }

  // What the process before has left.
  schedule(soonMs)
  return {
    write,
    bound(changed) {
      bounds = withDefaults(changed)
      schedule(soonMs)
    },
    close() {
      closed = true
      clearTimeout(timer)
      close()
    },
  }
}

function withDefaults(bounds: LogBounds): Required<Omit<LogBounds, 'archive'>> & LogBounds {
  return {
    fileBytesMax: Math.max(64 * 1024, bounds.fileBytesMax ?? 10 * 1024 * 1024),
    fileAgeMs: Math.max(60_000, bounds.fileAgeMs ?? 7 * dayMs),
    filesMax: Math.max(bounds.archive === undefined ? 1 : 2, bounds.filesMax ?? 10),
    ageMs: bounds.ageMs ?? 90 * dayMs,
    compress: bounds.compress ?? true,
    ...(bounds.archive !== undefined && { archive: bounds.archive }),
  }
}

const dayMs = 86_400_000

/** What file systems say of a file's birth differs, and a copy has another one. */
function firstTime(descriptor: number): number | undefined {
  const head = Buffer.alloc(128)
  const text = head.toString('latin1', 0, fs.readSync(descriptor, head, 0, head.length, 0))
  const timeMs = Date.parse(/"time":"([^"]{20,30})"/.exec(text)?.[1] ?? '')
  return Number.isNaN(timeMs) ? undefined : timeMs
}

function inodeOf(path: string): number | undefined {
  return fs.statSync(path, { throwIfNoEntry: false })?.ino
}
