import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hubOf } from '../../helpers/at-hub.ts'
import { until, withCommandLine } from '../../helpers/command-line.ts'
import '../../helpers/leaks.ts'

const patience = { timeout: 180_000 }

/** Counts what it is told, each through an effect that is appended to a file outside, and waits while there is a `hold`. */
const mover = (folder: string): string => `
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { defineAgent } from 'perdura'
const done = ${JSON.stringify(join(folder, 'effects'))}
const hold = ${JSON.stringify(join(folder, 'hold'))}
const find = (key) => existsSync(done) && readFileSync(done, 'utf8').split('\\n').some((line) => line.startsWith(key))
export default defineAgent({
  name: 'Mover',
  async onMessage(message, ctx) {
    const text = String(message.text)
    await ctx.effect('note', {
      run: ({ key }) => void appendFileSync(done, key + ' ' + text + '\\n'),
      verify: ({ key }) => (find(key) ? { done: true } : undefined),
    })
    while (text.startsWith('slow') && existsSync(hold)) {
      ctx.signal.throwIfAborted()
      await delay(20)
    }
    await ctx.reply('did ' + text)
  },
})
`

test(
  'an agent moves to another home with everything it owns, and what is left behind starts no more',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const { url } = await hubOf(cli)
      const file = join(cli.folder, 'mover.ts')
      writeFileSync(file, mover(cli.folder))
      writeFileSync(join(cli.folder, 'hold'), '')
      const up = cli.start(['up', file, '--port', '0', '--hub', url])
      await up.says(/session online/)
      const before = await cli.json(['session', 'show', 'Mover'])
      const send = (text: string): Promise<unknown> =>
        cli.json(['send', '--hub', url, '--as', 'zoe', '--to', 'Mover', text])
      await send('quick')
      await send('slow one')
      const effects = (): string[] =>
        existsSync(join(cli.folder, 'effects'))
          ? readFileSync(join(cli.folder, 'effects'), 'utf8').trim().split('\n')
          : []
      await until('the slow turn is under way', () => effects().some((line) => line.endsWith('slow one')))

      const archive = join(cli.folder, 'mover.export')
      const exporting = cli.json(['session', 'export', 'Mover', '--to', archive])
      // What comes in meanwhile is for whoever goes on.
      await send('meanwhile')
      const exported = await exporting
      assert.deepEqual([exported.agent, exported.sealed, exported.launch.path], ['Mover', false, file])
      assert.equal((await up.ended).code, 0, up.stderr)
      assert.equal(statSync(archive).mode & 0o777, 0o600)
      assert.equal(readFileSync(archive).includes('refresh_token'), false)

      // It starts here no more, by its name or by its file, and says what to do.
      for (const args of [
        ['run', 'Mover'],
        ['up', file],
      ]) {
        const refused = await cli.run([...args, '--port', '0', '--hub', url])
        assert.deepEqual(
          [refused.code, /ERR_AGENT_MOVED.*--despite-move/.test(refused.stderr)],
          [78, true],
          refused.stderr,
        )
      }
      assert.match(JSON.stringify(await cli.json(['why', 'Mover'])), /was exported from here/)
      assert.equal(
        (await cli.run(['session', 'export', 'Mover', '--to', join(cli.folder, 'again')])).code,
        78,
      )

      const other = { home: join(cli.folder, 'other') }
      const unsaid = await cli.run(['session', 'import', archive], other)
      assert.deepEqual([unsaid.code, /--hub/.test(unsaid.stderr)], [2, true], unsaid.stderr)
      assert.equal(existsSync(join(other.home, 'agents', 'Mover')), false)
      const imported = await cli.run(['session', 'import', archive, '--hub', url], other)
      assert.equal(imported.code, 0, imported.stderr)
      const twice = await cli.run(['session', 'import', archive, '--hub', url], other)
      assert.deepEqual([twice.code, /ERR_AGENT_EXISTS/.test(twice.stderr)], [1, true], twice.stderr)
      const nameless = await cli.run(['up', 'Mover', '--port', '0'], other)
      assert.deepEqual(
        [nameless.code, /its code stayed where it was/.test(nameless.stderr)],
        [78, true],
        nameless.stderr,
      )

      rmSync(join(cli.folder, 'hold'))
      const there = cli.start(['up', file, '--port', '0', '--hub', url], other)
      await there.says(/session online/)
      const show = await cli.run(['session', 'show', 'Mover', '--json'], other)
      const after = JSON.parse(show.stdout)
      assert.equal(after.session_identifier, before.session_identifier)
      assert.ok(after.generation > before.generation, `${after.generation} after ${before.generation}`)
      const turns = async (): Promise<string> =>
        (await cli.run(['turn', 'list', 'Mover', '--json'], other)).stdout
      await until(
        'all turns are done',
        async () => (await turns()).split('"status":"done"').length === 4,
        () => there.stderr,
      )
      assert.deepEqual(
        effects().map((line) => line.replace(/^\S+ /, '')),
        ['quick', 'slow one', 'meanwhile'],
      )

      // The copy that was left behind, with its marker removed, is what the hub says it is.
      rmSync(join(cli.home, 'agents', 'Mover', 'moved.json'))
      const left = await cli.run(['run', file, '--port', '0', '--hub', url])
      assert.deepEqual([left.code, /ERR_FENCED/.test(left.stderr)], [78, true], left.stderr)
      await send('after all')
      await until('the new place has it', async () => (await turns()).includes('after all'))
      there.kill('SIGTERM')
      assert.equal((await there.ended).code, 0)
    }),
)

test(
  'files that are no good change nothing, and a sealed one opens with its passphrase alone',
  patience,
  () =>
    withCommandLine(async (cli) => {
      const up = await cli.up(['--name', 'Cy'])
      await cli.json(['send', 'Cy', 'remember that the key is under the mat', '--wait'])
      const phrase = join(cli.folder, 'phrase')
      writeFileSync(phrase, 'correct horse battery\n')
      const archive = join(cli.folder, 'cy.export')
      await cli.json(['session', 'export', 'Cy', '--to', archive, '--passphrase-file', phrase])
      assert.equal((await up.ended).code, 0)
      const good = readFileSync(archive)
      assert.equal(good.includes('under the mat'), false)
      const other = { home: join(cli.folder, 'other') }
      const wrong = join(cli.folder, 'wrong')
      writeFileSync(wrong, 'incorrect horse battery\n')
      const attempt = async (bytes: Buffer, key: string, code: string): Promise<void> => {
        writeFileSync(archive, bytes)
        const args = ['session', 'import', archive, ...(key === '' ? [] : ['--passphrase-file', key])]
        const { code: exit, stderr } = await cli.run(args, other)
        assert.deepEqual([exit, stderr.includes(code)], [1, true], stderr)
        assert.equal(existsSync(join(other.home, 'agents')), false)
      }
      await attempt(good, '', 'ERR_EXPORT_PASSPHRASE')
      await attempt(good, wrong, 'ERR_EXPORT_PASSPHRASE')
      await attempt(good.subarray(0, -1), phrase, 'ERR_EXPORT_INVALID')
      await attempt(Buffer.from('something else'), phrase, 'ERR_EXPORT_INVALID')
      const newer = good.toString('latin1').replace('"perdura_export":1', '"perdura_export":2')
      await attempt(Buffer.from(newer, 'latin1'), phrase, 'ERR_EXPORT_NEWER')
      writeFileSync(archive, good)
      const imported = await cli.run(['session', 'import', archive, '--passphrase-file', phrase], other)
      assert.equal(imported.code, 0, imported.stderr)
      assert.deepEqual(
        readdirSync(join(other.home, 'agents')).filter((name) => name !== '.import.lock'),
        ['Cy'],
      )
      // Where it was imported nowhere, its own place is not lost for ever.
      const back = await cli.up(['Cy', '--despite-move'])
      const { replies } = await cli.json(['send', 'Cy', 'list notes', '--wait'])
      assert.match(replies[0].text, /under the mat/)
      back.kill('SIGTERM')
      await back.ended
      const there = cli.start(['up', 'Cy', '--port', '0'], other)
      await there.says(/ is ready /)
      const asked = await cli.run(['send', 'Cy', 'list notes', '--wait', '--json'], other)
      assert.match(asked.stdout, /under the mat/)
    }),
)

test('a damaged database is not exported, and stays as it is', patience, () =>
  withCommandLine(async (cli) => {
    const up = await cli.up(['--name', 'Cy'])
    await cli.json(['send', 'Cy', 'remember that the key is under the mat', '--wait'])
    up.kill('SIGTERM')
    await up.ended
    const database = join(cli.home, 'agents', 'Cy', 'state.db')
    truncateSync(database, statSync(database).size - 8_192)
    const bytes = readFileSync(database)
    const refused = await cli.run(['session', 'export', 'Cy', '--to', join(cli.folder, 'cy.export')])
    assert.deepEqual([refused.code, /ERR_STORE_CORRUPT/.test(refused.stderr)], [78, true], refused.stderr)
    assert.deepEqual(readFileSync(database), bytes)
    assert.equal(existsSync(join(cli.home, 'agents', 'Cy', 'moved.json')), false)
    assert.equal(existsSync(join(cli.folder, 'cy.export')), false)
  }),
)
