/** A small file that lines are added to, and the one before it. */
export interface AppendFile {
  /**
   * What there is, the older file first; empty where there is none. Of a file that is far larger than it may get, the last
   * megabytes. Throws where it cannot be read.
   */
  read(): string
  /** Bytes that `read` passes over, since nothing of ours makes a file so large. */
  readonly passedOverBytes: number
  /** Adds whole lines; behind one that was cut off they begin on a line of their own. Throws where there is no room. */
  append(lines: string, options?: { readonly sync?: boolean }): void
  /** Of the file that is added to. */
  readonly sizeBytes: number
  /** What there is becomes the older file, in place of that one; the next line begins a new one. */
  rotate(): void
}
