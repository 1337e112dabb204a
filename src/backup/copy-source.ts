import { join } from 'node:path'
import type { Disk } from '../platform/disk.ts'
import type { CopySource } from '../store/copy-source.ts'
import { atOnce } from '../store/pieces.ts'
import { readArchive, type BackupKey } from './archive.ts'
import { listBackups } from './backups.ts'

/** The backups of a folder, for a store that has lost its database. */
export function backupsAsCopies(disk: Disk, folder: string, key?: BackupKey): CopySource {
  return {
    list: () =>
      listBackups(disk, folder).backups.map(({ name, manifest: { chain, sequence } }) => ({
        name,
        chain,
        sequence,
      })),
    extract({ name }, path) {
      atOnce(readArchive({ disk, source: join(folder, name), target: path, key }))
    },
    provenSequence(chain) {
      const { backups } = listBackups(disk, folder)
      return backups.find(({ manifest, proof }) => proof !== undefined && manifest.chain === chain)?.manifest
        .sequence
    },
  }
}
