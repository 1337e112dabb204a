import fs from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { compressedName, listRotated, listTemporary, temporaryName, type RotatedLog } from './rotated-logs.ts'

export interface LogUpkeepOptions {
  readonly path: string
  /** Files set aside that are kept. */
  readonly keptMax: number
  /** Time since its last line after which a file goes, ms. */
  readonly keptMs: number
  readonly compress: boolean
  /** Where files go that are kept no longer; undefined: nowhere, they are removed. */
  readonly archive: string | undefined
}

/**
 * Time that a file is left alone after it was set aside, ms. A process that looked which file is the log just before may be
 * about to write a last line into it.
 */
const settleMs = 1_000
/** Age of what a compression left behind that was killed, ms: none takes so long. */
const abandonedMs = 600_000

/**
 * Compresses what was set aside, and lets go of what is too much or too old. All of it off the event loop, one file after the
 * other; it can be cut off anywhere and begun again: the compressed file takes its name when it is whole and on the disk, and
 * only then the other one goes. Resolves to whether something is left to be done in a moment. Rejects where the disk refuses,
 * once everything else was tried.
 */
export async function keepUp(options: LogUpkeepOptions): Promise<boolean> {
  const { path: log } = options
  const failures: unknown[] = []
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') failures.push(error)
    }
  }
  for (const leftover of listTemporary(log)) await attempt(() => removeAbandoned(leftover))
  let unsettled = false
  for (const entry of options.compress ? listRotated(log) : []) {
    const { plain, compressed } = entry
    if (plain === undefined) continue
    // Killed between the two steps: the compressed one is whole, else it would not have its name.
    if (compressed !== undefined) await attempt(() => fs.promises.unlink(plain))
    else await attempt(async () => void (unsettled = !(await compressSettled(plain)) || unsettled))
  }
  for (const entry of await surplus(options)) await attempt(() => letGo(entry, options.archive))
  if (failures.length > 0) throw failures[0]
  return unsettled
}

/** False where it was set aside only now. */
async function compressSettled(plain: string): Promise<boolean> {
  const facts = await fs.promises.stat(plain)
  if (Date.now() - facts.ctimeMs < settleMs && Date.now() >= facts.ctimeMs) return false
  // A name that a process took and was killed before it used it.
  if (facts.size === 0) await fs.promises.unlink(plain)
  else await compressFile(plain)
  return true
}

async function compressFile(plain: string): Promise<void> {
  const { createGzip } = await import('node:zlib')
  const unfinished = temporaryName(plain)
  try {
    const source = await fs.promises.open(plain, 'r')
    try {
      const { atime, mtime, size } = await source.stat()
      const target = await fs.promises.open(unfinished, 'wx', 0o600)
      try {
        await pipeline(chunksOf(source), createGzip(), (chunks) => target.writeFile(chunks))
        // Its age is that of its lines.
        await target.utimes(atime, mtime)
        await target.sync()
      } finally {
        await target.close()
      }
      // A late line came after all, or somebody has removed it: not this time.
      if ((await source.stat()).size !== size || (await fs.promises.stat(plain)).size !== size) {
        await fs.promises.rm(unfinished, { force: true })
        return
      }
      await fs.promises.rename(unfinished, compressedName(plain))
    } finally {
      await source.close()
    }
  } catch (error) {
    await fs.promises.rm(unfinished, { force: true })
    throw error
  }
  await fs.promises.unlink(plain)
}

async function* chunksOf(file: fs.promises.FileHandle): AsyncIterable<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(64 * 1024) })
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

/** The oldest beyond the number, and all that are too old. */
async function surplus({ path: log, keptMax, keptMs }: LogUpkeepOptions): Promise<RotatedLog[]> {
  const entries = listRotated(log)
  const tooMany = entries.length - keptMax
  const judged = await Promise.all(
    entries.map(async (entry, at) => {
      const facts = await fs.promises.stat(entry.compressed ?? entry.plain ?? '').catch(() => undefined)
      const old = facts !== undefined && Date.now() - facts.mtimeMs > keptMs
      return at < tooMany || old ? [entry] : []
    }),
  )
  return judged.flat()
}

async function letGo({ plain, compressed }: RotatedLog, archive: string | undefined): Promise<void> {
  for (const file of [plain, compressed]) {
    if (file === undefined) continue
    if (archive === undefined) await fs.promises.unlink(file)
    else await moveTo(archive, file)
  }
}

/**
 * The archive is the owner's: nothing there is ever overwritten or removed. The time of the last line is in the name, so that
 * numbers that begin anew, after everything was removed, do not meet those of before.
 */
async function moveTo(archive: string, file: string): Promise<void> {
  await fs.promises.mkdir(archive, { recursive: true, mode: 0o700 })
  const { mtimeMs } = await fs.promises.stat(file)
  const at = new Date(mtimeMs).toISOString().replaceAll(':', '-')
  const [, base = '', rest = ''] = /^(.*?)(\.\d+(?:\.gz)?)$/.exec(path.basename(file)) ?? []
  const target = path.join(archive, `${base}.${at}${rest}`)
  // Copied, not renamed: an archive is mostly another disk. A copy that was cut off is made again.
  const unfinished = `${target}.${process.pid}.tmp`
  try {
    await fs.promises.copyFile(file, unfinished)
    const copy = await fs.promises.open(unfinished, 'r+')
    try {
      await copy.sync()
    } finally {
      await copy.close()
    }
    await fs.promises.rename(unfinished, target)
  } catch (error) {
    await fs.promises.rm(unfinished, { force: true })
    throw error
  }
  await fs.promises.unlink(file)
}

async function removeAbandoned(leftover: string): Promise<void> {
  const { ctimeMs } = await fs.promises.stat(leftover)
  if (Date.now() - ctimeMs > abandonedMs) await fs.promises.unlink(leftover)
}
