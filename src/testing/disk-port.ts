import path from 'node:path'
import type { Disk, DiskFile } from '../platform/disk.ts'
import { isDeath } from './death.ts'
import type { DiskOperationKind } from './disk-faults.ts'
import { Folder } from './folder-tree.ts'
import type { Medium } from './medium.ts'
import type { Owner } from './owner.ts'
import { SectorFile } from './sector-file.ts'
import { systemError } from './system-error.ts'

/** How many steps a preparation off the main thread is written in; between them everything else goes on. */
const preparationSteps = 8
const stepMsMax = 20

/** The simulated disk as one process has it: the same sequences of primitive operations as the real one. */
export function createDiskPort(disk: Medium, owner: Owner): Disk {
  const preparations = new Map<string, Preparation>()

  function perform<T>(kind: DiskOperationKind, target: string, act: () => T): T {
    return disk.perform(owner, { kind, path: target, offset: 0, length: 0 }, act)
  }

  function read(target: string, file: SectorFile, offset: number, length: number): Buffer {
    return disk.perform(
      owner,
      { kind: 'read', path: target, offset, length },
      () => file.read(offset, length),
      {
        file,
      },
    )
  }

  function makeFolder(target: string): void {
    const parent = path.posix.dirname(target)
    if (perform('exists', target, () => disk.tree.find(target)) instanceof Folder) {
      // A process that was killed here may have made it and not synced it.
      syncFolder(parent)
      return
    }
    makeFolder(parent)
    perform('make-folder', target, () => {
      const place = disk.place(target, 'make-folder')
      if (place.folder.entries.has(place.name)) throw systemError('EEXIST', 'make-folder', target)
      disk.tree.link(place, new Folder())
    })
    syncFolder(parent)
  }

  function create(target: string): DiskFile {
    const file = perform('create', target, () => {
      const place = disk.place(target, 'create')
      if (place.folder.entries.has(place.name)) throw systemError('EEXIST', 'create', target)
      const created = new SectorFile()
      disk.tree.link(place, created)
      return created
    })
    return handle(target, file)
  }

  function handle(target: string, file: SectorFile): DiskFile {
    const { powerCuts } = disk
    let open = true
    const check = (kind: DiskOperationKind): void => {
      owner.check()
      if (!open || disk.powerCuts !== powerCuts) throw systemError('EBADF', kind, target)
    }
    return {
      get sizeBytes() {
        check('read')
        return file.sizeBytes
      },
      read(offset, length) {
        check('read')
        return read(target, file, offset, length)
      },
      write(offset, bytes) {
        check('write')
        const operation = { kind: 'write', path: target, offset, length: bytes.length } as const
        disk.perform(owner, operation, () => disk.write(owner, target, file, offset, bytes), { file, bytes })
      },
      sync() {
        check('sync')
        const operation = { kind: 'sync', path: target, offset: 0, length: file.sizeBytes } as const
        disk.perform(owner, operation, () => file.sync(), { file })
      },
      close() {
        check('close')
        perform('close', target, () => {
          open = false
        })
      },
    }
  }

  function syncFolder(target: string): void {
    perform('sync-folder', target, () => disk.tree.sync(disk.folder(target, 'sync-folder')))
  }

  function rename(from: string, to: string): void {
    perform('rename', from, () => {
      const source = disk.place(from, 'rename')
      if (!source.folder.entries.has(source.name)) throw systemError('ENOENT', 'rename', from)
      const target = disk.place(to, 'rename')
      if (target.folder.entries.get(target.name) instanceof Folder) {
        throw systemError('EISDIR', 'rename', to)
      }
      disk.tree.rename(source, target)
    })
  }

  function remove(target: string): void {
    perform('remove', target, () => {
      disk.file(target)
      disk.tree.unlink(disk.place(target, 'remove'))
    })
  }

  function discard(target: string): void {
    if (disk.tree.find(target) !== undefined) remove(target)
  }

  function refuseExisting(target: string): void {
    const found = perform('exists', target, () => disk.tree.find(target))
    if (found !== undefined) throw systemError('EEXIST', 'create', target)
  }

  /** Fills a temporary file, syncs it and renames it over `target`. */
  function place(target: string, temporary: string, fill: (file: DiskFile) => void): void {
    discard(temporary)
    try {
      const file = create(temporary)
      try {
        fill(file)
        file.sync()
      } finally {
        file.close()
      }
      rename(temporary, target)
    } catch (error) {
      if (!isDeath(error)) discard(temporary)
      throw error
    }
    syncFolder(path.posix.dirname(target))
  }

  /** Resolves after a little virtual time, in which other things happen; never for a dead process. */
  function breathe(): Promise<void> {
    return new Promise((resolve) => {
      disk.clock.schedule(disk.random.int(1, stepMsMax), resolve, owner)
    })
  }

  function prepareZeros(target: string, sizeBytes: number): Promise<void> {
    owner.check()
    const running = preparations.get(target)
    if (running?.overtaken === true) return running.done.then(() => prepareZeros(target, sizeBytes))
    if (running !== undefined) return running.done
    const preparation: Preparation = { overtaken: false, done: Promise.resolve() }
    preparations.set(target, preparation)
    preparation.done = prepare(target, sizeBytes, preparation).finally(() => preparations.delete(target))
    return preparation.done
  }

  async function prepare(target: string, sizeBytes: number, preparation: Preparation): Promise<void> {
    refuseExisting(target)
    const temporary = temporaryOf(target, 'zeros')
    const zeros = Buffer.alloc(Math.ceil(sizeBytes / preparationSteps))
    try {
      await breathe()
      discard(temporary)
      const file = create(temporary)
      for (let offset = 0; offset < sizeBytes && !preparation.overtaken; offset += zeros.length) {
        await breathe()
        file.write(offset, zeros.subarray(0, Math.min(zeros.length, sizeBytes - offset)))
      }
      await breathe()
      if (!preparation.overtaken) file.sync()
      file.close()
      await breathe()
      if (preparation.overtaken) {
        discard(temporary)
        return
      }
      refuseExisting(target)
      rename(temporary, target)
      await breathe()
      syncFolder(path.posix.dirname(target))
    } catch (error) {
      if (isDeath(error)) return await new Promise<never>(() => {})
      discard(temporary)
      throw error
    }
  }

  return {
    makeFolder,
    list(target) {
      const node = perform('list', target, () => disk.tree.find(target))
      if (node === undefined) return []
      return [...disk.folder(target, 'list').entries.keys()].toSorted()
    },
    exists: (target) => perform('exists', target, () => disk.tree.find(target) !== undefined),
    open: (target) =>
      handle(
        target,
        perform('open', target, () => disk.file(target)),
      ),
    readFile(target) {
      if (perform('exists', target, () => disk.tree.find(target)) === undefined) return undefined
      const file = perform('open', target, () => disk.file(target))
      return read(target, file, 0, file.sizeBytes)
    },
    replaceFile(target, bytes) {
      place(target, temporaryOf(target, 'new'), (file) => file.write(0, bytes))
    },
    rename,
    remove,
    syncFolder,
    prepareZeros,
    prepareZerosNow(target, sizeBytes) {
      refuseExisting(target)
      place(target, temporaryOf(target, 'now'), (file) => file.write(0, Buffer.alloc(sizeBytes)))
      const preparation = preparations.get(target)
      if (preparation !== undefined) preparation.overtaken = true
    },
    freeBytes() {
      owner.check()
      return disk.freeBytes()
    },
  }
}

interface Preparation {
  overtaken: boolean
  done: Promise<void>
}

function temporaryOf(target: string, purpose: 'new' | 'zeros' | 'now'): string {
  return path.posix.join(path.posix.dirname(target), `.${path.posix.basename(target)}.${purpose}.tmp`)
}
