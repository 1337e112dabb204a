import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readEnvironment } from '../../../src/cli/child-command.ts'
import { agentChild, agentOf, hubChild } from '../../../src/cli/child-name.ts'
import { launchJson, launchOf, type Launch } from '../../../src/cli/launch.ts'
import { withFolder } from '../../helpers/folder.ts'

const launch: Launch = {
  arguments: ['run', '/code/ada.ts', '--name', 'Ada'],
  untilOnline: ['--takeover'],
  atHomeHub: true,
  environment: { PERDURA_HUB: 'http://127.0.0.1:8767' },
  environmentFile: '/etc/ada.env',
  workingFolder: '/code',
  codeFile: '/code/ada.ts',
  policy: { restart: 'on-failure', memoryMaxBytes: 1e9, stopMs: 3_000 },
}

test('what is to be started survives its record, with and without what may be left out', () => {
  const bare = { ...launch, environmentFile: undefined, codeFile: undefined, policy: {}, untilOnline: [] }
  for (const one of [launch, bare])
    assert.deepEqual(launchOf(JSON.parse(JSON.stringify(launchJson(one)))), one)
})

test('what is no launch is refused, and the key is named', () => {
  const broken = (change: object) => () => launchOf({ ...launchJson(launch), ...change })
  assert.throws(() => launchOf(null), /"launch" .* must be an object/)
  assert.throws(broken({ arguments: 'run' }), /"arguments" .* must be a list of texts/)
  assert.throws(broken({ arguments: ['run', 7] }), /"arguments"/)
  assert.throws(broken({ working_folder: null }), /"working_folder" .* must be a text/)
  assert.throws(broken({ environment: { A: 1 } }), /"A"/)
  // What ends a text for the system must not end it for us.
  assert.throws(broken({ arguments: ['run', 'a\0b'] }), /"arguments"/)
})

test('an agent that has the name of the hub is not the hub', () => {
  assert.equal(agentOf(hubChild), undefined)
  assert.equal(agentOf(agentChild('hub')), 'hub')
  assert.notEqual(agentChild('hub'), hubChild)
})

test('a file of variables is read as Node reads them, and it is said where others can read it', () =>
  withFolder((folder) => {
    const path = join(folder, 'ada.env')
    writeFileSync(path, '# keys\nKEY="a b"\nexport OTHER=c # d\nEMPTY=\n', { mode: 0o600 })
    const warnings: unknown[] = []
    const log = { warn: (_event: string, fields?: object) => void warnings.push(fields) }
    assert.deepEqual(readEnvironment(path, log), { KEY: 'a b', OTHER: 'c', EMPTY: '' })
    assert.deepEqual(warnings, [])
    chmodSync(path, 0o640)
    readEnvironment(path, log)
    assert.deepEqual(warnings, [{ path }])
    assert.throws(() => readEnvironment(join(folder, 'none'), log), /none cannot be read \(ENOENT/)
    writeFileSync(path, `KEY=${'secret'.repeat(200_000)}`)
    assert.throws(
      () => readEnvironment(path, log),
      (error: Error) => error.message.includes('larger than 1 MiB') && !error.message.includes('secret'),
    )
  }))
