import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'

/** What is read at once: with it, and the longest line, reading takes the same memory however large the log is. */
const chunkBytes = 64 * 1024
/** Ours are 16 KiB at most. What is longer was written by somebody else, and comes in pieces. */
const lineBytesMax = 1024 * 1024
const lineBreak = 0x0a

/** Lines from one place of a file to another, the oldest first, in batches; the last one also where it was not ended. */
export async function* linesBetween(file: FileHandle, from: number, to: number): AsyncGenerator<string[]> {
  yield* splitLines(chunksBetween(file, from, to))
}

/** Lines of a compressed file. Throws where it is damaged, after those before the damage. */
export async function* compressedLines(path: string): AsyncGenerator<string[]> {
  const { createGunzip } = await import('node:zlib')
  const source = createReadStream(path)
  const gunzip = createGunzip()
  source.on('error', (error) => gunzip.destroy(error))
  source.pipe(gunzip)
  try {
    yield* splitLines(gunzip as AsyncIterable<Buffer>)
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}

/** Lines before a place of a file, the newest first, in batches. Whoever has seen enough of them reads no further. */
export async function* linesBefore(file: FileHandle, end: number): AsyncGenerator<string[]> {
  let rest: Buffer = Buffer.alloc(0)
  for (let at = end; at > 0;) {
    const length = Math.min(chunkBytes, at)
    const chunk = Buffer.alloc(length)
    const { bytesRead } = await file.read(chunk, 0, length, at - length)
    // It was shortened while we read.
    if (bytesRead < length) return
    at -= length
    const bytes = Buffer.concat([chunk, rest])
    const first = chunk.indexOf(lineBreak)
    const isWhole = at === 0
    if (first === -1 && !isWhole && bytes.length < lineBytesMax) {
      rest = bytes
      continue
    }
    // A piece of a line that is too long counts as a line.
    const from = isWhole || first === -1 ? 0 : first + 1
    rest = bytes.subarray(0, from)
    const lines = splitBytes(bytes.subarray(from))
    if (lines.at(-1) === '') lines.pop()
    yield lines.toReversed()
  }
}

/** Where the last whole line before a place ends. */
export async function endOfWholeLines(file: FileHandle, end: number): Promise<number> {
  for (let at = end; at > 0 && end - at < lineBytesMax;) {
    const length = Math.min(chunkBytes, at)
    const chunk = Buffer.alloc(length)
    const { bytesRead } = await file.read(chunk, 0, length, at - length)
    const last = chunk.subarray(0, bytesRead).lastIndexOf(lineBreak)
    if (last !== -1) return at - length + last + 1
    at -= length
  }
  return end > lineBytesMax ? end : 0
}

async function* chunksBetween(file: FileHandle, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to;) {
    const length = Math.min(chunkBytes, to - at)
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string[]> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const last = bytes.lastIndexOf(lineBreak)
    if (last !== -1) {
      rest = bytes.subarray(last + 1)
      yield splitBytes(bytes.subarray(0, last))
    } else rest = bytes
    if (rest.length < lineBytesMax) continue
    yield [rest.toString('utf8')]
    rest = Buffer.alloc(0)
  }
  if (rest.length > 0) yield [rest.toString('utf8')]
}

function splitBytes(bytes: Buffer): string[] {
  // A line break is no part of any other character in UTF-8.
  return bytes.toString('utf8').split('\n')
}
