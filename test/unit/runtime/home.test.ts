import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createNodeDisk } from '../../../src/platform/node/disk.ts'
import { unwritable } from '../../../src/platform/unwritable.ts'
import { isAlive } from '../../../src/platform/process-table.ts'
import {
  agentExists,
  agentPaths,
  checkAgentName,
  listAgents,
  prepareAgentFolder,
  resolveHome,
} from '../../../src/runtime/home.ts'
import { readLaunchRecord, writeLaunchRecord } from '../../../src/runtime/launch-record.ts'
import {
  readProcessRecord,
  removeProcessRecord,
  writeProcessRecord,
  type ProcessRecord,
} from '../../../src/runtime/process-record.ts'

const disk = createNodeDisk()

function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'perdura-home-'))
  try {
    use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('a full disk is told from a folder that may not be written: it passes by itself', () => {
  const full = unwritable('/home/u/x', Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
  assert.deepEqual([full.code, full.retryable], ['ERR_STORE_WRITE', true])
  assert.match(full.message, /free some disk space/)
  const closed = unwritable('/home/u/x', Object.assign(new Error('EACCES'), { code: 'EACCES' }))
  assert.deepEqual([closed.code, closed.retryable], ['ERR_HOME_UNWRITABLE', false])
})

test('the home is what was asked for, else what the environment says, else the default', () => {
  const at = (home: string | undefined, environment: Record<string, string>): string =>
    resolveHome({ home, environment, userFolder: '/home/u', workingFolder: '/here' })
  assert.equal(at('/asked', { PERDURA_HOME: '/p', XDG_STATE_HOME: '/x' }), '/asked')
  assert.equal(at('asked', {}), '/here/asked')
  assert.equal(at(undefined, { PERDURA_HOME: '/p', XDG_STATE_HOME: '/x' }), '/p')
  assert.equal(at(undefined, { PERDURA_HOME: '', XDG_STATE_HOME: '/x' }), '/x/perdura')
  assert.equal(at(undefined, { XDG_STATE_HOME: 'relative' }), '/home/u/.local/state/perdura')
  assert.equal(at(undefined, {}), '/home/u/.local/state/perdura')
})

test('a socket path that the system would cut off is replaced by a short one, the same for everybody', () => {
  const short = agentPaths('/home/u/.local/state/perdura', 'Ada')
  assert.equal(short.controlSocket, '/home/u/.local/state/perdura/agents/Ada/control.sock')
  assert.equal(short.socketFolder, undefined)
  const long = agentPaths(`/${'deep/'.repeat(30)}`, 'Ada')
  assert.ok(Buffer.byteLength(long.controlSocket) <= 100)
  assert.equal(long.controlSocket, agentPaths(`/${'deep/'.repeat(30)}`, 'Ada').controlSocket)
  assert.notEqual(long.controlSocket, agentPaths(`/${'deep/'.repeat(30)}`, 'Bob').controlSocket)
})

test('names that could leave the folder, or are the terminal, are refused', () => {
  for (const name of [
    '',
    '.',
    '..',
    '../Ada',
    'a/b',
    '-a',
    '_a',
    'ä',
    'a b',
    'x'.repeat(65),
    'you',
    'You',
    'a\n',
  ]) {
    assert.throws(() => checkAgentName(name), { code: 'ERR_AGENT_NAME' }, JSON.stringify(name))
  }
  for (const name of ['Ada', 'a', '0', 'agent_7-b', 'x'.repeat(64)]) checkAgentName(name)
})

test('the folder is private, and its name differs from others in more than case', () => {
  withFolder((home) => {
    const { folder } = prepareAgentFolder(disk, home, 'Ada')
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    prepareAgentFolder(disk, home, 'Ada')
    assert.throws(() => prepareAgentFolder(disk, home, 'ADA'), { code: 'ERR_AGENT_NAME' })
    prepareAgentFolder(disk, home, 'Bob')
    assert.deepEqual(listAgents(disk, home), ['Ada', 'Bob'])
    assert.equal(agentExists(disk, home, 'Ada'), true)
    assert.equal(agentExists(disk, home, 'ada'), false)
    assert.equal(agentExists(disk, home, '../agents/Ada'), false)
  })
})

test('a home that cannot be made says so, with what to do', () => {
  withFolder((folder) => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    assert.throws(() => prepareAgentFolder(disk, join(file, 'home'), 'Ada'), {
      code: 'ERR_HOME_UNWRITABLE',
      message: /--home or PERDURA_HOME/,
    })
  })
})

const record: ProcessRecord = {
  pid: 42,
  identity: 'boot:7',
  instance: 'i-1',
  startedAt: 1,
  controlSocket: '/s',
  ingressPort: 8760,
  supervisorPid: null,
  hub: null,
}

test('a process is alive only if it is the very one that wrote the record', () => {
  assert.equal(isAlive({ identify: () => 'boot:7' }, record), true)
  assert.equal(isAlive({ identify: () => 'boot:8' }, record), false)
  assert.equal(isAlive({ identify: () => undefined }, record), false)
  assert.equal(isAlive({ identify: () => 'boot:7' }, undefined), false)
})

test('a record is removed by the process that wrote it, not by one that was replaced', () => {
  withFolder((folder) => {
    const path = join(folder, 'agent.pid')
    writeProcessRecord(disk, path, record)
    assert.deepEqual(readProcessRecord(disk, path), record)
    removeProcessRecord(disk, path, 'i-0')
    assert.deepEqual(readProcessRecord(disk, path), record)
    removeProcessRecord(disk, path, 'i-1')
    assert.equal(readProcessRecord(disk, path), undefined)
  })
})

test('a record that is no record counts as none', () => {
  withFolder((folder) => {
    const path = join(folder, 'agent.pid')
    for (const text of ['', '{', '[]', '{"pid":"1"}', '42']) {
      writeFileSync(path, text)
      assert.equal(readProcessRecord(disk, path), undefined, text)
      assert.equal(readLaunchRecord(disk, path), undefined, text)
    }
  })
})

test('what an agent was started from is remembered', () => {
  withFolder((folder) => {
    const path = join(folder, 'agent.json')
    writeLaunchRecord(disk, path, 'Ada', { source: { kind: 'file', path: '/x/ada.ts' }, hub: 'http://hub:1' })
    assert.deepEqual(readLaunchRecord(disk, path), {
      source: { kind: 'file', path: '/x/ada.ts' },
      hub: 'http://hub:1',
    })
    writeLaunchRecord(disk, path, 'Ada', { source: { kind: 'reflex' }, hub: undefined })
    assert.deepEqual(readLaunchRecord(disk, path), { source: { kind: 'reflex' }, hub: undefined })
  })
})
