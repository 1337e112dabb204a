/** Runs programs of the user's, without a shell. */
export interface CommandRunner {
  /**
   * Resolves when it has ended; never rejects. What it does not read of `input` is left, what it writes is discarded. After
   * `timeoutMs`, or when `signal` aborts, it is killed, with all that it has started and that did not leave its process
   * group. What it leaves running when it ends by itself goes on.
   */
  run(
    command: readonly string[],
    options: { readonly input: string; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<CommandEnd>
}

export type CommandEnd =
  | { readonly kind: 'exited'; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: 'timeout' }
  /** It could not be started: `ENOENT`, `EACCES` … */
  | { readonly kind: 'failed'; readonly reason: string }
