import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { formatLogLine } from '../../../src/platform/log-line.ts'
import { openLogFile, type LogFile } from '../../../src/platform/node/log-file.ts'
import { createNodeLog } from '../../../src/platform/node/log.ts'

const kib64 = 64 * 1024

function withFolder(run: (folder: string) => void): void {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'perdura-log-'))
  try {
    run(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

function linesOf(file: string): string[] {
  return fs.readFileSync(file, 'utf8').trimEnd().split('\n')
}

function fill(log: LogFile, count: number): void {
  for (let index = 0; index < count; index += 1) log.write(`${String(index).padStart(999, '0')}\n`)
}

function lineAt(timeMs: number): string {
  return formatLogLine({ timeMs, level: 'info', event: 'test', fields: {} })
}

test('writes lines of JSON to a file for its owner alone, each at once', () =>
  withFolder((folder) => {
    const file = `${folder}/agent.log`
    const log = createNodeLog({ file: { path: file }, level: 'debug', secrets: ['my-own-secret'] })
    log.debug('turn:attempt:started', { turn: 7 })
    const [line] = linesOf(file)
    assert.deepEqual(
      { ...JSON.parse(line!), time: undefined },
      {
        time: undefined,
        level: 'debug',
        event: 'turn:attempt:started',
        turn: 7,
      },
    )
    log.with({ agent: 'Ada' }).error('turn:attempt:failed', { error: new Error('my-own-secret was refused') })
    const { agent, error } = JSON.parse(linesOf(file)[1]!)
    assert.equal(agent, 'Ada')
    assert.equal(error.message, '[redacted] was refused')
    assert.equal(fs.statSync(file).mode & 0o777, 0o600)
    log.close()
    log.info('late')
    assert.equal(linesOf(file).length, 2)
  }))

test('sets full files aside under rising numbers, and keeps as many as it may', () =>
  withFolder((folder) => {
    const log = openLogFile({ path: `${folder}/log`, fileBytesMax: kib64, filesMax: 3 })
    fill(log, 65 * 5)
    log.close()
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ['log', 'log.000003', 'log.000004'])
    for (const name of fs.readdirSync(folder)) {
      const { size, mode } = fs.statSync(`${folder}/${name}`)
      assert.ok(size <= kib64, `${name}: ${size}`)
      assert.equal(mode & 0o777, 0o600)
    }
    const numbers = ['log.000003', 'log.000004', 'log'].flatMap((name) =>
      linesOf(`${folder}/${name}`).map(Number),
    )
    assert.equal(numbers.at(-1), 324)
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => 324 - numbers.length + 1 + index),
    )
  }))

test('sets aside a file whose first line is old, whoever wrote it, and no new one for its size', () =>
  withFolder((folder) => {
    fs.writeFileSync(`${folder}/log`, '{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"old"}\n')
    const log = openLogFile({ path: `${folder}/log`, fileAgeMs: 3_600_000 })
    log.write(lineAt(Date.now()))
    log.write(lineAt(Date.now()))
    log.close()
    const again = openLogFile({ path: `${folder}/log`, fileAgeMs: 3_600_000 })
    again.write(lineAt(Date.now()))
    again.close()
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ['log', 'log.000001'])
    assert.equal(linesOf(`${folder}/log`).length, 3)
    assert.match(linesOf(`${folder}/log.000001`).join(), /"old"/)
  }))

test('starts its only file again when that is all it may have', () =>
  withFolder((folder) => {
    const log = openLogFile({ path: `${folder}/log`, fileBytesMax: kib64, filesMax: 1 })
    fill(log, 100)
    log.close()
    assert.deepEqual(fs.readdirSync(folder), ['log'])
    assert.equal(Number(linesOf(`${folder}/log`).at(-1)), 99)
  }))

test('goes on in the file of the process before, and counts its size', () =>
  withFolder((folder) => {
    const options = { path: `${folder}/log`, fileBytesMax: kib64, filesMax: 2 }
    for (let run = 0; run < 4; run += 1) {
      const log = openLogFile(options)
      fill(log, 40)
      log.close()
    }
    assert.ok(fs.statSync(`${folder}/log`).size <= kib64)
    assert.deepEqual(fs.readdirSync(folder).toSorted(), ['log', 'log.000002'])
  }))

test('starts a new line after one that a kill cut off', () =>
  withFolder((folder) => {
    fs.writeFileSync(`${folder}/log`, '{"whole":1}\n{"cut":')
    const log = openLogFile({ path: `${folder}/log` })
    log.write('{"next":1}\n')
    log.close()
    assert.deepEqual(linesOf(`${folder}/log`), ['{"whole":1}', '{"cut":', '{"next":1}'])
  }))

test('makes the file again when somebody removed it or set it aside', () =>
  withFolder((folder) => {
    const log = openLogFile({ path: `${folder}/log` })
    log.write('one\n')
    fs.rmSync(`${folder}/log`)
    log.write('two\n')
    fs.renameSync(`${folder}/log`, `${folder}/aside`)
    log.write('three\n')
    log.close()
    assert.deepEqual(linesOf(`${folder}/log`), ['three'])
    assert.deepEqual(linesOf(`${folder}/aside`), ['two'])
  }))

test('shares its file with another process without losing or splitting lines', () =>
  withFolder((folder) => {
    const options = { path: `${folder}/log`, fileBytesMax: kib64, filesMax: 5 }
    const logs = [openLogFile(options), openLogFile(options)]
    for (let index = 0; index < 200; index += 1)
      logs[index % 2]!.write(`${String(index).padStart(999, '0')}\n`)
    for (const log of logs) log.close()
    const names = fs.readdirSync(folder)
    const numbers = names
      .flatMap((name) => linesOf(`${folder}/${name}`).map(Number))
      .toSorted((a, b) => a - b)
    assert.deepEqual(
      numbers,
      Array.from({ length: 200 }, (_, index) => index),
    )
  }))

test('counts the lines that it cannot write, and says so once it can again', () =>
  withFolder((folder) => {
    fs.mkdirSync(`${folder}/log`)
    const log = openLogFile({ path: `${folder}/log` })
    log.write('lost\n')
    log.write('lost too\n')
    fs.rmdirSync(`${folder}/log`)
    log.write('kept\n')
    log.close()
    const [dropped, kept] = linesOf(`${folder}/log`)
    const { event, dropped: count } = JSON.parse(dropped!)
    assert.deepEqual({ event, count, kept }, { event: 'log:lines:dropped', count: 2, kept: 'kept' })
  }))

test('does not fall over on a full disk', { skip: !fs.existsSync('/dev/full') }, () => {
  const log = openLogFile({ path: '/dev/full' })
  log.write('lost\n')
  log.close()
})
