/** A small file that lines are added to, and the one before it. */
export interface AppendFile {
  /** Whole content, the older file first; empty where there is none. Throws where it cannot be read. */
  read(): string
  /** Adds whole lines; behind one that was cut off they begin on a line of their own. Throws where there is no room. */
  append(lines: string, options?: { readonly sync?: boolean }): void
  /** Of the file that is added to. */
  readonly sizeBytes: number
  /** What there is becomes the older file, in place of that one; the next line begins a new one. */
  rotate(): void
}
