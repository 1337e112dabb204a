import type { Database } from '../platform/database.ts'

/** The database of one agent as files: what differs between a real folder and the simulation. */
export interface DatabaseFiles {
  /** Holds the agent for this process until released; ERR_HOME_IN_USE where another process has it. */
  lock(): { release(): void }
  /** Whether there is a database, or its WAL or SHM without it. */
  exists(): boolean
  /** 0 where only what stood beside the database is left. */
  sizeBytes(): number
  /** The one writing connection: WAL, synchronous NORMAL. Creates an empty database where there is none. */
  open(): Database
  /** A read-only connection. */
  openReader(): Database
  /** Copies the whole WAL into the database file and syncs it; false if a reader stood in the way. */
  checkpoint(connection: Database): boolean
  /** Moves database, WAL and SHM together into `folder`, never deleting. No connection may be open. */
  quarantine(folder: string): void
  /** A consistent copy of what is committed at some moment during the call, off the main thread. */
  copyTo(path: string): Promise<void>
  /** The same at once. */
  copyNow(connection: Database, path: string): void
  /** Opens a copy for looking at it, without leaving anything beside it. */
  openCopy(path: string): Database
  /** Changes a copy that nobody else has open; it is on disk, with nothing beside it, when this returns. */
  editCopy<T>(path: string, use: (copy: Database) => T): T
  /**
   * Moves database, WAL and SHM into `quarantine`, where they exist, and makes the file at `path`, which is on the same file
   * system, the database: by renaming it, so that it takes no room. Where that fails, everything is where it was.
   */
  replaceWith(path: string, quarantine: string): void
  /** Makes the file at `path` the database; there must be none. */
  restoreFrom(path: string): void
}
