import type { SimulatedDatabase } from './database.ts'
import type { SimulatedDisk } from './disk.ts'
import type { Trace } from './trace.ts'

/**
 * Every point at which a process calls its disk or its database, in the order in which it passes them. A boundary is
 * named by what it is about, when, and what was asked: `segment:before:sync`, `database:after:commit`.
 */
export class Boundaries {
  /** Called in the very call that was aimed at. */
  onHit: ((name: string) => void) | undefined
  readonly #trace: Trace
  readonly #names = new Map<string, string>()
  #aim: { readonly prefix: string; left: number } | undefined

  constructor(trace: Trace, disk: SimulatedDisk, database: SimulatedDatabase) {
    this.#trace = trace
    disk.beforeOperation = ({ kind, path }) => this.#pass(this.#nameOf('before', path, kind))
    disk.afterOperation = ({ kind, path }) => this.#pass(this.#nameOf('after', path, kind))
    database.onBoundary = ({ kind, when }) => this.#pass(`database:${when}:${kind}`)
  }

  /** Hits the `count`-th boundary from now on whose name begins so. */
  aimAt(prefix: string, count: number): void {
    this.#aim = { prefix, left: count }
  }

  aimAtNothing(): void {
    this.#aim = undefined
  }

  #pass(name: string): void {
    this.#trace.add(name, true)
    const aim = this.#aim
    if (aim === undefined || !name.startsWith(aim.prefix)) return
    aim.left -= 1
    if (aim.left > 0) return
    this.#aim = undefined
    this.onHit?.(name)
  }

  #nameOf(when: 'before' | 'after', path: string, kind: string): string {
    const key = `${when} ${kind} ${path}`
    let name = this.#names.get(key)
    if (name === undefined) this.#names.set(key, (name = `${whatIs(path)}:${when}:${kind}`))
    return name
  }
}

/** What a file of the agent's folder is to the store. */
function whatIs(path: string): string {
  if (path.endsWith('.segment')) return 'segment'
  if (path.endsWith('.cut') || path.endsWith('/cut.tmp')) return 'cut'
  if (path.includes('.cut.json')) return 'manifest'
  if (path.includes('.segment.')) return 'spare'
  return 'folder'
}
