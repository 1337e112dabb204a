/** Notices when this machine gets to another network. */
export interface NetworkWatch {
  /** Calls `changed` after each change, with what changed; returns the function that ends the watch. */
  watch(changed: (what: string) => void): () => void
}
