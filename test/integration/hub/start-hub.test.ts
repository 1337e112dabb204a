import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { startHub } from '../../../src/hub/server/start-hub.ts'
import { createNodePlatform } from '../../../src/platform/node/platform.ts'
import { createSimulatedLog } from '../../../src/testing/simulated-log.ts'
import { Trace } from '../../../src/testing/trace.ts'
import { withFolder } from '../../helpers/folder.ts'
import '../../helpers/leaks.ts'

test('what a hub has committed is on disk: its database is opened with WAL, and syncs each commit', async (t) => {
  await withFolder(async (folder) => {
    // A connection is configured by what it executes first; the settings are its own, and cannot be asked from outside.
    const opened = new Set<DatabaseSync>()
    const { exec } = DatabaseSync.prototype
    t.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
      opened.add(this)
      return exec.call(this, sql)
    })
    const hub = await startHub({
      folder,
      addresses: [{ host: '127.0.0.1', port: 0 }],
      platform: createNodePlatform(),
      log: createSimulatedLog(new Trace()),
    })
    try {
      const connections = [...opened].filter((connection) => connection.location()?.endsWith('hub.db'))
      assert.equal(connections.length, 1)
      const ask = (pragma: string) => Object.values(connections[0]?.prepare(`PRAGMA ${pragma}`).get() ?? {})
      assert.deepEqual(ask('synchronous'), [2])
      assert.deepEqual(ask('journal_mode'), ['wal'])
      assert.deepEqual(ask('fullfsync'), [1])
    } finally {
      await hub.close(100)
    }
  })
})
