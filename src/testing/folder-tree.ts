import path from 'node:path'
import type { SeededRandom } from './random.ts'
import type { SectorFile } from './sector-file.ts'

export class Folder {
  /** What programs see. */
  readonly entries = new Map<string, Node>()
  /** What the medium has. */
  readonly durable = new Map<string, Node>()
}

export type Node = Folder | SectorFile

/** Where a path leads: its folder and its name there. */
export interface Place {
  readonly folder: Folder
  readonly name: string
}

/** A change of entries that is not on the medium yet; it gets there whole or not at all. */
interface Change {
  readonly folders: readonly Folder[]
  readonly apply: (view: 'entries' | 'durable') => void
}

/**
 * Folders as a journaling file system keeps them: programs see a change at once, a sync of the folder makes it
 * durable, and of what was not synced a power cut keeps the first few changes of each folder, in their order. A
 * change across two folders is kept in both or in neither.
 */
export class FolderTree {
  readonly #root = new Folder()
  #changes: Change[] = []

  find(target: string): Node | undefined {
    let node: Node = this.#root
    for (const name of namesOf(target)) {
      const next: Node | undefined = node instanceof Folder ? node.entries.get(name) : undefined
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  findDurable(target: string): Node | undefined {
    let node: Node | undefined = this.#root
    for (const name of namesOf(target)) node = node instanceof Folder ? node.durable.get(name) : undefined
    return node
  }

  /** The place of a path, or undefined when its folder is missing. */
  place(target: string): Place | undefined {
    const folder = this.find(path.posix.dirname(target))
    return folder instanceof Folder ? { folder, name: path.posix.basename(target) } : undefined
  }

  link({ folder, name }: Place, node: Node): void {
    this.#change([folder], (view) => {
      folder[view].set(name, node)
    })
  }

  unlink({ folder, name }: Place): void {
    this.#change([folder], (view) => {
      folder[view].delete(name)
    })
  }

  rename(from: Place, to: Place): void {
    const node = from.folder.entries.get(from.name)!
    this.#change(from.folder === to.folder ? [from.folder] : [from.folder, to.folder], (view) => {
      from.folder[view].delete(from.name)
      to.folder[view].set(to.name, node)
    })
  }

  /** Makes the changes of the folder durable, and those of other folders that they build upon. */
  sync(folder: Folder): void {
    const wanted = new Set([folder])
    const kept: Change[] = []
    const written: Change[] = []
    for (const change of this.#changes.toReversed()) {
      if (change.folders.some((one) => wanted.has(one))) {
        for (const one of change.folders) wanted.add(one)
        written.push(change)
      } else kept.push(change)
    }
    for (const change of written.toReversed()) change.apply('durable')
    this.#changes = kept.toReversed()
  }

  /** Returns how many changes were lost. */
  powerCut(random: SeededRandom): number {
    const rest = new Map<Folder, number>()
    for (const { folders } of this.#changes) {
      for (const folder of folders) rest.set(folder, (rest.get(folder) ?? 0) + 1)
    }
    for (const [folder, count] of rest) rest.set(folder, random.pick([0, count, random.int(0, count)]))
    let lost = 0
    for (const { folders, apply } of this.#changes) {
      const kept = folders.every((folder) => rest.get(folder)! > 0)
      // What is lost takes with it everything that came after it in its folders.
      for (const folder of folders) rest.set(folder, kept ? rest.get(folder)! - 1 : 0)
      if (kept) apply('durable')
      else lost += 1
    }
    this.#changes = []
    for (const folder of this.#durableFolders()) {
      folder.entries.clear()
      for (const [name, node] of folder.durable) folder.entries.set(name, node)
    }
    return lost
  }

  /** Every file that programs see, with its path, by path. */
  files(): { readonly path: string; readonly file: SectorFile }[] {
    const found: { path: string; file: SectorFile }[] = []
    const visit = (folder: Folder, prefix: string): void => {
      for (const [name, node] of folder.entries) {
        if (node instanceof Folder) visit(node, `${prefix}/${name}`)
        else found.push({ path: `${prefix}/${name}`, file: node })
      }
    }
    visit(this.#root, '')
    return found.toSorted((one, other) => (one.path < other.path ? -1 : 1))
  }

  #change(folders: readonly Folder[], apply: Change['apply']): void {
    apply('entries')
    this.#changes.push({ folders, apply })
  }

  #durableFolders(): Folder[] {
    const found = [this.#root]
    for (const folder of found) {
      for (const node of folder.durable.values()) if (node instanceof Folder) found.push(node)
    }
    return found
  }
}

function namesOf(target: string): string[] {
  if (!target.startsWith('/')) throw new Error(`not an absolute path: ${target}`)
  return path.posix
    .normalize(target)
    .split('/')
    .filter((name) => name !== '')
}
