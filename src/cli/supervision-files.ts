import type { Disk } from '../platform/disk.ts'
import { agentPaths, listAgents } from '../runtime/home.ts'
import { readRecord, type SupervisionRecord } from '../supervisor/record.ts'
import type { SupervisionRecords } from '../supervisor/supervisor.ts'
import { agentChild, agentOf, hubChild } from './child-name.ts'
import { hubPaths } from './hub-record.ts'

/** Where the daemon's record of a child is, and where its processes write what goes to no log. */
export interface ChildFiles {
  readonly folder: string
  readonly record: string
  readonly output: string
}

export function childFiles(home: string, child: string): ChildFiles {
  const agent = agentOf(child)
  if (agent === undefined) {
    const { folder, supervision, output } = hubPaths(home)
    return { folder, record: supervision, output }
  }
  const { folder, supervision, output } = agentPaths(home, agent)
  return { folder, record: supervision, output }
}

/** Those that a daemon has kept running before. */
export function recordedChildren(disk: Disk, home: string): string[] {
  const children = [hubChild, ...listAgents(disk, home).map(agentChild)]
  return children.filter((child) => disk.exists(childFiles(home, child).record))
}

export class SupervisionFiles implements SupervisionRecords {
  readonly #disk: Disk
  readonly #home: string

  constructor(disk: Disk, home: string) {
    this.#disk = disk
    this.#home = home
  }

  read(child: string): string | undefined {
    const bytes = this.#disk.readFile(childFiles(this.#home, child).record)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
  }

  /** What the record says, as far as it can be understood. */
  record(child: string): SupervisionRecord | undefined {
    const text = this.read(child)
    return text === undefined ? undefined : readRecord(text).record
  }

  write(child: string, text: string): void {
    this.#disk.replaceFile(childFiles(this.#home, child).record, Buffer.from(text))
  }

  /** One is kept: the last one that could not be understood. */
  setAside(child: string): void {
    const { record } = childFiles(this.#home, child)
    try {
      this.#disk.rename(record, `${record}.foreign`)
    } catch {
      // It is replaced then. What it was stands in the log.
    }
  }

  remove(child: string): void {
    const { record } = childFiles(this.#home, child)
    if (this.#disk.exists(record)) this.#disk.remove(record)
  }
}
