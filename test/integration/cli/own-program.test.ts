import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { programArguments, programEnvironment } from '../../../src/cli/own-program.ts'
import { withFolder } from '../../helpers/folder.ts'

/** What an agent's code finds in its environment, where its process was started with this. */
function find(environment: Readonly<Record<string, string>>): Promise<string | undefined> {
  return withFolder(async (folder) => {
    const file = join(folder, 'agent.mjs')
    writeFileSync(file, 'throw new Error(`found <${process.env.GLIBC_TUNABLES}>`)\n')
    const args = programArguments('agent', ['run', file, '--home', join(folder, 'home')])
    const { stderr } = spawnSync(process.execPath, args, {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
    })
    return /found <([^>]*)>/.exec(stderr)?.[1]
  })
}

test('keeps what it tells the allocator of its processes from the programs that they start', async () => {
  assert.ok('GLIBC_TUNABLES' in programEnvironment({}))
  assert.equal(await find(programEnvironment({})), 'undefined')
})

test('leaves alone what a person tells the allocator', async () => {
  const own = { GLIBC_TUNABLES: 'glibc.malloc.arena_max=3' }
  assert.deepEqual(programEnvironment(own), {})
  assert.equal(await find(own), own.GLIBC_TUNABLES)
})
