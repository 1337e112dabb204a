import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withCommandLine, type CommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 120_000 }

const notes = (cli: CommandLine): Promise<string> =>
  cli.run(['send', 'Ada', 'what do you remember?', '--wait']).then(({ stdout }) => stdout)

const tell = (cli: CommandLine, text: string): Promise<unknown> => cli.json(['send', 'Ada', text, '--wait'])

const stop = (cli: CommandLine): Promise<unknown> => cli.json(['stop', 'Ada'])

test('an agent is put back to a backup that was taken while it ran, and that is undone', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up(['Ada'])
    await tell(cli, 'remember that the key is under the mat')
    const taken = await cli.json(['backup', 'create', 'Ada'])
    assert.deepEqual([taken.agent, taken.reason, taken.encrypted], ['Ada', 'asked', false])
    assert.ok(taken.proof.took_ms >= 0)
    await tell(cli, 'remember that the cat is out')

    const running = await cli.run(['backup', 'restore', 'Ada', 'newest', '--yes'])
    assert.match(running.stderr, /ERR_HOME_IN_USE.*perdura stop Ada/)
    await stop(cli)
    const unsure = await cli.run(['backup', 'restore', 'Ada', 'newest'])
    assert.deepEqual([unsure.code, /--yes/.test(unsure.stderr)], [2, true])
    const restored = await cli.json(['backup', 'restore', 'Ada', taken.name, '--yes'])
    assert.equal(restored.sequence, taken.sequence)
    assert.match(restored.lost.join('\n'), /has taken in 1 message since/)
    assert.deepEqual(readdirSync(restored.quarantine).includes('state.db'), true)

    await cli.up(['Ada'])
    const then = await notes(cli)
    assert.match(then, /under the mat/)
    assert.doesNotMatch(then, /cat is out/)
    await stop(cli)
    await cli.json(['backup', 'restore', 'Ada', restored.before.name, '--yes'])
    await cli.up(['Ada'])
    assert.match(await notes(cli), /cat is out/)
    await stop(cli)

    const { backups } = await cli.json(['backup', 'list', 'Ada'])
    assert.deepEqual(
      backups.map(({ reason, proof }: { reason: string; proof: unknown }) => [reason, proof !== null]),
      [
        ['restore', true],
        ['restore', true],
        ['asked', true],
      ],
    )
  }),
)

test('an agent whose folder lost its database and its journal comes back from a backup', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up(['Ada'])
    await tell(cli, 'remember that the key is under the mat')
    up.kill('SIGKILL')
    await up.ended
    // Of one that was killed: what is only in the journal belongs to it too.
    await cli.json(['backup', 'create', 'Ada'])
    const folder = join(cli.home, 'agents', 'Ada')
    for (const name of readdirSync(folder).filter((one) => one.startsWith('state.db')))
      rmSync(join(folder, name))
    rmSync(join(folder, 'journal'), { recursive: true })
    const { before } = await cli.json(['backup', 'restore', 'Ada', 'newest', '--yes'])
    assert.equal(before, null)
    await cli.up(['Ada'])
    assert.match(await notes(cli), /under the mat/)
    await stop(cli)

    // And also by itself, when nobody knows that there was something to restore.
    for (const name of readdirSync(folder).filter((one) => one.startsWith('state.db')))
      rmSync(join(folder, name))
    rmSync(join(folder, 'journal'), { recursive: true })
    await cli.up(['Ada'])
    assert.match(await notes(cli), /under the mat/)
    assert.match(readFileSync(join(folder, 'agent.log'), 'utf8'), /"store:backup:restored"/)
    await stop(cli)
  }),
)

test(
  'an encrypted backup takes its key, and a damaged one is refused before anything is changed',
  patience,
  () =>
    withCommandLine(async (cli) => {
      await cli.up(['Ada'])
      await tell(cli, 'remember that the key is under the mat')
      await stop(cli)
      const keyFile = join(cli.folder, 'key')
      writeFileSync(keyFile, 'too short')
      const short = await cli.run(['backup', 'create', 'Ada', '--key-file', keyFile])
      assert.deepEqual([short.code, /openssl rand -base64 32/.test(short.stderr)], [2, true])
      writeFileSync(keyFile, `${'k3y'.repeat(15)}\n`)
      const sealed = await cli.json(['backup', 'create', 'Ada', '--key-file', keyFile])
      const path = join(sealed.folder, sealed.name)
      assert.equal(sealed.encrypted, true)
      assert.equal(readFileSync(path).includes('under the mat'), false)
      const forgotten = await cli.run(['backup', 'create', 'Ada'])
      assert.deepEqual([forgotten.code, /--unencrypted/.test(forgotten.stderr)], [2, true])
      const keyless = await cli.run(['backup', 'verify', 'Ada'])
      assert.deepEqual([keyless.code, /ERR_BACKUP_KEY.*--key-file/.test(keyless.stdout)], [1, true])
      const verified = await cli.json(['backup', 'verify', 'Ada', '--key-file', keyFile])
      assert.deepEqual(verified.verified[0].whole, true)

      assert.match((await cli.run(['backup', 'restore', 'Ada', 'newest', '--yes'])).stderr, /ERR_BACKUP_KEY/)
      // Nothing was written that is not encrypted, and what was proven still is.
      const untouched = await cli.json(['backup', 'list', 'Ada'])
      assert.deepEqual([untouched.backups.length, untouched.backups[0].proof !== null], [1, true])
      const args = ['backup', 'restore', 'Ada', sealed.name, '--yes', '--key-file', keyFile]
      const restored = await cli.json(args)
      assert.equal(restored.before.encrypted, true)
      const bytes = readFileSync(path)
      bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1
      writeFileSync(path, bytes)
      const refused = await cli.run(args)
      assert.match(refused.stderr, /ERR_BACKUP_INVALID/)
      const other = await cli.run(['backup', 'restore', 'Ada', '2001', '--yes'])
      assert.deepEqual([other.code, /ERR_NO_SUCH_BACKUP.*there are/.test(other.stderr)], [1, true])
      await cli.up(['Ada'])
      assert.match(await notes(cli), /under the mat/)
      await stop(cli)
    }),
)

test(
  'an agent comes back on a machine that has nothing but the file; one that was started anew meanwhile is asked about',
  patience,
  () =>
    withCommandLine(async (cli) => {
      await cli.up(['Ada'])
      await tell(cli, 'remember that the key is under the mat')
      await stop(cli)
      const taken = await cli.json(['backup', 'create', 'Ada'])
      const file = join(cli.folder, 'elsewhere.backup')
      writeFileSync(file, readFileSync(join(taken.folder, taken.name)))
      rmSync(join(cli.home, 'agents', 'Ada'), { recursive: true })
      const misnamed = await cli.run(['backup', 'restore', 'Bea', file, '--yes'])
      assert.match(misnamed.stderr, /ERR_BACKUP_OTHER_AGENT/)
      await cli.json(['backup', 'restore', 'Ada', file, '--yes'])
      await cli.up(['Ada'])
      assert.match(await notes(cli), /under the mat/)
      await stop(cli)

      rmSync(join(cli.home, 'agents', 'Ada'), { recursive: true })
      await cli.up(['Ada'])
      await stop(cli)
      const other = await cli.run(['backup', 'restore', 'Ada', file, '--yes'])
      assert.match(other.stderr, /ERR_BACKUP_OTHER_AGENT.*--replace/)
      await cli.json(['backup', 'restore', 'Ada', file, '--yes', '--replace'])
      await cli.up(['Ada'])
      assert.match(await notes(cli), /under the mat/)
      await stop(cli)
    }),
)

test('a database that is damaged is not backed up, and can be put back all the same', patience, () =>
  withCommandLine(async (cli) => {
    await cli.up(['Ada'])
    await tell(cli, 'remember that the key is under the mat')
    await stop(cli)
    await cli.json(['backup', 'create', 'Ada'])
    const folder = join(cli.home, 'agents', 'Ada')
    rmSync(join(folder, 'journal'), { recursive: true })
    writeFileSync(join(folder, 'state.db'), 'no database')
    const refused = await cli.run(['backup', 'create', 'Ada'])
    assert.match(refused.stderr, /ERR_STORE_CORRUPT/)
    assert.equal(readFileSync(join(folder, 'state.db'), 'utf8'), 'no database')
    const { before } = await cli.json(['backup', 'restore', 'Ada', 'newest', '--yes'])
    assert.equal(before, null)
    await cli.up(['Ada'])
    assert.match(await notes(cli), /under the mat/)
    await stop(cli)
  }),
)

test('a backup of another agent is refused', patience, () =>
  withCommandLine(async (cli) => {
    for (const name of ['Ada', 'Bo']) {
      await cli.up([name])
      await cli.json(['stop', name])
    }
    const taken = await cli.json(['backup', 'create', 'Bo'])
    const path = join(taken.folder, taken.name)
    const refused = await cli.run(['backup', 'restore', 'Ada', path, '--yes'])
    assert.match(refused.stderr, /ERR_BACKUP_OTHER_AGENT: .*Bo/)
  }),
)

test('pruning keeps what the options say, and with --dry-run only tells', patience, () =>
  withCommandLine(async (cli) => {
    const none = await cli.run(['backup', 'list', 'Ada'])
    assert.equal(none.code, 4)
    await cli.up(['Ada'])
    await tell(cli, 'hello')
    await stop(cli)
    assert.match((await cli.run(['backup', 'list', 'Ada'])).stderr, /perdura backup create Ada/)
    const names: string[] = []
    for (let count = 0; count < 3; count++) {
      const { name } = await cli.json(['backup', 'create', 'Ada'])
      names.push(name)
    }
    const only = ['--keep-last', '1', '--keep-hourly', '0', '--keep-daily', '0', '--keep-weekly', '0']
    const prune = (...more: string[]) =>
      cli.json(['backup', 'prune', 'Ada', ...only, '--keep-monthly', '0', ...more])
    const told = await prune('--dry-run')
    assert.equal((await cli.json(['backup', 'list', 'Ada'])).backups.length, new Set(names).size)
    const done = await prune()
    assert.deepEqual(done.removed, told.removed)
    assert.equal(done.kept.length, 1)
    assert.equal((await cli.json(['backup', 'list', 'Ada'])).backups.length, 1)
  }),
)
