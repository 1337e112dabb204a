import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withCommandLine } from '../../helpers/command-line.ts'
import { leftoversOf, processesOf } from '../../helpers/home-processes.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }
const skip = process.platform === 'linux' ? false : 'there is no /proc'

test('SIGTERM to up leaves no process, socket, record or lock', { ...patience, skip }, () =>
  withCommandLine(async (cli) => {
    const up = await cli.upWithHub()
    assert.ok(processesOf(cli.home).length >= 4, JSON.stringify(processesOf(cli.home)))
    // It would be found, were it left.
    const there = leftoversOf(cli.home)
    for (const name of ['agent.pid', 'control.sock', 'hub.pid', 'lock.db is locked'])
      assert.ok(
        there.some((text) => text.endsWith(name)),
        `${name} of ${there.join(', ')}`,
      )
    up.kill('SIGTERM')
    assert.equal((await up.ended).code, 0)
    assert.deepEqual(leftoversOf(cli.home), [])
    assert.ok(existsSync(join(cli.home, 'agents', 'Ada', 'state.db')))
  }),
)
