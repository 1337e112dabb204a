import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { LogSource } from '../../../src/cli/logs/log-source.ts'
import { openLogFile } from '../../../src/platform/node/log-file.ts'
import { listRotated } from '../../../src/platform/node/rotated-logs.ts'
import { until } from '../../helpers/command-line.ts'
import { withFolder } from '../../helpers/folder.ts'

const writer = fileURLToPath(new URL('../platform/log-writer.ts', import.meta.url))

async function withSource(
  log: string,
  follow: boolean,
  use: (source: LogSource, failures: string[]) => Promise<void>,
): Promise<void> {
  const failures: string[] = []
  const onFailure = (file: string, { message }: Error): void => void failures.push(`${file}: ${message}`)
  const source = await LogSource.open({ path: log, follow, onFailure })
  try {
    await use(source, failures)
  } finally {
    await source.close()
  }
}

async function all(batches: AsyncIterable<string[]>): Promise<string[]> {
  const lines: string[] = []
  for await (const batch of batches) lines.push(...batch)
  return lines
}

/** A log of three files: the oldest compressed, the next one set aside, the newest written. */
function threeFiles(log: string, perFile = 4): void {
  const text = (file: number): string =>
    Array.from({ length: perFile }, (_, at) => `${file * perFile + at}\n`).join('')
  fs.writeFileSync(`${log}.000009.gz`, gzipSync(text(0)))
  fs.writeFileSync(`${log}.000010`, text(1))
  fs.writeFileSync(log, text(2))
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => String(from + at))

test('what there is comes in its order, out of all files of the log', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    threeFiles(log)
    await withSource(log, false, async (source) => {
      assert.deepEqual(await all(source.since(-Infinity)), numbers(0, 12))
      for (const count of [0, 1, 4, 5, 8, 11, 12, 100])
        assert.deepEqual(
          await source.last(count, (line) => line),
          numbers(Math.max(0, 12 - count), 12),
          `${count}`,
        )
      assert.deepEqual(await source.last(3, (line) => (Number(line) % 5 === 0 ? line : undefined)), [
        '0',
        '5',
        '10',
      ])
    })
  }))

test('files whose last line is older than asked for are not read', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    threeFiles(log)
    fs.utimesSync(`${log}.000009.gz`, new Date(0), new Date(0))
    await withSource(log, false, async (source) => {
      assert.deepEqual(await all(source.since(Date.now() - 60_000)), numbers(4, 12))
    })
  }))

test('a file under both names is read once, and a damaged one as far as it goes', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    threeFiles(log, 3_000)
    fs.writeFileSync(`${log}.000010.gz`, gzipSync('not read'))
    const whole = fs.readFileSync(`${log}.000009.gz`)
    fs.writeFileSync(`${log}.000009.gz`, whole.subarray(0, whole.length - 200))
    await withSource(log, false, async (source, failures) => {
      const lines = await all(source.since(-Infinity))
      assert.deepEqual(lines.slice(-6_000), numbers(3_000, 9_000))
      assert.ok(lines.length > 6_000 && lines.length < 9_000)
      assert.match(failures.join(), /log\.000009\.gz: unexpected end/)
    })
  }))

test('lines longer than what is read at once come whole, in either direction, with their characters', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    const lines = ['first', 'ä€😀'.repeat(30_000), '', 'x'.repeat(65_536), 'last']
    fs.writeFileSync(log, `${lines.join('\n')}\n`)
    await withSource(log, false, async (source) => {
      assert.deepEqual(await all(source.since(-Infinity)), lines)
      assert.deepEqual(await source.last(10, (line) => line), lines)
    })
  }))

test('an endless line comes in pieces', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    fs.writeFileSync(log, `${'x'.repeat(5_000_000)}\nlast\n`)
    await withSource(log, false, async (source) => {
      const forwards = await all(source.since(-Infinity))
      assert.ok(forwards.length >= 4 && forwards.every((line) => line.length <= 1_200_000))
      assert.equal(forwards.join('').length, 5_000_004)
      const backwards = await source.last(100, (line) => line)
      assert.ok(backwards.every((line) => line.length <= 1_200_000))
      assert.equal(backwards.join('').length, 5_000_004)
    })
  }))

test('a line that is not whole is shown at the end, and waited for by whoever follows', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    fs.writeFileSync(log, 'one\ntw')
    await withSource(log, false, async (source) => {
      assert.deepEqual(await source.last(5, (line) => line), ['one', 'tw'])
    })
    await withSource(log, true, async (source) => {
      assert.deepEqual(await source.last(5, (line) => line), ['one'])
      assert.deepEqual(await all(source.more()), [])
      fs.appendFileSync(log, 'o\nthree\nfo')
      assert.deepEqual(await all(source.more()), ['two', 'three'])
      // Cut off for ever, since the file is set aside.
      fs.renameSync(log, `${log}.000001`)
      fs.writeFileSync(log, 'five\n')
      assert.deepEqual(await all(source.more()), ['fo', 'five'])
    })
  }))

test('files that come and go between two looks are read whole, once, in their order', () =>
  withFolder(async (folder) => {
    const log = path.join(folder, 'log')
    await withSource(log, true, async (source) => {
      assert.deepEqual(await all(source.more()), [])
      fs.writeFileSync(log, 'one\n')
      assert.deepEqual(await all(source.more()), ['one'])
      fs.appendFileSync(log, 'two\n')
      fs.renameSync(log, `${log}.000001`)
      fs.writeFileSync(`${log}.000002`, 'three\n')
      fs.writeFileSync(`${log}.000003.gz`, gzipSync('four\n'))
      assert.deepEqual(await all(source.more()), ['two', 'three', 'four'])
      fs.writeFileSync(log, 'five\n')
      assert.deepEqual(await all(source.more()), ['five'])
      // Long ago, as it seems to who was suspended: what was read is compressed by now.
      fs.rmSync(log)
      fs.writeFileSync(`${log}.000004.gz`, gzipSync('five\n'))
      fs.writeFileSync(`${log}.000005.gz`, gzipSync('six\n'))
      fs.writeFileSync(log, 'seven\n')
      assert.deepEqual(await all(source.more()), ['six', 'seven'])
      fs.writeFileSync(log, 'new\n')
      assert.deepEqual(await all(source.more()), ['new'])
    })
  }))

test(
  'whoever follows a log that is set aside and compressed all the time sees each line once',
  { timeout: 60_000 },
  () =>
    withFolder(async (folder) => {
      const log = path.join(folder, 'log')
      const count = 20_000
      fs.writeFileSync(log, '')
      await withSource(log, true, async (source) => {
        const child = spawn(process.execPath, [writer, log, '0', String(count), '4'], {
          stdio: ['ignore', 'ignore', 'inherit'],
        })
        const ended = once(child, 'exit')
        try {
          const seen: number[] = []
          await until('all of it is seen', async () => {
            for (const line of await all(source.more())) {
              const { n } = JSON.parse(line) as { n: number }
              seen.push(n)
            }
            return seen.length >= count
          })
          assert.deepEqual(
            seen,
            Array.from({ length: count }, (_, at) => at),
          )
          assert.ok(listRotated(log).some(({ compressed }) => compressed !== undefined))
        } finally {
          child.kill('SIGKILL')
          await ended
        }
      })
    }),
)

test('a log that has one file only is followed when it begins anew', () =>
  withFolder(async (folder) => {
    const file = path.join(folder, 'log')
    const log = openLogFile({ path: file, filesMax: 1, fileBytesMax: 64 * 1024 })
    log.write(`${'x'.repeat(65_000)}\n`)
    await withSource(file, true, async (source) => {
      log.write(`${'y'.repeat(600)}\n`)
      assert.deepEqual(await all(source.more()), ['y'.repeat(600)])
    })
    log.close()
  }))
