import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import { testDiskBehaviour } from '../../helpers/disk-behaviour.ts'

async function withFolder(run: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-disk-'))
  try {
    await run(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

testDiskBehaviour((run) =>
  withFolder((folder) => run({ disk: createNodeDisk(), folder, settle: (promise) => promise })),
)

const modeOf = (target: string): number => fs.statSync(target).mode & 0o777

test('creates files and folders for their owner alone', () =>
  withFolder(async (folder) => {
    const disk = createNodeDisk()
    disk.makeFolder(`${folder}/home/agents`)
    disk.replaceFile(`${folder}/home/small`, Buffer.from('x'))
    disk.prepareZerosNow(`${folder}/home/now`, 10)
    await disk.prepareZeros(`${folder}/home/zeros`, 10)
    assert.equal(modeOf(`${folder}/home`), 0o700)
    assert.equal(modeOf(`${folder}/home/agents`), 0o700)
    for (const name of ['small', 'now', 'zeros']) assert.equal(modeOf(`${folder}/home/${name}`), 0o600)
  }))

test('takes over from temporary files that a killed process left', () =>
  withFolder(async (folder) => {
    const disk = createNodeDisk()
    for (const purpose of ['new', 'zeros', 'now']) {
      fs.writeFileSync(`${folder}/.file.${purpose}.tmp`, 'half-written', { mode: 0o644 })
      if (purpose === 'new') disk.replaceFile(`${folder}/file`, Buffer.from('whole'))
      if (purpose === 'zeros') await disk.prepareZeros(`${folder}/file`, 7)
      if (purpose === 'now') disk.prepareZerosNow(`${folder}/file`, 7)
      assert.equal(modeOf(`${folder}/file`), 0o600)
      fs.rmSync(`${folder}/file`)
    }
    assert.deepEqual(fs.readdirSync(folder), [])
  }))

test('writes the zeros out, so that they take their room on the disk at once', () =>
  withFolder((folder) => {
    createNodeDisk().prepareZerosNow(`${folder}/segment`, 1024 * 1024)
    const { blocks } = fs.statSync(`${folder}/segment`)
    assert.ok(blocks * 512 >= 1024 * 1024, `${blocks} blocks`)
  }))

test('keeps the old file when its replacement cannot be written', () =>
  withFolder((folder) => {
    const disk = createNodeDisk()
    disk.replaceFile(`${folder}/file`, Buffer.from('old'))
    // A folder in the temporary file's place: it can be neither removed nor opened.
    fs.mkdirSync(`${folder}/.file.new.tmp/inner`, { recursive: true })
    assert.throws(() => disk.replaceFile(`${folder}/file`, Buffer.from('new')))
    assert.equal(fs.readFileSync(`${folder}/file`, 'utf8'), 'old')
  }))
