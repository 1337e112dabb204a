import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Disk } from '../../src/platform/disk.ts'

export interface DiskUnderTest {
  readonly disk: Disk
  /** An empty folder to work in. */
  readonly folder: string
  /** Waits for what the disk does by itself. */
  settle<T>(promise: Promise<T>): Promise<T>
}

/** What every disk does, the real one and the simulated one alike. */
export function testDiskBehaviour(
  withDisk: (run: (under: DiskUnderTest) => Promise<void>) => Promise<void>,
): void {
  const fact = (name: string, run: (under: DiskUnderTest) => Promise<void> | void): void => {
    test(name, () => withDisk(async (under) => run(under)))
  }
  const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

  fact('reads back what was written in place', ({ disk, folder }) => {
    disk.prepareZerosNow(`${folder}/segment`, 4_096)
    const file = disk.open(`${folder}/segment`)
    file.write(1_000, Buffer.from('across a sector border'.repeat(40)))
    file.sync()
    assert.equal(file.read(1_000, 880).toString(), 'across a sector border'.repeat(40))
    assert.deepEqual(file.read(0, 1_000), Buffer.alloc(1_000))
    assert.equal(file.sizeBytes, 4_096)
    file.close()
    const again = disk.open(`${folder}/segment`)
    assert.equal(again.read(1_000, 6).toString(), 'across')
    again.close()
  })

  fact('reads less only at the end of a file', ({ disk, folder }) => {
    disk.replaceFile(`${folder}/small`, Buffer.from('12345'))
    const file = disk.open(`${folder}/small`)
    assert.equal(file.read(3, 100).toString(), '45')
    assert.equal(file.read(5, 100).length, 0)
    assert.equal(file.read(99, 100).length, 0)
    file.close()
  })

  fact('grows a file that is written beyond its end, zeros in the gap', ({ disk, folder }) => {
    disk.replaceFile(`${folder}/file`, Buffer.from('abc'))
    const file = disk.open(`${folder}/file`)
    file.write(600, Buffer.from('z'))
    assert.equal(file.sizeBytes, 601)
    assert.deepEqual(
      file.read(0, 1_000),
      Buffer.concat([Buffer.from('abc'), Buffer.alloc(597), Buffer.from('z')]),
    )
    file.close()
  })

  fact('replaces a file and leaves nothing else behind', ({ disk, folder }) => {
    disk.replaceFile(`${folder}/file`, Buffer.from('a longer old content'))
    disk.replaceFile(`${folder}/file`, Buffer.from('new'))
    assert.equal(text(disk.readFile(`${folder}/file`)), 'new')
    assert.deepEqual(disk.list(folder), ['file'])
  })

  fact('has nothing where there is nothing', ({ disk, folder }) => {
    assert.equal(disk.readFile(`${folder}/none`), undefined)
    assert.equal(disk.exists(`${folder}/none`), false)
    assert.deepEqual(disk.list(`${folder}/none`), [])
    assert.throws(() => disk.open(`${folder}/none`), { code: 'ENOENT' })
    assert.throws(() => disk.remove(`${folder}/none`), { code: 'ENOENT' })
    assert.throws(() => disk.rename(`${folder}/none`, `${folder}/other`), { code: 'ENOENT' })
    assert.throws(() => disk.replaceFile(`${folder}/none/file`, Buffer.from('x')), { code: 'ENOENT' })
    assert.throws(() => disk.syncFolder(`${folder}/none`), { code: 'ENOENT' })
  })

  fact('lists the entries of a folder sorted', ({ disk, folder }) => {
    for (const name of ['b', 'a', 'C', '10', '9']) disk.replaceFile(`${folder}/${name}`, Buffer.from(name))
    disk.makeFolder(`${folder}/d`)
    assert.deepEqual(disk.list(folder), ['10', '9', 'C', 'a', 'b', 'd'])
  })

  fact('makes a folder with its parents, and again', ({ disk, folder }) => {
    disk.makeFolder(`${folder}/one/two/three`)
    disk.makeFolder(`${folder}/one/two/three`)
    disk.replaceFile(`${folder}/one/two/three/file`, Buffer.from('deep'))
    assert.equal(text(disk.readFile(`${folder}/one/two/three/file`)), 'deep')
    assert.ok(disk.exists(`${folder}/one/two`))
  })

  fact('renames over a file, and between folders', ({ disk, folder }) => {
    disk.makeFolder(`${folder}/aside`)
    disk.replaceFile(`${folder}/one`, Buffer.from('one'))
    disk.replaceFile(`${folder}/two`, Buffer.from('two'))
    disk.rename(`${folder}/one`, `${folder}/two`)
    disk.rename(`${folder}/two`, `${folder}/aside/three`)
    disk.syncFolder(folder)
    disk.syncFolder(`${folder}/aside`)
    assert.deepEqual(disk.list(folder), ['aside'])
    assert.equal(text(disk.readFile(`${folder}/aside/three`)), 'one')
  })

  fact('renames a folder with what is in it', ({ disk, folder }) => {
    disk.makeFolder(`${folder}/old/inner`)
    disk.replaceFile(`${folder}/old/inner/file`, Buffer.from('kept'))
    disk.rename(`${folder}/old`, `${folder}/new`)
    disk.syncFolder(folder)
    assert.equal(text(disk.readFile(`${folder}/new/inner/file`)), 'kept')
    assert.equal(disk.exists(`${folder}/old`), false)
  })

  fact('keeps an open file that was renamed or removed', ({ disk, folder }) => {
    disk.replaceFile(`${folder}/file`, Buffer.from('content'))
    const file = disk.open(`${folder}/file`)
    disk.rename(`${folder}/file`, `${folder}/renamed`)
    disk.remove(`${folder}/renamed`)
    assert.equal(file.read(0, 7).toString(), 'content')
    file.write(0, Buffer.from('CON'))
    file.sync()
    file.close()
    assert.deepEqual(disk.list(folder), [])
  })

  fact('removes a file', ({ disk, folder }) => {
    disk.replaceFile(`${folder}/file`, Buffer.from('x'))
    disk.remove(`${folder}/file`)
    disk.syncFolder(folder)
    assert.deepEqual(disk.list(folder), [])
  })

  fact('refuses a closed file', ({ disk, folder }) => {
    disk.replaceFile(`${folder}/file`, Buffer.from('x'))
    const file = disk.open(`${folder}/file`)
    file.close()
    assert.throws(() => file.read(0, 1), { code: 'EBADF' })
    assert.throws(() => file.sync(), { code: 'EBADF' })
  })

  fact('prepares a file of zeros of any size', async ({ disk, folder, settle }) => {
    for (const size of [0, 1, 512, 3_000_001]) {
      await settle(disk.prepareZeros(`${folder}/${size}`, size))
      const file = disk.open(`${folder}/${size}`)
      assert.equal(file.sizeBytes, size)
      assert.deepEqual(file.read(0, size), Buffer.alloc(size))
      file.close()
    }
    assert.deepEqual(disk.list(folder), ['0', '1', '3000001', '512'])
  })

  fact('prepares one file when asked twice at once', async ({ disk, folder, settle }) => {
    const both = [disk.prepareZeros(`${folder}/next`, 100_000), disk.prepareZeros(`${folder}/next`, 100_000)]
    await settle(Promise.all(both))
    assert.deepEqual(disk.list(folder), ['next'])
  })

  fact('never replaces a file by zeros', async ({ disk, folder, settle }) => {
    disk.replaceFile(`${folder}/used`, Buffer.from('records'))
    await settle(assert.rejects(disk.prepareZeros(`${folder}/used`, 4_096), { code: 'EEXIST' }))
    assert.throws(() => disk.prepareZerosNow(`${folder}/used`, 4_096), { code: 'EEXIST' })
    assert.equal(text(disk.readFile(`${folder}/used`)), 'records')
  })

  fact('lets a file that is needed at once overtake its preparation', async ({ disk, folder, settle }) => {
    const preparation = disk.prepareZeros(`${folder}/next`, 8_000_000)
    disk.prepareZerosNow(`${folder}/next`, 8_000_000)
    const file = disk.open(`${folder}/next`)
    file.write(0, Buffer.from('in use'))
    file.sync()
    await settle(preparation)
    assert.equal(file.read(0, 6).toString(), 'in use')
    file.close()
    assert.equal(text(disk.readFile(`${folder}/next`)?.subarray(0, 6)), 'in use')
    assert.deepEqual(disk.list(folder), ['next'])
  })

  fact('prepares anew what was overtaken and is gone again', async ({ disk, folder, settle }) => {
    const overtaken = disk.prepareZeros(`${folder}/next`, 1_000_000)
    disk.prepareZerosNow(`${folder}/next`, 10)
    disk.remove(`${folder}/next`)
    await settle(Promise.all([overtaken, disk.prepareZeros(`${folder}/next`, 20)]))
    assert.equal(disk.readFile(`${folder}/next`)?.length, 20)
    assert.deepEqual(disk.list(folder), ['next'])
  })

  fact('rejects a preparation in a folder that is not there', async ({ disk, folder, settle }) => {
    await settle(assert.rejects(disk.prepareZeros(`${folder}/none/next`, 4_096), { code: 'ENOENT' }))
  })

  fact('knows the free space, also of what does not exist yet', ({ disk, folder }) => {
    assert.ok(disk.freeBytes(folder) > 0)
    assert.ok(disk.freeBytes(`${folder}/not/yet`) > 0)
  })
}
