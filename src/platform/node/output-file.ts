import fs from 'node:fs'

/** Of the file, and of the one set aside. */
const bytesMax = 1024 * 1024

/** Opens the file that a process of its own session gets for its output; only this user can read it. */
export function openOutputFile(path: string): number {
  return fs.openSync(path, 'a', 0o600)
}

/**
 * Sets the file's last MiB aside as `path.1` and empties it once it is larger. The process goes on writing at its
 * beginning, since it appends; what it writes between the copy and the cut is lost.
 */
export function boundOutputFile(path: string): void {
  let descriptor: number
  try {
    if (fs.statSync(path).size <= bytesMax) return
    descriptor = fs.openSync(path, 'r+')
  } catch {
    // There is none, or somebody has just taken it away.
    return
  }
  try {
    const { size } = fs.fstatSync(descriptor)
    const tail = Buffer.alloc(Math.min(size, bytesMax))
    const length = fs.readSync(descriptor, tail, 0, tail.length, size - tail.length)
    fs.writeFileSync(`${path}.1`, tail.subarray(0, length), { mode: 0o600 })
  } catch {
    // A full disk: the bound holds all the same, and whoever looks after it goes on.
  }
  try {
    fs.ftruncateSync(descriptor)
  } catch {
    // A file system that nothing can be written to any more does not let it grow either.
  } finally {
    fs.closeSync(descriptor)
  }
}

/** What was written to the file from `offset` on, at most its last `lengthMax` bytes. */
export function readOutputFrom(path: string, offset: number, lengthMax: number): string {
  try {
    const descriptor = fs.openSync(path, 'r')
    try {
      const { size } = fs.fstatSync(descriptor)
      const start = Math.max(offset, size - lengthMax)
      if (size <= start) return ''
      const bytes = Buffer.alloc(size - start)
      const length = fs.readSync(descriptor, bytes, 0, bytes.length, start)
      return bytes.toString('utf8', 0, length)
    } finally {
      fs.closeSync(descriptor)
    }
  } catch {
    return ''
  }
}

export function sizeOfOutput(path: string): number {
  return fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Where the process writes its errors to; undefined where the system does not tell, or it is no file. */
export function outputOf(pid: number): string | undefined {
  try {
    const path = fs.readlinkSync(`/proc/${pid}/fd/2`)
    return path.startsWith('/') ? path : undefined
  } catch {
    return undefined
  }
}
