import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface NodeBinaryOptions {
  /** Default: the one that runs this process. */
  readonly current?: string
  readonly others: () => readonly string[]
  /** Default: PATH of this process. */
  readonly path?: string
  /** The one that was used is gone. */
  readonly onReplaced: (from: string, to: string) => void
}

const nodeMajorMin = 24
const answerTimeoutMs = 2_000

/**
 * The Node to start processes with: the one that runs this process, as long as its file is there. `npm ci` or an upgrade
 * of Node may take it away from under a process that stays; then the first of `others` that works, or `node` on the
 * path.
 */
export class NodeBinary {
  readonly #options: NodeBinaryOptions
  #current: string

  constructor(options: NodeBinaryOptions) {
    this.#options = options
    this.#current = options.current ?? process.execPath
  }

  /** Where there is none that works, the one that was used last: whoever starts it says that it is missing. */
  find(): string {
    if (existsSync(this.#current)) return this.#current
    const { others, path = process.env['PATH'] ?? '', onReplaced } = this.#options
    const onPath = path.split(delimiter).filter((folder) => folder !== '')
    const candidates = [
      this.#options.current ?? process.execPath,
      ...others(),
      ...onPath.map((folder) => join(folder, 'node')),
    ]
    const found = candidates.find(works)
    if (found === undefined) return this.#current
    onReplaced(this.#current, found)
    this.#current = found
    return found
  }
}

function works(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    const version = execFileSync(path, ['--version'], {
      encoding: 'utf8',
      timeout: answerTimeoutMs,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return Number(/^v(\d+)\./.exec(version)?.[1]) >= nodeMajorMin
  } catch {
    return false
  }
}
