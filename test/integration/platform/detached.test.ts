import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ChildExit } from '../../../src/platform/child.ts'
import { adoptProcess, startDetached } from '../../../src/platform/node/detached-process.ts'
import { JsonLines, listenForJsonLines } from '../../../src/platform/node/json-lines.ts'
import { NodeBinary } from '../../../src/platform/node/node-binary.ts'
import { boundOutputFile } from '../../../src/platform/node/output-file.ts'
import { createNodeProcessTable } from '../../../src/platform/node/process-table.ts'
import { isAlive, until } from '../../helpers/command-line.ts'
import { withFolder } from '../../helpers/folder.ts'
import '../../helpers/leaks.ts'

const table = createNodeProcessTable()
const forEver = ['-e', 'console.log("here"); setInterval(() => undefined, 1_000)']

test('a detached process has a session of its own, and its output in a file; its exit is told', () =>
  withFolder(async (folder) => {
    const outputFile = join(folder, 'out')
    const ended = Promise.withResolvers<ChildExit>()
    const started = startDetached(
      {
        file: process.execPath,
        arguments: ['-e', 'console.log(process.cwd()); console.error(process.env.WORD); process.exit(3)'],
        environment: { WORD: 'hello' },
        workingFolder: folder,
        outputFile,
      },
      ended.resolve,
    )
    assert.ok(started.pid !== undefined)
    assert.deepEqual(await ended.promise, { code: 3, signal: null })
    assert.equal(readFileSync(outputFile, 'utf8'), `${folder}\nhello\n`)
    assert.equal(statSync(outputFile).mode & 0o777, 0o600)
    assert.equal(started.signal('SIGTERM'), false)
  }))

test('what keeps a process from being started is told as its end, and never before the call returns', () =>
  withFolder(async (folder) => {
    const attempt = async (change: object): Promise<string | undefined> => {
      const ended = Promise.withResolvers<ChildExit>()
      let returned = false
      const command = { file: process.execPath, arguments: forEver, environment: {}, workingFolder: folder }
      startDetached({ ...command, outputFile: join(folder, 'out'), ...change }, (exit) => {
        assert.ok(returned)
        ended.resolve(exit)
      })
      returned = true
      return (await ended.promise).error?.message
    }
    assert.match((await attempt({ file: join(folder, 'nothing') })) ?? '', /ENOENT/)
    assert.match(
      (await attempt({ workingFolder: join(folder, 'gone') })) ?? '',
      /working folder .*gone is gone/,
    )
    assert.match((await attempt({ outputFile: join(folder, 'no', 'out') })) ?? '', /ENOENT/)
  }))

test('an adopted process is watched and signalled, and another one under its number never', async () => {
  const child = spawn(process.execPath, forEver, { stdio: 'ignore' })
  const pid = child.pid ?? 0
  try {
    const identity = table.identify(pid) ?? ''
    const wrong = Promise.withResolvers<ChildExit>()
    const other = adoptProcess({ pid, identity: `${identity}0` }, table, wrong.resolve)
    assert.equal(other.signal('SIGKILL'), false)
    assert.deepEqual(await wrong.promise, { code: null, signal: null })
    assert.ok(isAlive(pid))

    const ended = Promise.withResolvers<ChildExit>()
    let ends = 0
    const adopted = adoptProcess({ pid, identity }, table, (exit) => {
      ends += 1
      ended.resolve(exit)
    })
    const closed = once(child, 'close')
    assert.equal(adopted.signal('SIGTERM'), true)
    adopted.look()
    assert.deepEqual(await ended.promise, { code: null, signal: null })
    await closed
    adopted.look()
    assert.deepEqual([ends, adopted.signal('SIGTERM')], [1, false])
  } finally {
    child.kill('SIGKILL')
  }
})

test('one that was left is watched no more', async () => {
  const child = spawn(process.execPath, forEver, { stdio: 'ignore' })
  const identity = table.identify(child.pid ?? 0) ?? ''
  const adopted = adoptProcess({ pid: child.pid ?? 0, identity }, table, () => assert.fail('it was left'))
  adopted.leave()
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
  adopted.look()
})

test('an output file that grew too large keeps its end beside it, and whoever has it open goes on at its beginning', () =>
  withFolder((folder) => {
    const path = join(folder, 'out')
    boundOutputFile(path)
    writeFileSync(path, 'x'.repeat(1024 * 1024))
    boundOutputFile(path)
    assert.ok(!existsSync(`${path}.1`))
    appendFileSync(path, 'the end')
    boundOutputFile(path)
    assert.equal(statSync(path).size, 0)
    assert.equal(readFileSync(`${path}.1`).length, 1024 * 1024)
    assert.match(readFileSync(`${path}.1`, 'utf8'), /xthe end$/)
  }))

test('where Node is gone, the first that works is taken, and it stays', () =>
  withFolder((folder) => {
    const replaced: string[] = []
    const old = join(folder, 'old-node')
    writeFileSync(old, '#!/bin/sh\necho v20.1.0\n')
    const fit = join(folder, 'node')
    writeFileSync(fit, '#!/bin/sh\necho v24.0.0\n')
    for (const path of [old, fit]) chmodSync(path, 0o755)
    const lost = new NodeBinary({
      current: join(folder, 'gone'),
      others: () => [old, join(folder, 'missing')],
      path: `${join(folder, 'nowhere')}:${folder}`,
      onReplaced: (from, to) => replaced.push(`${from} ${to}`),
    })
    assert.equal(lost.find(), fit)
    assert.equal(lost.find(), fit)
    assert.deepEqual(replaced, [`${join(folder, 'gone')} ${fit}`])
    const none = new NodeBinary({
      current: join(folder, 'gone'),
      others: () => [old],
      path: '',
      onReplaced: () => assert.fail('nothing works'),
    })
    assert.equal(none.find(), join(folder, 'gone'))
  }))

test('lines of JSON come as they were sent, however they are cut; what is none ends the connection', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'link.sock')
    const heard: unknown[] = []
    let closed = 0
    const server = await listenForJsonLines(path, (socket: Socket) => {
      void new JsonLines(socket, { onValue: (value) => heard.push(value), onClose: () => (closed += 1) })
    })
    try {
      const socket = connect(path)
      await once(socket, 'connect')
      const bytes = Buffer.from(`${JSON.stringify({ text: 'Grüße 👋' })}\n[1]\n`)
      for (const byte of bytes) socket.write(Buffer.from([byte]))
      await until('both are heard', () => heard.length === 2)
      assert.deepEqual(heard, [{ text: 'Grüße 👋' }, [1]])
      socket.write('{"half":\n"never"}\n')
      await until('it is cut off', () => closed === 1)
      assert.equal(heard.length, 2)
      socket.resume()
      await until('it knows', () => socket.closed)
    } finally {
      await server.close()
    }
  }))
