import { isatty } from 'node:tty'

const standard = [0, 1, 2] as const

/**
 * The terminal that this process was started at, for whoever gets a SIGHUP: as it comes from a terminal that was closed it
 * means "end", and as somebody sends it "read your settings again". Known by standard input, output and error, and not by
 * the controlling terminal, so that what was started to outlive its terminal (`nohup`, output to a file) does.
 */
export class OwnTerminal {
  readonly #streams = standard.filter((stream) => isatty(stream))

  /** It was there, and is not any more: what is left of it is no terminal to the system. */
  get isGone(): boolean {
    return this.#streams.some((stream) => !isatty(stream))
  }
}
