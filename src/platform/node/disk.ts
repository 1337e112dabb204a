import fs from 'node:fs'
import path from 'node:path'
import type { Disk, DiskFile } from '../disk.ts'

const fileMode = 0o600
const folderMode = 0o700
const chunkBytes = 1024 * 1024

interface Preparation {
  overtaken: boolean
  done: Promise<void>
}

export function createNodeDisk(): Disk {
  // Files that are being prepared off the main thread, by path; one that is needed at once overtakes its preparation.
  const preparations = new Map<string, Preparation>()

  function prepareZeros(target: string, sizeBytes: number): Promise<void> {
    const running = preparations.get(target)
    if (running?.overtaken === true) return running.done.then(() => prepareZeros(target, sizeBytes))
    if (running !== undefined) return running.done
    const preparation: Preparation = { overtaken: false, done: Promise.resolve() }
    preparations.set(target, preparation)
    preparation.done = prepare(target, sizeBytes, preparation).finally(() => preparations.delete(target))
    return preparation.done
  }

  async function prepare(target: string, sizeBytes: number, preparation: Preparation): Promise<void> {
    refuseExisting(target)
    const temporary = temporaryOf(target, 'zeros')
    try {
      await fs.promises.rm(temporary, { force: true })
      const file = await fs.promises.open(temporary, 'wx', fileMode)
      try {
        const zeros = Buffer.alloc(Math.min(chunkBytes, sizeBytes))
        for (let offset = 0; offset < sizeBytes && !preparation.overtaken;) {
          const length = Math.min(zeros.length, sizeBytes - offset)
          offset += (await file.write(zeros, 0, length, offset)).bytesWritten
        }
        if (!preparation.overtaken) await file.sync()
      } finally {
        await file.close()
      }
      if (preparation.overtaken) {
        fs.rmSync(temporary, { force: true })
        return
      }
      // Checked and renamed in one go: by a rename in the thread pool, zeros could replace a file that was overtaken
      // in between and is in use.
      refuseExisting(target)
      fs.renameSync(temporary, target)
      const folder = await fs.promises.open(path.dirname(target), 'r')
      try {
        await folder.sync()
      } finally {
        await folder.close()
      }
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      throw error
    }
  }

  function prepareZerosNow(target: string, sizeBytes: number): void {
    refuseExisting(target)
    const zeros = Buffer.alloc(Math.min(chunkBytes, sizeBytes))
    place(target, temporaryOf(target, 'now'), (file) => {
      for (let offset = 0; offset < sizeBytes; offset += zeros.length) {
        writeWhole(file, zeros.subarray(0, Math.min(zeros.length, sizeBytes - offset)), offset)
      }
    })
    const preparation = preparations.get(target)
    if (preparation !== undefined) preparation.overtaken = true
  }

  return {
    makeFolder,
    list,
    exists: (target) => fs.existsSync(target),
    open: (target) => openFile(target),
    readFile,
    replaceFile(target, bytes) {
      place(target, temporaryOf(target, 'new'), (file) => writeWhole(file, bytes, 0))
    },
    rename: (from, to) => fs.renameSync(from, to),
    remove: (target) => fs.unlinkSync(target),
    syncFolder,
    prepareZeros,
    prepareZerosNow,
    freeBytes,
  }
}

function openFile(target: string): DiskFile {
  const file = openExisting(target)
  return {
    get sizeBytes() {
      return fs.fstatSync(file).size
    },
    read: (offset, length, into) => readWhole(file, offset, length, into),
    write: (offset, bytes) => writeWhole(file, bytes, offset),
    sync: () => fs.fdatasyncSync(file),
    close: () => fs.closeSync(file),
  }
}

/** What only looks also works on a home that is mounted read-only, such as a backup. */
function openExisting(target: string): number {
  try {
    return fs.openSync(target, 'r+')
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return fs.openSync(target, 'r')
  }
}

/** The system may read less than was asked for at any time; only a read of nothing is the end. */
function readWhole(
  file: number,
  offset: number,
  length: number,
  buffer: Buffer = Buffer.alloc(length),
): Buffer {
  let filled = 0
  while (filled < length) {
    const count = fs.readSync(file, buffer, filled, length - filled, offset + filled)
    if (count === 0) break
    filled += count
  }
  return buffer.subarray(0, filled)
}

function writeWhole(file: number, bytes: Uint8Array, offset: number): void {
  let written = 0
  while (written < bytes.length) {
    written += fs.writeSync(file, bytes, written, bytes.length - written, offset + written)
  }
}

/** Fills a temporary file, syncs it and renames it over `target`: at any moment there is the old file or the new. */
function place(target: string, temporary: string, fill: (file: number) => void): void {
  fs.rmSync(temporary, { force: true })
  try {
    const file = fs.openSync(temporary, 'wx', fileMode)
    try {
      fill(file)
      fs.fsyncSync(file)
    } finally {
      fs.closeSync(file)
    }
    fs.renameSync(temporary, target)
  } catch (error) {
    // Above all on a full disk: what could not be placed must not take its room.
    fs.rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(path.dirname(target))
}

/** One level at a time, each synced before the next, so that a kill leaves at most the deepest one unsynced. */
function makeFolder(target: string): void {
  const parent = path.dirname(target)
  if (fs.existsSync(target)) {
    if (!fs.statSync(target).isDirectory()) throw systemError('ENOTDIR', 'not a directory', target)
    syncParent(parent)
    return
  }
  makeFolder(parent)
  try {
    fs.mkdirSync(target, { mode: folderMode })
  } catch (error) {
    // Somebody else made it in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  syncParent(parent)
}

/** Folders that others own may be closed to us (`/home` with mode 0711); what is in them is not ours to sync. */
function syncParent(parent: string): void {
  try {
    syncFolder(parent)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS' && code !== 'EINVAL') throw error
  }
}

function list(target: string): string[] {
  try {
    return fs.readdirSync(target).toSorted()
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function readFile(target: string): Uint8Array | undefined {
  try {
    return fs.readFileSync(target)
  } catch (error) {
    // Below what is no folder there is no file either.
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

function syncFolder(target: string): void {
  // Windows opens no folders; NTFS keeps its own log of them.
  if (process.platform === 'win32') return
  const folder = fs.openSync(target, 'r')
  try {
    fs.fsyncSync(folder)
  } finally {
    fs.closeSync(folder)
  }
}

function freeBytes(target: string): number {
  for (let folder = path.resolve(target); ; folder = path.dirname(folder)) {
    try {
      const { bavail, bsize } = fs.statfsSync(folder)
      return bavail * bsize
    } catch (error) {
      if (!isMissing(error) || folder === path.dirname(folder)) throw error
    }
  }
}

function temporaryOf(target: string, purpose: 'new' | 'zeros' | 'now'): string {
  return path.join(path.dirname(target), `.${path.basename(target)}.${purpose}.tmp`)
}

function refuseExisting(target: string): void {
  if (fs.existsSync(target)) throw systemError('EEXIST', 'file already exists', target)
}

function systemError(code: string, text: string, target: string): Error {
  return Object.assign(new Error(`${code}: ${text}, '${target}'`), { code, path: target })
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
