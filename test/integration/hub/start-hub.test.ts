import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
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

for (const name of ['hub.db', 'hub.db-wal']) {
  test(`${name} of a hub is taken away: before a commit or in the middle of one, it acknowledges nothing`, async (t) => {
    await withFolder(async (folder) => {
      const [file, aside] = [join(folder, name), join(folder, 'aside')]
      let takenAtCommit = false
      const { exec } = DatabaseSync.prototype
      t.mock.method(DatabaseSync.prototype, 'exec', function (this: DatabaseSync, sql: string) {
        if (sql === 'COMMIT' && takenAtCommit) renameSync(file, aside)
        return exec.call(this, sql)
      })
      const hub = await startHub({
        folder,
        addresses: [{ host: '127.0.0.1', port: 0 }],
        platform: createNodePlatform(),
        log: createSimulatedLog(new Trace()),
      })
      const refused = {
        code: 'ERR_HUB_STORAGE',
        message: new RegExp(`/${name} (is gone|has been taken away)`),
      }
      try {
        await hub.probe('disk')
        renameSync(file, aside)
        for (const depth of ['queue', 'disk'] as const) await assert.rejects(hub.probe(depth), refused)
        renameSync(aside, file)
        await hub.probe('disk')
        takenAtCommit = true
        await assert.rejects(hub.probe('disk'), refused)
        takenAtCommit = false
        renameSync(aside, file)
        await hub.probe('disk')
        if (name === 'hub.db-wal') renameSync(file, aside)
      } finally {
        await hub.close(100)
      }
      // Also of the one that was refused: it was written, and all of it is in the database when the hub has ended well.
      const database = new DatabaseSync(join(folder, 'hub.db'))
      try {
        const row = database.prepare("SELECT value FROM counters WHERE name = 'probes'").get()
        assert.equal(row?.['value'], 4)
      } finally {
        database.close()
      }
    })
  })
}
