import { open, stat, type FileHandle } from 'node:fs/promises'
import { listRotated, type RotatedLog } from '../../platform/node/rotated-logs.ts'
import { compressedLines, endOfWholeLines, linesBefore, linesBetween } from './line-reading.ts'

export interface LogSourceOptions {
  readonly path: string
  /** What cannot be read of it (damaged, not ours to read): the rest is read all the same. */
  readonly onFailure: (file: string, error: Error) => void
}

/**
 * A log that is written by other processes, set aside and compressed under our hands (`rotated-logs.ts`). Opening it fixes the
 * moment between what there was (`since`, `last`) and what comes (`more`): no line is in both, none is in neither.
 *
 * The file that is written is held open and read by its descriptor, so whatever becomes of its name, its rest can be read.
 */
export class LogSource {
  readonly #path: string
  readonly #onFailure: LogSourceOptions['onFailure']
  /** The file that is written; undefined while there is none. */
  #file: FileHandle | undefined
  #inode = 0
  /** Up to where it was read. */
  #offset = 0
  /** What there was at that moment. */
  #rotated: readonly RotatedLog[] = []
  /** The newest number that was set aside when the file was opened: what the file becomes has a higher one. */
  #sequence = 0

  private constructor({ path, onFailure }: LogSourceOptions) {
    this.#path = path
    this.#onFailure = onFailure
  }

  /** With `follow` a line that is not whole yet is left to `more`. */
  static async open(options: LogSourceOptions & { readonly follow: boolean }): Promise<LogSource> {
    const source = new LogSource(options)
    source.#rotated = await source.#openCurrent()
    const { size = 0 } = (await source.#file?.stat()) ?? {}
    source.#offset =
      source.#file === undefined || !options.follow ? size : await endOfWholeLines(source.#file, size)
    return source
  }

  /** What there was, the oldest first; without files whose last line is older than that. */
  async *since(sinceMs: number): AsyncGenerator<string[]> {
    for (const rotated of this.#rotated) {
      const file = rotated.plain ?? rotated.compressed ?? ''
      const facts = await stat(file).catch(() => undefined)
      // The clock of a file system may be a little behind.
      if (facts !== undefined && facts.mtimeMs < sinceMs - 1_000) continue
      yield* this.#linesOf(rotated)
    }
    if (this.#file !== undefined) yield* linesBetween(this.#file, 0, this.#offset)
  }

  /**
   * The last of what there was, the oldest first: at most so many of which `take` made something. Read from the end as far as
   * needed; only a compressed file has to be read from its beginning.
   */
  async last<Taken>(count: number, take: (line: string) => Taken | undefined): Promise<Taken[]> {
    const parts: Taken[][] = []
    let missing = count
    const add = (part: Taken[]): void => {
      parts.unshift(part)
      missing -= part.length
    }
    if (this.#file !== undefined) add(await lastBefore(this.#file, this.#offset, missing, take))
    for (const entry of this.#rotated.toReversed()) {
      if (missing <= 0) break
      const plain = entry.plain === undefined ? undefined : await this.#openIfThere(entry.plain)
      if (plain === undefined) add(await lastOf(this.#linesOf(entry), missing, take))
      else {
        try {
          add(await lastBefore(plain, (await plain.stat()).size, missing, take))
        } finally {
          await plain.close()
        }
      }
    }
    return parts.flat()
  }

  /** Whole lines that have come since. */
  async *more(): AsyncGenerator<string[]> {
    for (;;) {
      const isCurrent = (await this.#inodeOfPath()) === this.#inode
      // Looked first: what was written before it was set aside is read now.
      if (this.#file !== undefined) yield* this.#rest(this.#file, isCurrent)
      if (isCurrent) return
      yield* await this.#next()
      if (this.#file === undefined) return
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async *#rest(file: FileHandle, isCurrent: boolean): AsyncGenerator<string[]> {
    const { size } = await file.stat()
    // Emptied, by who may have one file only.
    if (size < this.#offset) this.#offset = 0
    const end = isCurrent ? await endOfWholeLines(file, size) : size
    if (end <= this.#offset) return
    const from = this.#offset
    this.#offset = end
    yield* linesBetween(file, from, end)
  }

  /** Goes on to the file that is written now. What was set aside in between, all of it, comes before. */
  async #next(): Promise<AsyncGenerator<string[]>> {
    const before = { sequence: this.#sequence, inode: this.#inode, had: this.#file !== undefined }
    await this.close()
    const rotated = await this.#openCurrent()
    this.#offset = 0
    // Everything was removed, and numbers have begun anew.
    const seen = (rotated.at(-1)?.sequence ?? 0) < before.sequence ? 0 : before.sequence
    const unseen = rotated.filter(({ sequence }) => sequence > seen)
    const own = before.had ? await this.#find(unseen, before.inode, seen + 1) : undefined
    return this.#linesOfAll(unseen.filter((entry) => entry !== own))
  }

  /** What the file that was read has become: known by its inode, or once it is compressed by its number. */
  async #find(
    entries: readonly RotatedLog[],
    inode: number,
    sequence: number,
  ): Promise<RotatedLog | undefined> {
    for (const entry of entries) {
      const facts = entry.plain === undefined ? undefined : await stat(entry.plain).catch(() => undefined)
      if (facts?.ino === inode) return entry
    }
    return entries.find((entry) => entry.sequence === sequence && entry.compressed !== undefined)
  }

  async *#linesOfAll(entries: readonly RotatedLog[]): AsyncGenerator<string[]> {
    for (const entry of entries) yield* this.#linesOf(entry)
  }

  /** Opens the file that is written, and lists what was set aside before it. */
  async #openCurrent(): Promise<readonly RotatedLog[]> {
    for (;;) {
      this.#file = await this.#openIfThere(this.#path)
      const rotated = this.#list()
      this.#sequence = rotated.at(-1)?.sequence ?? 0
      this.#inode = (await this.#file?.stat())?.ino ?? 0
      // Set aside between the two: it may be among those, and would be read twice.
      if (this.#file === undefined || (await this.#inodeOfPath()) === this.#inode) return rotated
      await this.close()
    }
  }

  async #openIfThere(path: string): Promise<FileHandle | undefined> {
    try {
      return await open(path, 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#onFailure(path, error as Error)
      return undefined
    }
  }

  #list(): readonly RotatedLog[] {
    try {
      return listRotated(this.#path)
    } catch (error) {
      this.#onFailure(this.#path, error as Error)
      return []
    }
  }

  /** 0 where there is no file: between two, or before the first. */
  async #inodeOfPath(): Promise<number> {
    return (await stat(this.#path).catch(() => undefined))?.ino ?? 0
  }

  async *#linesOf({ plain, compressed }: RotatedLog): AsyncGenerator<string[]> {
    const file = plain === undefined ? undefined : await this.#openIfThere(plain)
    if (file !== undefined) {
      try {
        yield* linesBetween(file, 0, (await file.stat()).size)
      } finally {
        await file.close()
      }
      return
    }
    // Compressed since it was listed, or removed.
    const name = compressed ?? `${plain}.gz`
    try {
      yield* compressedLines(name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#onFailure(name, error as Error)
    }
  }
}

async function lastBefore<Taken>(
  file: FileHandle,
  end: number,
  count: number,
  take: (line: string) => Taken | undefined,
): Promise<Taken[]> {
  const taken: Taken[] = []
  if (count <= 0) return taken
  for await (const batch of linesBefore(file, end)) {
    for (const line of batch) {
      const one = take(line)
      if (one !== undefined) taken.push(one)
      if (taken.length >= count) return taken.toReversed()
    }
  }
  return taken.toReversed()
}

async function lastOf<Taken>(
  batches: AsyncIterable<string[]>,
  count: number,
  take: (line: string) => Taken | undefined,
): Promise<Taken[]> {
  let taken: Taken[] = []
  for await (const batch of batches) {
    for (const line of batch) {
      const one = take(line)
      if (one !== undefined) taken.push(one)
    }
    // Not each time, which would be quadratic.
    if (taken.length > 2 * count + 1_000) taken = taken.slice(-count)
  }
  return count <= 0 ? [] : taken.slice(-count)
}
