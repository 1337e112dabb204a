import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { openLogFile } from '../../../src/platform/node/log-file.ts'
import { keepUp } from '../../../src/platform/node/log-upkeep.ts'
import { listRotated } from '../../../src/platform/node/rotated-logs.ts'
import { until } from '../../helpers/command-line.ts'
import { withFolder } from '../../helpers/folder.ts'

const day = 86_400_000
const writer = fileURLToPath(new URL('log-writer.ts', import.meta.url))
const kept = { keptMax: 9, keptMs: 90 * day, compress: true, archive: undefined } as const

/** A file that was set aside so long ago that nobody writes to it any more. */
function setAside(log: string, sequence: number, text: string, ageMs = 0): string {
  const file = `${log}.${String(sequence).padStart(6, '0')}`
  fs.writeFileSync(file, text, { mode: 0o600 })
  const at = new Date(Date.now() - ageMs)
  fs.utimesSync(file, at, at)
  return file
}

/** What counts is when the inode was changed, which only time can make old. */
async function settled(file: string): Promise<void> {
  await until('it is settled', () => Date.now() - fs.statSync(file).ctimeMs > 1_000)
}

/** All lines of a log, the oldest first; one that is there under both names once. */
function allLines(log: string): string[] {
  const texts = listRotated(log).map(({ plain, compressed }) =>
    compressed === undefined ? fs.readFileSync(plain ?? '') : gunzipSync(fs.readFileSync(compressed)),
  )
  if (fs.existsSync(log)) texts.push(fs.readFileSync(log))
  return Buffer.concat(texts)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
}

function numbersOf(log: string): number[] {
  return allLines(log).map((line) => (JSON.parse(line) as { n: number }).n)
}

test('what was set aside is compressed, for its owner alone, with the age of its lines', () =>
  withFolder(async (folder) => {
    const file = setAside(`${folder}/log`, 7, 'one\ntwo\n'.repeat(10_000), 5 * day)
    await settled(file)
    assert.equal(await keepUp({ ...kept, path: `${folder}/log` }), false)
    assert.deepEqual(fs.readdirSync(folder), ['log.000007.gz'])
    const { size, mode, mtimeMs } = fs.statSync(`${file}.gz`)
    assert.ok(size < 1_000 && (mode & 0o777) === 0o600)
    assert.ok(Math.abs(Date.now() - 5 * day - mtimeMs) < day)
    assert.equal(allLines(`${folder}/log`).length, 20_000)
  }))

test('a file that was set aside only now is left alone, for a line that is on its way', () =>
  withFolder(async (folder) => {
    setAside(`${folder}/log`, 1, 'one\n')
    assert.equal(await keepUp({ ...kept, path: `${folder}/log` }), true)
    assert.deepEqual(fs.readdirSync(folder), ['log.000001'])
  }))

test('what a compression that was killed has left is brought to its end', () =>
  withFolder(async (folder) => {
    const whole = setAside(`${folder}/log`, 1, 'one\n')
    const unnamed = setAside(`${folder}/log`, 2, 'two\n')
    const empty = setAside(`${folder}/log`, 3, '')
    fs.writeFileSync(`${unnamed}.gz.4711.tmp`, 'half of it')
    await settled(empty)
    await keepUp({ ...kept, path: `${folder}/log` })
    // Killed after the one had its name and before the other one had gone.
    fs.writeFileSync(whole, 'one\n')
    await keepUp({ ...kept, path: `${folder}/log` })
    assert.deepEqual(fs.readdirSync(folder).toSorted(), [
      'log.000001.gz',
      'log.000002.gz',
      'log.000002.gz.4711.tmp',
    ])
    assert.deepEqual(allLines(`${folder}/log`), ['one', 'two'])
  }))

test('the oldest go, by number and by age', () =>
  withFolder(async (folder) => {
    const log = `${folder}/log`
    for (let sequence = 8; sequence <= 12; sequence += 1)
      setAside(log, sequence, `${sequence}\n`, sequence === 11 ? 100 * day : 0)
    fs.writeFileSync(log, 'now\n')
    fs.writeFileSync(`${folder}/log.bak`, 'somebody else’s\n')
    await keepUp({ ...kept, path: log, keptMax: 3, compress: false })
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ['log', 'log.000010', 'log.000012', 'log.bak'])
  }))

test('with an archive they are moved there, and nothing in it is overwritten', () =>
  withFolder(async (folder) => {
    const archive = path.join(folder, 'archive', 'Ada')
    for (const text of ['one\n', 'two\n']) {
      setAside(`${folder}/log`, 1, text, text === 'one\n' ? 2_000 : 1_000)
      await keepUp({ path: `${folder}/log`, keptMax: 0, keptMs: day, compress: false, archive })
    }
    assert.deepEqual(listRotated(`${folder}/log`), [])
    const archived = fs.readdirSync(archive).toSorted()
    assert.equal(archived.length, 2, archived.join())
    assert.match(archived[0] ?? '', /^log\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.000001$/)
    assert.deepEqual(
      archived.map((name) => fs.readFileSync(path.join(archive, name), 'utf8')),
      ['one\n', 'two\n'],
    )
  }))

test('an archive that cannot be used is said once, and the log goes on within twice its bound', () =>
  withFolder(async (folder) => {
    fs.writeFileSync(`${folder}/archive`, 'no folder')
    const log = openLogFile({
      path: `${folder}/log`,
      fileBytesMax: 64 * 1024,
      filesMax: 2,
      compress: false,
      archive: `${folder}/archive/logs`,
    })
    for (let n = 0; n < 1_000; n += 1) log.write(`{"n":${n},"p":"${'x'.repeat(990)}"}\n`)
    assert.equal(listRotated(`${folder}/log`).length, 4)
    await until('it says so', () =>
      allLines(`${folder}/log`).some((line) => line.includes('log:upkeep:failed')),
    )
    log.close()
    assert.equal(allLines(`${folder}/log`).filter((line) => line.includes('log:upkeep:failed')).length, 1)
  }))

test(
  'four processes that write to one log at once lose no line, and have none twice',
  { timeout: 60_000 },
  () =>
    withFolder(async (folder) => {
      const log = path.join(folder, 'log')
      const count = 2_500
      const children = [0, 1, 2, 3].map((at) =>
        spawn(process.execPath, [writer, log, String(at * count), String(count)], {
          stdio: ['ignore', 'ignore', 'inherit'],
        }),
      )
      const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]))
      assert.deepEqual(codes, [0, 0, 0, 0])
      assert.ok(listRotated(log).length > 60)
      assert.deepEqual(
        numbersOf(log).toSorted((a, b) => a - b),
        Array.from({ length: 4 * count }, (_, at) => at),
      )
    }),
)

test(
  'a process that is killed again and again while it sets aside and compresses loses no line',
  { timeout: 90_000 },
  () =>
    withFolder(async (folder) => {
      const log = path.join(folder, 'log')
      let written = 0
      let compressions = 0
      for (let round = 0; round < 5; round += 1) {
        const child = spawn(process.execPath, [writer, log, String(written), '0', '40'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        let said = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-100)))
        const before = listRotated(log).filter(({ compressed }) => compressed !== undefined).length
        const isBusy = (): boolean =>
          listRotated(log).filter(({ compressed }) => compressed !== undefined).length > before + round
        try {
          await until('it compresses', isBusy)
        } finally {
          child.kill('SIGKILL')
        }
        await once(child, 'close')
        written = Number(said.trimEnd().split('\n').at(-1)) + 1
        compressions += listRotated(log).filter(({ compressed }) => compressed !== undefined).length - before
      }
      assert.ok(compressions >= 5)
      const found = new Set(numbersOf(log))
      assert.deepEqual(
        Array.from({ length: written }, (_, at) => at).filter((n) => !found.has(n)),
        [],
      )
    }),
)
