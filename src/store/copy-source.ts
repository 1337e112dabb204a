/** A copy of the database that is kept elsewhere than beside the journal. */
export interface KeptCopy {
  readonly name: string
  readonly chain: number
  readonly sequence: number
}

/** Where the store finds copies of its database when it has lost its own. */
export interface CopySource {
  /** What there is, newest first. */
  list(): readonly KeptCopy[]
  /** Writes the copy to a file at `path`, which does not exist; throws where it is damaged, and leaves nothing there then. */
  extract(copy: KeptCopy, path: string): void
  /** The last change that the newest copy of a chain holds that is known to be whole; undefined without one. */
  provenSequence(chain: number): number | undefined
}
