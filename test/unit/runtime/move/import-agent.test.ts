import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ExportAbout } from '../../../../src/runtime/move/export-agent.ts'
import { importAgent } from '../../../../src/runtime/move/import-agent.ts'
import { writeArchive } from '../../../../src/runtime/move/archive.ts'
import { createSeededRandom, outside, SimulatedClock } from '../../../../src/testing/index.ts'
import { SimulatedDisk } from '../../../../src/testing/disk.ts'
import { code } from '../../../helpers/store-folder.ts'

const about: ExportAbout = {
  export_id: 'e',
  agent: 'Ada',
  agent_id: 'a',
  exported_at: '2026-11-28T00:00:00.000Z',
  schema_version: 1,
  hub: 'https://hub.example.org:8767',
  hub_place: 'https://hub.example.org:8767',
  session_identifier: null,
  generation: 1,
  launch: { kind: 'file', path: '/home/ada/ada.ts' },
  open_turns: 0,
  pending_messages: 0,
}

const reached = new Error('everything it says was taken')

function importing(changes: Partial<ExportAbout>): void {
  const random = createSeededRandom('import')
  const disk = new SimulatedDisk({ clock: new SimulatedClock(), random }).for(outside)
  disk.makeFolder('/exports')
  const source = '/exports/ada'
  const content = { about: { ...about, ...changes }, sources: [], passphrase: undefined }
  writeArchive({ disk, random }, source, content)
  importAgent({
    source,
    passphrase: undefined,
    hubs: [],
    disk,
    random,
    target: () => {
      throw reached
    },
  })
}

test('an export says nothing to a person that speaks to the terminal or the shell', () => {
  assert.throws(() => importing({}), reached)
  assert.throws(() => importing({ hub: 'http://[2001:db8::1]:8767' }), reached)
  for (const changes of [
    { hub: 'https://$(id):1' },
    { hub: 'https://a; rm -rf ~' },
    { hub: 'javascript:1' },
    { launch: { kind: 'file', path: '/a\u001b]0;title\u0007' } },
  ] as const) {
    assert.throws(() => importing(changes), code('ERR_EXPORT_INVALID'), JSON.stringify(changes))
  }
})
