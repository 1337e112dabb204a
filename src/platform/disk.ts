/**
 * Files as the journal needs them. Everything is synchronous, so that a commit has no `await` inside, except
 * what is done ahead of need. Paths are absolute. Failures are the operating system's errors, with their `code`.
 */
export interface Disk {
  /** Creates the folder and its parents with mode 0700 where missing; they are durable when it returns. */
  makeFolder(path: string): void
  /** Names of the entries of a folder, sorted; an empty list when there is no such folder. */
  list(path: string): string[]
  exists(path: string): boolean
  /** Opens an existing file for reading and writing in place; where nothing may be written, for reading alone. */
  open(path: string): DiskFile
  /** Whole content of a small file, or undefined when there is none. */
  readFile(path: string): Uint8Array | undefined
  /** Writes a small file so that after a crash it has the old content or the new: temporary, sync, rename, sync. */
  replaceFile(path: string, bytes: Uint8Array): void
  rename(from: string, to: string): void
  remove(path: string): void
  /** Makes creations, renames and removals in the folder durable. */
  syncFolder(path: string): void
  /**
   * A file of `sizeBytes` zeros under `path`, on disk when the promise resolves: written, synced, renamed into
   * place, folder synced; off the main thread. Zero-written, since syncing a write into such a file costs no
   * file-system journal commit (2,000 syncs of a growing file cost 2,000). Never replaces a file: rejects with EEXIST.
   */
  prepareZeros(path: string, sizeBytes: number): Promise<void>
  /** The same at once, for when the need came first: a preparation of the same path that is under way gives way. */
  prepareZerosNow(path: string, sizeBytes: number): void
  /** Bytes that an unprivileged process may still write on the file system that holds `path`, or will. */
  freeBytes(path: string): number
}

export interface DiskFile {
  readonly sizeBytes: number
  /**
   * Up to `length` bytes from `offset`; fewer only at the end of the file. With `into` (at least `length` bytes) the
   * result may be a view of it, so that many reads need the memory of one.
   */
  read(offset: number, length: number, into?: Buffer): Buffer
  write(offset: number, bytes: Uint8Array): void
  /** fdatasync: what was written is on the medium when this returns. */
  sync(): void
  close(): void
}
