/** A file of one short line, which is written over in place. */
export interface MarkFile {
  /** What was written last; anything where a machine went down meanwhile, and empty where there is none. Throws where it cannot be read. */
  read(): string
  /** `line` is at most 200 bytes. Not synced: it outlives the process, and need not outlive the machine. Throws where there is no room. */
  write(line: string): void
}
