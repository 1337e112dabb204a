import { createHash } from 'node:crypto'
import { createSeededRandom } from '../../../src/testing/index.ts'
import { answerThenWrite, isSegment, withDatabase, withFiles, withWrite, type Mutant } from './swap.ts'

const powerCuts = { powerCutRate: 0.5, deathsMax: 9, downtimeMsMax: 1 }
/** In the middle of the commit, where the record is written and nobody knows whether it is on the medium. */
const inCommit = { ...powerCuts, aims: ['segment:after:write', 'segment:before:sync'] }
const aroundCommit = {
  ...powerCuts,
  powerCutRate: 0,
  aims: ['database:before:begin', 'segment:before:write'],
}

export const storeMutants: readonly Mutant[] = [
  {
    name: 'acknowledges before it commits',
    caughtBy: ['acknowledged-durable'],
    faults: aroundCommit,
    swaps: () => withWrite((store) => (operation) => answerThenWrite(store, operation)),
  },
  {
    name: 'commits to the database before the journal',
    caughtBy: ['journal-intact'],
    swaps() {
      let late: (() => void)[] = []
      const { files } = withDatabase((database) => ({
        exec(sql) {
          database.exec(sql)
          if (sql !== 'COMMIT') return
          for (const write of late) write()
          late = []
        },
      }))
      return {
        ...(files !== undefined && { files }),
        disk: (disk, incarnation) => {
          late = []
          return withFiles(disk, (file, path) =>
            isSegment(path) && incarnation > 0
              ? {
                  write: (offset, bytes) => void late.push(() => (file.write(offset, bytes), file.sync())),
                  sync: () => undefined,
                }
              : {},
          )
        },
      }
    },
  },
  {
    name: 'does not sync the journal',
    caughtBy: ['acknowledged-durable', 'opens-again', 'journal-intact'],
    swaps: () => ({
      disk: (disk) => withFiles(disk, (_file, path) => (isSegment(path) ? { sync: () => undefined } : {})),
    }),
  },
  {
    name: 'does not sync the tail of the journal when it opens it',
    caughtBy: ['acknowledged-durable', 'opens-again', 'journal-intact'],
    faults: inCommit,
    swaps: () => ({
      disk(disk) {
        let first = true
        return withFiles(disk, (file, path) => ({
          sync() {
            if (!first || !isSegment(path)) return file.sync()
            first = false
          },
        }))
      },
    }),
  },
  {
    name: 'believes what the page cache shows after a sync that failed',
    caughtBy: ['acknowledged-durable', 'opens-again', 'journal-intact', 'nothing-lost'],
    faults: { ...powerCuts, disk: { syncError: 0.03 } },
    swaps: () => ({
      disk: (disk) =>
        withFiles(disk, (file, path) => ({
          write(offset, bytes) {
            // Bytes that are there already are not written again.
            const same = isSegment(path) && file.read(offset, bytes.length).equals(bytes)
            if (!same) file.write(offset, bytes)
          },
        })),
    }),
  },
  {
    name: 'takes a torn record for a whole one',
    caughtBy: ['opens-again', 'journal-equals-database', 'no-stray-errors'],
    faults: powerCuts,
    swaps: () => ({
      disk: (disk) =>
        withFiles(disk, (file, path) => ({
          read(offset, length) {
            const bytes = file.read(offset, length)
            return isSegment(path) && offset === 0 ? withValidHashes(bytes) : bytes
          },
        })),
    }),
  },
  {
    name: 'does not sync folders',
    caughtBy: ['opens-again', 'journal-intact', 'acknowledged-durable'],
    faults: powerCuts,
    swaps: () => ({
      disk: (disk) => ({
        ...disk,
        syncFolder: () => undefined,
        prepareZeros: () => Promise.reject(new Error('not ahead of need')),
        prepareZerosNow(path, sizeBytes) {
          const temporary = `${path}.unsynced`
          if (disk.exists(temporary)) disk.remove(temporary)
          disk.prepareZerosNow(temporary, sizeBytes)
          disk.rename(temporary, path)
        },
      }),
    }),
  },
  {
    name: 'does not write the position with the commit',
    caughtBy: ['opens-again', 'journal-equals-database'],
    swaps: () =>
      withDatabase((database) => ({
        prepare: (sql) =>
          database.prepare(sql.startsWith('UPDATE journal_position') ? 'SELECT 1 WHERE ? = ?' : sql),
      })),
  },
  {
    name: 'skips a change while it catches up',
    caughtBy: ['opens-again', 'journal-equals-database', 'acknowledged-durable'],
    swaps() {
      const random = createSeededRandom('skip')
      return withDatabase((database) => ({
        applyChangeset: (changes) => random.chance(0.1) || database.applyChangeset(changes),
      }))
    },
  },
  {
    name: 'leaves rows of a change out of the journal',
    caughtBy: ['journal-equals-database', 'opens-again', 'acknowledged-durable'],
    swaps: () => ({
      files(files) {
        return {
          ...files,
          open() {
            const database = files.open()
            // As triggers and cascades would: a change that no session saw.
            const exec = database.exec.bind(database)
            database.exec = (sql) => {
              if (sql === 'COMMIT' && database.isTransaction)
                exec("UPDATE counters SET value = value + 1 WHERE name = 'notes.id'")
              exec(sql)
            }
            return database
          },
        }
      },
    }),
  },
  {
    name: 'removes segments that no cut covers yet',
    caughtBy: ['opens-again'],
    faults: { deathsMax: 9, databaseLossRate: 0.5 },
    swaps: () => ({
      disk: (disk) => ({
        ...disk,
        prepareZeros(path, sizeBytes) {
          const folder = path.slice(0, path.lastIndexOf('/'))
          const filled = disk.list(folder).filter(isSegment).slice(0, -1)
          for (const name of filled) disk.remove(`${folder}/${name}`)
          return disk.prepareZeros(path, sizeBytes)
        },
      }),
    }),
  },
  {
    name: 'does not look whether the database is whole',
    caughtBy: ['opens-again', 'no-stray-errors', 'converges', 'journal-equals-database'],
    faults: { deathsMax: 9, databaseLossRate: 0.8 },
    swaps: () =>
      withDatabase((database) => ({
        prepare: (sql) =>
          database.prepare(sql.startsWith('PRAGMA quick_check') ? "SELECT 'ok' AS quick_check" : sql),
      })),
  },
]

/** What a reader that does not check would see: every record's hash made to fit its bytes. */
function withValidHashes(segment: Buffer): Buffer {
  const bytes = Buffer.from(segment)
  const headerBytes = 64
  for (let at = bytes.indexOf('PJR1'); at !== -1;) {
    const covered = at + headerBytes + bytes.readUInt32LE(at + 4)
    if (covered + 32 > bytes.length) break
    createHash('sha256').update(bytes.subarray(at, covered)).digest().copy(bytes, covered)
    const end = at + Math.ceil((covered + 32 - at) / 8) * 8
    at = bytes.subarray(end, end + 4).toString() === 'PJR1' ? end : -1
  }
  return bytes
}
